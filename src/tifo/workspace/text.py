"""The workspace as text: what a file says of sources, warehouses and selective sync, and how that differs from now."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, cast

import msgspec

from tifo.engagement.text.document import Checked, Name, Text, one_of
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import SourceId, TrackingPlanId
from tifo.tracking.filters import read_filters
from tifo.tracking.plans.model import (
    LENIENT,
    NO_PLAN,
    Controls,
    PlanType,
    Rule,
    RuleType,
    TrackingPlan,
    changed,
)
from tifo.workspace.destinations import ConnectedDestination
from tifo.workspace.model import Source, SourceType
from tifo.workspace.rules import checked_new_key
from tifo.workspace.sync import Selection
from tifo.workspace.warehouses import ConnectedWarehouse


def _place(value: str, field: str) -> str:
    table, _, column = value.partition(".")
    if not table or value.endswith("."):
        raise Rejected(f"{field} is {value!r:.100}. Write a table, or table.column.", field=field)
    return table if not column else value


Key = Annotated[str, Checked(checked_new_key)]
Place = Annotated[str, Checked(_place)]


class RuleText(Text, frozen=True, kw_only=True):
    """As Segment's Public API has it; the schema is of the whole event."""

    type: Annotated[str, one_of(*RuleType)]
    key: Name | None = None
    version: int = 1
    json_schema: dict[str, Any]

    def as_rule(self) -> Rule:
        return Rule(type=RuleType(self.type), json_schema=self.json_schema, key=self.key, version=self.version)


class PlanText(Text, frozen=True, kw_only=True):
    """A tracking plan, by its name."""

    type: Annotated[str, one_of(*PlanType)] = PlanType.LIVE.value
    description: str = ""
    rules: tuple[RuleText, ...] = ()


class SourceText(Text, frozen=True, kw_only=True):
    """By its slug. `schema`, `write_keys`, `tracking_plan` and `schema_controls` stay as they are where they are not
    written.
    """

    name: Name
    type: Annotated[str, one_of(*SourceType)]
    enabled: bool = True
    schema: Name | None = None
    write_keys: tuple[Key, ...] = ()
    tracking_plan: Name | None = None
    """A plan's name, `livelike` for the one that LiveLike sources come with, or `none`."""
    schema_controls: dict[str, Any] | None = None
    """In the form of Segment's source settings, but with slugs where they have ids. What it does not name is as it is
    by itself.
    """
    not_loaded: dict[str, tuple[Place, ...]] = msgspec.field(default_factory=dict)
    """By warehouse: tables, and table.column, that are not loaded."""


class WarehouseText(Text, frozen=True, kw_only=True):
    """By its name. Without `sources` it takes all of them. Its address is given once, when it is made."""

    kind: Name
    enabled: bool = True
    url: str | None = None
    url_env: Name | None = None
    """The environment variable that holds the address, so that the file need not."""
    sources: tuple[Name, ...] | None = None


class FilterText(Text, frozen=True, kw_only=True):
    """A destination filter, by its title."""

    title: Name
    when: Name
    """FQL."""
    actions: tuple[dict[str, Any], ...]
    """In Segment's form."""
    description: str = ""
    enabled: bool = True


class MappingText(Text, frozen=True, kw_only=True):
    """Of a vendor's kind."""

    name: Name
    action: Name
    trigger: Name
    """FQL."""
    mapping: dict[str, Any] = msgspec.field(default_factory=dict)
    enabled: bool = True


class DestinationText(Text, frozen=True, kw_only=True):
    """By `<source's slug>/<name>`. Secrets, `events`, `filters` and `mappings` stay as they are where they are not
    written; a new one of a vendor's kind then has the kind's automatic mappings.
    """

    kind: Name
    enabled: bool = True
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    settings_env: dict[str, Any] = msgspec.field(default_factory=dict)
    """Settings that environment variables hold: by setting the variable's name."""
    events: dict[str, Any] | None = None
    """`types`, `only`, `except`."""
    filters: tuple[FilterText, ...] | None = None
    mappings: tuple[MappingText, ...] | None = None


class WorkspaceText(Text, frozen=True, kw_only=True):
    tracking_plans: dict[str, PlanText] = msgspec.field(default_factory=dict)
    sources: dict[str, SourceText] = msgspec.field(default_factory=dict)
    warehouses: dict[str, WarehouseText] = msgspec.field(default_factory=dict)
    destinations: dict[str, DestinationText] = msgspec.field(default_factory=dict)


