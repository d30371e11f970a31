"""Compares the events that landed in the built-in warehouse with the properties that a tracking plan expects."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tifo.kernel.errors import Rejected
from tifo.operations import sources, tracking_plans
from tifo.operations.backend import Backend
from tifo.tracking.plans.model import Rule, RuleType, TrackingPlan
from tifo.warehouses.calls import place_of
from tifo.warehouses.names import NamedColumn
from tifo.warehouses.naming import NameOf
from tifo.warehouses.ports import EventCount, FilledCount, RowSelection, Warehouse
from tifo.workspace.model import Source
from tifo.workspace.warehouses import BUILT_IN

MAX_EXAMPLES = 3
MAX_UNPLANNED = 50
_Path = tuple[str, ...]
_NAME_COLUMNS = {RuleType.TRACK: "event_text", RuleType.PAGE: "name", RuleType.SCREEN: "name"}
"""The columns that hold an event's name as it was sent: two events whose names give one table share it."""


class Expected(NamedTuple):
    """A property that a rule names."""

    path: _Path
    is_required: bool


@dataclass(frozen=True)
class LandedProperty:
    expected: Expected
    present: int
    """Rows that have a value."""
    missing: int
    examples: Sequence[str] = ()
    """Message ids of rows that lack a required property: at most `MAX_EXAMPLES`."""


@dataclass(frozen=True)
class LandedEvent:
    """An event that is planned. One that never came has no rows, and is no failure."""

    name: str
    table: str
    """`schema.table`."""
    rows: int
    properties: Sequence[LandedProperty]

    @property
    def is_complete(self) -> bool:
        return not any(each.expected.is_required and each.missing for each in self.properties)


@dataclass(frozen=True)
class LandedSource:
    source: Source
    plan: TrackingPlan
    events: Sequence[LandedEvent]
    unplanned: Sequence[EventCount]
    """Track events that the plan does not name: at most `MAX_UNPLANNED`, the most frequent first."""


@dataclass(frozen=True)
class LandedEvents:
    sources: Sequence[LandedSource]

    @property
    def are_complete(self) -> bool:
        """False where any event lacks a required property."""
        return all(event.is_complete for each in self.sources for event in each.events)


def check(backend: Backend, source: str | None = None) -> LandedEvents:
    """Checks one source (slug or id), or every source that has a plan.

    Raises `NotFound` for an unknown source, `Rejected` where no source has a plan.
    """
    chosen = sources.listed(backend) if source is None else [sources.find(backend, source)]
    plans = {each.id: use.plan for use in tracking_plans.uses(backend) for each in use.sources}
    planned = [(each, plans[each.id]) for each in chosen if each.id in plans]
    if not planned:
        who = "No source has a" if source is None else f"The source {source} has no"
        raise Rejected(f"{who} tracking plan. Connect one: tifo plan connect PLAN SOURCE.", field="source")
    warehouse = backend.open_warehouse(BUILT_IN)
    return LandedEvents([_checked(backend, each, plan, warehouse) for each, plan in planned])


def expected(rule: Rule) -> Sequence[Expected]:
    """Returns the parts of nested objects; a part is required where all the objects around it are."""
    payload = "traits" if rule.type in {RuleType.IDENTIFY, RuleType.GROUP} else "properties"
    whole = (rule.json_schema.get("properties") or {}).get(payload)
    return list(_parts(whole, (), is_required=True))


def _parts(schema: Any, path: _Path, *, is_required: bool) -> Iterator[Expected]:
    inner = schema.get("properties") if isinstance(schema, dict) else None
    if isinstance(inner, dict) and inner:
        required = set(schema.get("required") or ())
        for name in [*inner, *(each for each in sorted(required) if each not in inner)]:
            yield from _parts(inner.get(name), (*path, name), is_required=is_required and name in required)
    elif path:
        yield Expected(path, is_required)
    elif isinstance(schema, dict):
        yield from (Expected((name,), True) for name in schema.get("required") or ())


def _checked(backend: Backend, source: Source, plan: TrackingPlan, warehouse: Warehouse) -> LandedSource:
    rules = [rule for (rule_type, _), rule in plan.latest.items() if rule_type is not RuleType.COMMON]
    columns = warehouse.columns(source.schema)
    named = backend.schema_names.read(source.id).columns
    return LandedSource(
        source,
        plan,
        [_event(source, rule, warehouse, columns, named) for rule in rules],
        _unplanned(source, rules, warehouse) if "tracks" in columns else [],
    )


def _event(
    source: Source,
    rule: Rule,
    warehouse: Warehouse,
    columns: Mapping[str, Sequence[str]],
    named: Sequence[NamedColumn],
) -> LandedEvent:
    table, name_of = place_of(rule.type.value.lower(), rule.key or "")
    there, wanted = columns.get(table, ()), expected(rule)
    owned = {each.path: each.name for each in named if each.table == table}
    groups = [_columns_of(_column_of(each.path, owned, name_of), there) for each in wanted]
    rows = _rows_of(rule, source.schema, table, there)
    counted = warehouse.filled_count(rows, groups) if there else FilledCount(0, (0,) * len(groups))

    def landed(each: Expected, group: Sequence[str], present: int) -> LandedProperty:
        missing = counted.rows - present
        if not (missing and each.is_required):
            return LandedProperty(each, present, missing)
        examples = warehouse.ids_without(rows, group, limit=MAX_EXAMPLES)
        return LandedProperty(each, present, missing, examples)

    properties = [landed(*each) for each in zip(wanted, groups, counted.filled, strict=True)]
    return LandedEvent(rule.key or rule.type.value.lower(), f"{source.schema}.{table}", counted.rows, properties)


def _column_of(path: _Path, owned: Mapping[_Path, str], name_of: NameOf) -> str | None:
    """Returns the property's column; None where another key owns the one that it asks for."""
    wanted = owned.get(path) or name_of(path)
    return wanted if path in owned or wanted not in owned.values() else None


def _columns_of(column: str | None, there: Sequence[str]) -> Sequence[str]:
    """Returns the property's own column, or else those of its parts: they store an object whose parts no rule names."""
    if column is None:
        return []
    return [column] if column in there else [each for each in there if each.startswith(f"{column}_")]


def _rows_of(rule: Rule, schema: str, table: str, columns: Sequence[str]) -> RowSelection:
    """Selects the rule's rows of its table."""
    # Two events whose names make one table name share it: only the column of the name tells their rows apart.
    named = _NAME_COLUMNS.get(rule.type)
    if named is None or rule.key is None or named not in columns:
        return RowSelection(schema, table)
    return RowSelection(schema, table, named, rule.key)


def _unplanned(source: Source, rules: Sequence[Rule], warehouse: Warehouse) -> Sequence[EventCount]:
    planned = [rule.key for rule in rules if rule.type is RuleType.TRACK and rule.key]
    return warehouse.unplanned_events(source.schema, planned, limit=MAX_UNPLANNED) if planned else []
