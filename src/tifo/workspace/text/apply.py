"""Applies a workspace file: writes its definitions in an order in which each finds what it refers to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from tifo.documents.changes import Change, Verb
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Conflict, Rejected
from tifo.kernel.ids import DestinationId, LogPosition, NewId, SourceId, TrackingPlanId
from tifo.kernel.json import JsonObject
from tifo.tracking.filters import Filter, FilterAction, read_filters
from tifo.tracking.plans.model import BUILT_IN_PLAN, NO_PLAN, PlanType
from tifo.workspace import rules
from tifo.workspace.destinations import RETRY_FOR_S, ConnectedDestination, DestinationChange, SecretNames
from tifo.workspace.model import Source, SourceChange, SourceType, WriteKey
from tifo.workspace.ports import Workspace, WorkspaceWriter
from tifo.workspace.sync import EVERYTHING, Override, with_overrides
from tifo.workspace.text.apply_engagement import ApplyingEngagement
from tifo.workspace.text.describe import describe
from tifo.workspace.text.document import (
    DestinationText,
    PlanText,
    SourceText,
    WarehouseText,
    WorkspaceText,
    controls_of,
)
from tifo.workspace.text.plan import changes
from tifo.workspace.warehouses import BUILT_IN, WarehouseKind


@dataclass(frozen=True, kw_only=True)
class ApplyContext:
    """Carries what applying a file needs beside the file and the workspace."""

    urls: Mapping[str, str]
    """Addresses of the warehouses to make, by name."""
    secret_names: SecretNames
    start: LogPosition
    """A new destination gets the events after this position of the log."""
    at: datetime
    new_id: NewId


def check_unchanged(now: Workspace, planned: Workspace) -> None:
    # A person confirmed the plan: what happens must be what was shown.
    if now != planned:
        raise Conflict("The workspace was changed meanwhile. Nothing is applied: plan again.")


def apply_text(
    writer: WorkspaceWriter, now: Workspace, wanted: WorkspaceText, context: ApplyContext, *, prune: bool
) -> None:
    """Raises `Rejected`, `NotFound` or `Conflict` for the first thing that the rules refuse."""
    made = changes(describe(now, secrets=True), wanted, prune=prune)
    applying = _Applying(writer, now, wanted, context)
    applying.definitions([each for each in made if each.section in {"tracking_plans", "sources", "warehouses"}])
    # A destination belongs to a source, and an alert watches a destination: each may be new.
    destinations = _ApplyingDestinations(writer, now, context, applying.source_ids)
    engagement = ApplyingEngagement(writer, now, context.at, context.new_id, applying.source_ids)
    for change in made:
        if change.section == "destinations":
            destinations.apply(change, wanted.destinations)
        elif change.section == "sources" and change.verb is not Verb.DELETE:
            engagement.incoming(change.key, wanted.sources[change.key])
    for change in made:
        if change.section == "applications":
            engagement.application(change, wanted.applications[change.key])
        elif change.section == "alerts":
            engagement.alert(change, wanted.alerts.get(change.key), destinations.ids)


class _Applying:
    """Applies tracking plans, sources and warehouses."""

    def __init__(self, writer: WorkspaceWriter, now: Workspace, wanted: WorkspaceText, context: ApplyContext) -> None:
        self._writer = writer
        self._wanted = wanted
        self._context = context
        self.source_ids: dict[str, SourceId] = {source.slug: source.id for source in now.sources}
        self._plan_ids = {plan.name: plan.id for plan in now.plans}

    def definitions(self, made: Sequence[Change]) -> None:
        for change in made:
            if change.verb is Verb.DELETE:
                self._delete(change.section, change.key)
            elif change.section == "tracking_plans":
                self._plan(change.key, self._wanted.tracking_plans[change.key])
            elif change.section == "sources":
                self._source(change.key, self._wanted.sources[change.key])
            else:
                self._warehouse(change, self._wanted.warehouses[change.key])
        # Selections refer to warehouses, and controls to other sources: all of them are there now.
        for change in made:
            if change.verb is not Verb.DELETE and change.section == "sources":
                self._select(change.key, self._wanted.sources[change.key])
                self._control(change.key, self._wanted.sources[change.key])

    def _plan(self, name: str, text: PlanText) -> None:
        plan_rules = [rule.as_rule() for rule in text.rules]
        if name in self._plan_ids:
            self._writer.change_plan(self._plan_ids[name], text.description, plan_rules)
        else:
            self._plan_ids[name] = self._writer.insert_plan(name, PlanType(text.type), text.description, plan_rules)

    def _source(self, slug: str, text: SourceText) -> None:
        if slug in self.source_ids:
            change = SourceChange(name=text.name, schema=text.schema)
            source = self._writer.change_source(self.source_ids[slug], change)
        else:
            source = self._new_source(slug, text)
        missing = [WriteKey(key, self._context.at) for key in text.write_keys if key not in source.write_keys]
        self._writer.add_keys(source.id, missing)
        # A source is enabled last: it needs a write key by then.
        self._writer.change_source(source.id, SourceChange(enabled=text.enabled))

    def _new_source(self, slug: str, text: SourceText) -> Source:
        """Makes a disabled source, without a write key where the file gives some."""
        used = self._writer.used_names()
        source = rules.new_source(
            text.name,
            SourceType(text.type),
            source_id=SourceId(self._context.new_id()),
            at=self._context.at,
            used=used,
            slug=slug,
        )
        if text.schema is not None:
            source = rules.changed(source, SourceChange(schema=text.schema), used)
        # The keys of the file are those that clients have; another one would be a secret that nobody asked for.
        if text.write_keys:
            source = replace(source, keys=())
        self.source_ids[slug] = source.id
        return self._writer.insert_source(replace(source, enabled=False))

    def _warehouse(self, change: Change, text: WarehouseText) -> None:
        source_ids = None if text.sources is None else [self._source_id(slug) for slug in text.sources]
        if change.verb is Verb.CREATE:
            self._writer.insert_warehouse(change.key, WarehouseKind(text.kind), self._context.urls[change.key])
        self._writer.change_warehouse(change.key, enabled=text.enabled, source_ids=source_ids)

    def _select(self, slug: str, text: SourceText) -> None:
        known = {BUILT_IN, *self._writer.warehouse_names()}
        for warehouse in text.not_loaded.keys() - known:
            raise Rejected(f"sources.{slug}.not_loaded: there is no warehouse {warehouse!r:.100}.", field="not_loaded")
        for warehouse in known:
            overrides = [_off(place) for place in text.not_loaded.get(warehouse, ())]
            # The file says all of it: a table that it no longer names is loaded again.
            selection = with_overrides(EVERYTHING, overrides)
            self._writer.put_selection(self.source_ids[slug], warehouse, selection)

    def _control(self, slug: str, text: SourceText) -> None:
        """Connects the source's tracking plan and sets its schema controls."""
        source_id = self.source_ids[slug]
        # Not written means "as it is"; `none` is a word of its own.
        if text.tracking_plan is not None:
            self._writer.connect_plan(source_id, self._plan_id(text.tracking_plan))
        if text.schema_controls is not None:
            self._writer.put_controls(source_id, controls_of(text.schema_controls, self._source_id))

    def _delete(self, section: str, key: str) -> None:
        if section == "warehouses":
            self._writer.delete_warehouse(key)
        elif section == "tracking_plans":
            self._writer.delete_plan(self._plan_ids[key])
        else:
            self._writer.delete_source(self.source_ids[key])

    def _plan_id(self, name: str) -> TrackingPlanId | None:
        if name == NO_PLAN:
            return None
        if name == BUILT_IN_PLAN:
            return BUILT_IN_PLAN
        if name not in self._plan_ids:
            raise Rejected(
                f"There is no tracking plan {name!r:.100}. Add it under tracking_plans.", field="tracking_plan"
            )
        return self._plan_ids[name]

    def _source_id(self, slug: str) -> SourceId:
        if slug not in self.source_ids:
            raise rules.no_source(slug)
        return self.source_ids[slug]