@dataclass(frozen=True)
class Workspace:
    """The workspace as it is."""

    sources: tuple[Source, ...]
    warehouses: tuple[ConnectedWarehouse, ...]
    selections: Mapping[tuple[SourceId, str], Selection]
    plans: tuple[TrackingPlan, ...] = ()
    plan_connections: Mapping[SourceId, TrackingPlanId | None] = field(default_factory=dict)
    controls: Mapping[SourceId, Controls] = field(default_factory=dict)
    destinations: tuple[ConnectedDestination, ...] = ()

    def destination_keys(self) -> dict[str, ConnectedDestination]:
        """Those of sources that are there."""
        slugs = {source.id: source.slug for source in self.sources}
        known = [each for each in self.destinations if each.source_id in slugs]
        return {f"{slugs[each.source_id]}/{each.name}": each for each in known}


class Verb(StrEnum):
    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"


class FieldChange(NamedTuple):
    path: str
    old: Any
    new: Any


class Change(NamedTuple):
    verb: Verb
    section: str
    key: str
    fields: tuple[FieldChange, ...] = ()


SecretNames = Callable[[str], Collection[str]]
"""By a kind of destination: which of its settings are secrets."""


def describe(workspace: Workspace, *, secrets: bool, secret_names: SecretNames = lambda _: ()) -> WorkspaceText:
    """Write keys, the addresses of warehouses, which may hold passwords, and secret settings only with `secrets`."""
    slugs = {source.id: source.slug for source in workspace.sources}
    return WorkspaceText(
        tracking_plans={plan.name: _plan_text(plan) for plan in workspace.plans},
        sources={source.slug: _source_text(source, workspace, secrets=secrets) for source in workspace.sources},
        warehouses={
            warehouse.name: WarehouseText(
                kind=warehouse.kind,
                enabled=warehouse.enabled,
                url=warehouse.url if secrets else None,
                sources=None
                if warehouse.source_ids is None
                else tuple(sorted(slugs[each] for each in warehouse.source_ids if each in slugs)),
            )
            for warehouse in workspace.warehouses
        },
        destinations={
            key: _destination_text(each, () if secrets else secret_names(each.kind))
            for key, each in workspace.destination_keys().items()
        },
    )


def _destination_text(destination: ConnectedDestination, left_out: Collection[str]) -> DestinationText:
    settings = {
        name: value for name, value in destination.settings.items() if value is not None and name not in left_out
    }
    return DestinationText(
        kind=destination.kind,
        enabled=destination.enabled,
        settings=settings,
        events=dict(destination.choice),
        filters=tuple(
            FilterText(
                title=each.title,
                when=each.if_,
                actions=tuple(msgspec.to_builtins(each.actions)),
                description=each.description,
                enabled=each.enabled,
            )
            for each in read_filters(destination.filters)
        ),
        mappings=tuple(
            MappingText(
                name=str(each["name"]),
                action=str(each["action"]),
                trigger=str(each["trigger"]),
                mapping=cast("dict[str, Any]", each["mapping"]),
                enabled=bool(each["enabled"]),
            )
            for each in destination.mappings
        ),
    )


def _plan_text(plan: TrackingPlan) -> PlanText:
    rules = tuple(
        RuleText(type=rule.type.value, key=rule.key, version=rule.version, json_schema=rule.json_schema)
        for rule in plan.rules
    )
    return PlanText(type=plan.type.value, description=plan.description, rules=rules)


def _source_text(source: Source, workspace: Workspace, *, secrets: bool) -> SourceText:
    off = {
        warehouse: places(selection)
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
        schema_controls=_controls_told(workspace, source.id),
        not_loaded={warehouse: those for warehouse, those in off.items() if those},
    )


def _plan_name(workspace: Workspace, source_id: SourceId) -> str | None:
    if source_id not in workspace.plan_connections:
        return None
    plan_id = workspace.plan_connections[source_id]
    names = {plan.id: plan.name for plan in workspace.plans}
    return NO_PLAN if plan_id is None else names.get(plan_id, plan_id)


def _controls_told(workspace: Workspace, source_id: SourceId) -> dict[str, Any] | None:
    """What is as it is by itself is left out."""
    if source_id not in workspace.controls:
        return None
    slugs = {source.id: source.slug for source in workspace.sources}
    told, usual = msgspec.to_builtins(workspace.controls[source_id]), msgspec.to_builtins(LENIENT)
    differing = {name: value for name, value in told.items() if value != usual[name]}
    return {
        name: {each: setting for each, setting in value.items() if setting != usual[name][each]}
        if isinstance(value, dict)
        else slugs.get(SourceId(value), value)
        for name, value in differing.items()
    }


def controls_of(text: Mapping[str, Any], id_of: Callable[[str], SourceId]) -> Controls:
    """Of a source's text, with ids in the place of slugs. Raises `Rejected`, naming the field."""
    told = dict(text)
    for name in ("forwardingViolationsTo", "forwardingBlockedEventsTo"):
        if told.get(name):
            told[name] = id_of(told[name])
    return changed(LENIENT, told)


