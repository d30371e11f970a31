"""Describes the workspace as it is, in the form of a file."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any, cast

import msgspec

from tifo.kernel.ids import SourceId
from tifo.kernel.json import JsonObject
from tifo.tracking.filters import Filter, read_filters
from tifo.tracking.plans.model import LENIENT, NO_PLAN, TrackingPlan
from tifo.workspace.destinations import RETRY_FOR_S, ConnectedDestination, SecretNames
from tifo.workspace.model import Source
from tifo.workspace.ports import Workspace
from tifo.workspace.sync import Selection
from tifo.workspace.text.describe_engagement import alert_text, application_text, incoming_text
from tifo.workspace.text.document import (
    DestinationText,
    FilterText,
    MappingText,
    PlanText,
    RuleText,
    SourceText,
    WarehouseText,
    WorkspaceText,
)
from tifo.workspace.warehouses import ConnectedWarehouse


def describe(workspace: Workspace, *, secrets: bool, secret_names: SecretNames = lambda _: ()) -> WorkspaceText:
    """Describes the workspace; without `secrets`, leaves out write keys, secret settings and warehouses' addresses."""
    # An address may hold a password, as may a setting that its kind calls a secret.
    return WorkspaceText(
        tracking_plans={plan.name: _plan_text(plan) for plan in workspace.plans},
        sources={source.slug: _source_text(source, workspace, secrets=secrets) for source in workspace.sources},
        warehouses={each.name: _warehouse_text(each, workspace, secrets=secrets) for each in workspace.warehouses},
        destinations={
            key: _destination_text(each, () if secrets else secret_names(each.kind))
            for key, each in workspace.destination_keys().items()
        },
        applications={each.id: application_text(each, workspace, secrets=secrets) for each in workspace.applications},
        alerts={each.name: alert_text(each, workspace) for each in workspace.alerts},
    )


def _warehouse_text(warehouse: ConnectedWarehouse, workspace: Workspace, *, secrets: bool) -> WarehouseText:
    slugs = workspace.slugs()
    connected = warehouse.source_ids
    return WarehouseText(
        kind=warehouse.kind,
        enabled=warehouse.enabled,
        url=warehouse.url if secrets else None,
        # A source that was deleted may still be in the list.
        sources=None if connected is None else tuple(sorted(slugs[each] for each in connected if each in slugs)),
    )


def _destination_text(destination: ConnectedDestination, hidden: Collection[str]) -> DestinationText:
    written = {name: value for name, value in destination.settings.items() if value is not None and name not in hidden}
    return DestinationText(
        kind=destination.kind,
        enabled=destination.enabled,
        settings=written,
        events=dict(destination.choice),
        filters=tuple(map(_filter_text, read_filters(destination.filters))),
        mappings=tuple(map(_mapping_text, destination.mappings)),
        retry_for=None if destination.retry_for_s == RETRY_FOR_S else timedelta(seconds=destination.retry_for_s),
    )


def _filter_text(stored: Filter) -> FilterText:
    return FilterText(
        title=stored.title,
        when=stored.if_,
        actions=tuple(msgspec.to_builtins(stored.actions)),
        description=stored.description,
        enabled=stored.enabled,
    )


def _mapping_text(stored: JsonObject) -> MappingText:
    return MappingText(
        name=str(stored["name"]),
        action=str(stored["action"]),
        trigger=str(stored["trigger"]),
        mapping=cast("dict[str, Any]", stored["mapping"]),
        enabled=bool(stored["enabled"]),
    )


def _plan_text(plan: TrackingPlan) -> PlanText:
    rules = tuple(
        RuleText(type=rule.type.value, key=rule.key, version=rule.version, json_schema=rule.json_schema)
        for rule in plan.rules
    )
    return PlanText(type=plan.type.value, description=plan.description, rules=rules)


def _source_text(source: Source, workspace: Workspace, *, secrets: bool) -> SourceText:
    off = {
        warehouse: _places(selection)
        for (source_id, warehouse), selection in sorted(workspace.selections.items())
        if source_id == source.id
    }
    return SourceText(
        name=source.name,
        type=source.type.value,
        enabled=source.enabled,
        schema=source.schema,
        write_keys=source.write_keys if secrets else (),
        tracking_plan=_plan_name(workspace, source.id),
        schema_controls=_controls_text(workspace, source.id),
        livelike_webhooks=incoming_text(workspace, source.id, secrets=secrets),
        not_loaded={warehouse: places for warehouse, places in off.items() if places},
    )


def _plan_name(workspace: Workspace, source_id: SourceId) -> str | None:
    if source_id not in workspace.plan_connections:
        return None
    plan_id = workspace.plan_connections[source_id]
    names = {plan.id: plan.name for plan in workspace.plans}
    # The built-in plan is not among the workspace's; its id is its name.
    return NO_PLAN if plan_id is None else names.get(plan_id, plan_id)


def _controls_text(workspace: Workspace, source_id: SourceId) -> dict[str, Any] | None:
    """Returns only the controls that differ from the default, with slugs in the place of ids."""
    if source_id not in workspace.controls:
        return None
    slugs = workspace.slugs()
    stored, default = msgspec.to_builtins(workspace.controls[source_id]), msgspec.to_builtins(LENIENT)
    differing = {name: value for name, value in stored.items() if value != default[name]}
    return {
        name: {each: setting for each, setting in value.items() if setting != default[name][each]}
        if isinstance(value, dict)
        else slugs.get(SourceId(value), value)
        for name, value in differing.items()
    }


def _places(selection: Selection) -> tuple[str, ...]:
    columns = (f"{table}.{column}" for table, off in selection.columns_off.items() for column in off)
    return tuple(sorted((*selection.tables_off, *columns)))