class _ApplyingDestinations:
    """Applies destinations, whose settings are complete and checked."""

    def __init__(
        self, writer: WorkspaceWriter, now: Workspace, context: ApplyContext, source_ids: Mapping[str, SourceId]
    ) -> None:
        self._writer = writer
        self._known = now.destination_keys()
        self._context = context
        self._source_ids = source_ids
        self.ids = {key: each.id for key, each in self._known.items()}

    def apply(self, change: Change, wanted: Mapping[str, DestinationText]) -> None:
        old = self._known.get(change.key)
        if change.verb is Verb.DELETE:
            self._writer.delete_destination(self._known[change.key].id)
        elif old is not None:
            self._change(old, wanted[change.key])
        else:
            self._create(change.key, wanted[change.key])

    def _change(self, old: ConnectedDestination, text: DestinationText) -> None:
        change = DestinationChange(
            enabled=text.enabled,
            settings=text.settings,
            choice=text.events,
            filters=self._filters(text, old),
            mappings=self._mappings(text, old),
            retry_for_s=None if text.retry_for is None else text.retry_for.total_seconds(),
        )
        self._writer.change_destination(old.id, change, secret=self._context.secret_names(text.kind))

    def _create(self, key: str, text: DestinationText) -> None:
        slug, _, name = key.partition("/")
        if slug not in self._source_ids:
            raise rules.no_source(slug)
        made = ConnectedDestination(
            id=DestinationId(self._context.new_id()),
            name=name,
            kind=text.kind,
            source_id=self._source_ids[slug],
            settings=text.settings,
            created_at=self._context.at,
            enabled=text.enabled,
            mappings=tuple(self._mappings(text, None) or ()),
            filters=tuple(self._filters(text, None) or ()),
            choice=text.events or {},
            retry_for_s=RETRY_FOR_S if text.retry_for is None else text.retry_for.total_seconds(),
        )
        self.ids[key] = made.id
        secret = self._context.secret_names(text.kind)
        self._writer.insert_destination(made, start=self._context.start, secret=secret)

    def _filters(self, text: DestinationText, old: ConnectedDestination | None) -> list[JsonObject] | None:
        """Builds the filters. One whose title the destination has already keeps that id."""
        if text.filters is None:
            return None
        known = {each.title: each.id for each in read_filters(old.filters if old else ())}
        at = to_iso(self._context.at)
        filters = [
            Filter(
                id=known.get(each.title) or self._context.new_id(),
                if_=each.when,
                actions=msgspec.convert(list(each.actions), list[FilterAction]),
                title=each.title,
                description=each.description,
                enabled=each.enabled,
                created_at=at,
                updated_at=at,
            )
            for each in text.filters
        ]
        built: list[JsonObject] = msgspec.to_builtins(filters)
        return built

    def _mappings(self, text: DestinationText, old: ConnectedDestination | None) -> list[JsonObject] | None:
        """Builds the mappings. One whose name the destination has already keeps that id."""
        if text.mappings is None:
            return None
        known = {str(each["name"]): each["id"] for each in (old.mappings if old else ())}
        return [
            {
                "id": known.get(each.name) or self._context.new_id(),
                "name": each.name,
                "action": each.action,
                "trigger": each.trigger,
                "mapping": each.mapping,
                "enabled": each.enabled,
            }
            for each in text.mappings
        ]


def _off(place: str) -> Override:
    table, _, column = place.partition(".")
    return Override(table, column or None, enabled=False)