def places(selection: Selection) -> tuple[str, ...]:
    columns = (f"{table}.{column}" for table, off in selection.columns_off.items() for column in off)
    return tuple(sorted((*selection.tables_off, *columns)))


def changes(now: WorkspaceText, wanted: WorkspaceText, *, prune: bool) -> tuple[Change, ...]:
    """`now` with its secrets; no secret is in what is returned. In an order in which they can be done."""
    made: list[Change] = []
    for section in ("tracking_plans", "sources", "warehouses", "destinations"):
        there, said = getattr(now, section), getattr(wanted, section)
        for key, text in said.items():
            if key not in there:
                made.append(Change(Verb.CREATE, section, key))
            elif fields := tuple(_differences(there[key], text)):
                made.append(Change(Verb.CHANGE, section, key, fields))
    for section in ("destinations", "warehouses", "sources", "tracking_plans") if prune else ():
        gone = getattr(now, section).keys() - getattr(wanted, section).keys()
        made += [Change(Verb.DELETE, section, key) for key in sorted(gone)]
    return tuple(made)


def _differences(old: Any, new: Any) -> Iterator[FieldChange]:
    for name in new.__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if name in {"type", "kind"} and before != after:
            raise Rejected(f"{name} is {before} and cannot become {after}. Give it another key.", field=name)
        if name == "url" and after is not None and before != after:
            raise Rejected("The address of a warehouse cannot be changed. Give it another name.", field="url")
        if name in _DIFFERENCES:
            yield from _DIFFERENCES[name](before, after)
        elif name not in {"url", "url_env", "settings_env"} and before != after:
            yield FieldChange(name, before, after)


def _key_differences(before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[FieldChange]:
    added = set(after) - set(before)
    if added:
        yield FieldChange("write_keys", f"{len(before)} keys", f"{len(before) + len(added)} keys")


def _source_differences(before: tuple[str, ...] | None, after: tuple[str, ...] | None) -> Iterator[FieldChange]:
    told = [None if those is None else tuple(sorted(those)) for those in (before, after)]
    if told[0] != told[1]:
        yield FieldChange("sources", *("all" if those is None else those for those in told))


def _if_written(name: str, told: Callable[[Any], Any] = lambda value: value) -> "_Differences":
    """What is not written stays as it is. `told` is what a value comes to."""

    def differences(before: Any, after: Any) -> Iterator[FieldChange]:
        if after is not None and told(before) != told(after):
            yield FieldChange(name, before, after)

    return differences


def _controls(value: Any) -> Any:
    return changed(LENIENT, value) if isinstance(value, dict) else value


def _rule_differences(before: tuple[RuleText, ...], after: tuple[RuleText, ...]) -> Iterator[FieldChange]:
    was, becomes = ({rule.as_rule().place: rule for rule in rules} for rules in (before, after))
    for place in sorted(was.keys() | becomes.keys(), key=str):
        if was.get(place) != becomes.get(place):
            name = " ".join(str(part) for part in (*place[:2], f"version {place[2]}") if part)
            yield FieldChange(f"rules.{name}", *("written" if place in each else "" for each in (was, becomes)))


def _off_differences(
    before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]
) -> Iterator[FieldChange]:
    for warehouse in sorted(before.keys() | after.keys()):
        was, becomes = (tuple(sorted(off.get(warehouse, ()))) for off in (before, after))
        if was != becomes:
            yield FieldChange(f"not_loaded.{warehouse}", was, becomes)


def _setting_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    """Which ones, and not what they hold: it may be a secret."""
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield FieldChange(f"settings.{name}", *("set" if name in each else "" for each in (before, after)))


def _listed_differences(name: str, key: Callable[[Any], str]) -> "_Differences":
    def differences(before: Any, after: Any) -> Iterator[FieldChange]:
        if after is None:
            return
        was, becomes = ({key(each): each for each in those or ()} for those in (before, after))
        for each in sorted(was.keys() | becomes.keys()):
            if was.get(each) != becomes.get(each):
                yield FieldChange(f"{name}.{each}", *("written" if each in those else "" for those in (was, becomes)))

    return differences


_Differences = Callable[[Any, Any], Iterator[FieldChange]]
_DIFFERENCES: Mapping[str, _Differences] = {
    "schema": _if_written("schema"),
    "write_keys": _key_differences,
    "sources": _source_differences,
    "tracking_plan": _if_written("tracking_plan"),
    "schema_controls": _if_written("schema_controls", _controls),
    "rules": _rule_differences,
    "not_loaded": _off_differences,
    "settings": _setting_differences,
    "events": _if_written("events"),
    "filters": _listed_differences("filters", lambda each: str(each.title)),
    "mappings": _listed_differences("mappings", lambda each: str(each.name)),
}
