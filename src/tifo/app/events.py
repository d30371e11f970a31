"""`tifo events check`: whether what landed in the warehouse has the properties that the tracking plan expects."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tifo.app import compose
from tifo.app.settings import Settings
from tifo.kernel.errors import NotFound, Rejected
from tifo.source.plan import LIVELIKE_PLAN, plan_ids
from tifo.tracking.plans.model import Rule, RuleType, TrackingPlan
from tifo.warehouses.messages import place_of
from tifo.warehouses.ports import Warehouse
from tifo.workspace import rules
from tifo.workspace.model import Source

EXAMPLES = 3
MAX_UNPLANNED = 50
_Path = tuple[str, ...]


class Expected(NamedTuple):
    """One property that a rule names."""

    path: _Path
    is_required: bool


def check(settings: Settings, name: str | None) -> dict[str, Any]:
    """`{"ok", "sources": [{"source", "plan", "events", "unplanned"}]}`; ok is false where a required property is
    missing from any event. Raises `Rejected` where no source has a plan.
    """
    state = compose.open_state(settings)
    plans = compose.plans_of(state)
    catalog = compose.catalog_of(state)
    known = {plan.id: plan for plan in (LIVELIKE_PLAN, *plans.plans())}
    sources = catalog.sources() if name is None else [rules.named(catalog.sources(), name)]
    ids = plan_ids(sources, plans.connections())
    planned = [(source, known[ids[source.id]]) for source in sources if ids.get(source.id) in known]
    if not planned:
        whose = "No source has" if name is None else f"The source {name} has"
        raise Rejected(f"{whose} a tracking plan. Connect one: tifo plan connect PLAN SOURCE.", field="source")
    warehouse = compose.open_warehouse(settings)
    checked = [_checked(source, plan, warehouse) for source, plan in planned]
    ok = all(event["ok"] for each in checked for event in each["events"])
    return {"ok": ok, "sources": checked}


def expected(rule: Rule) -> list[Expected]:
    """Of nested objects their parts; a part is required where all that it stands in is."""
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


def _checked(source: Source, plan: TrackingPlan, warehouse: Warehouse) -> dict[str, Any]:
    rules = [rule for (kind, _), rule in plan.latest.items() if kind is not RuleType.COMMON]
    tables = _columns(warehouse, source.schema)
    return {
        "source": source.slug,
        "plan": plan.name,
        "events": [_event(source, rule, warehouse, tables) for rule in rules],
        "unplanned": _unplanned(source, rules, warehouse) if "tracks" in tables else [],
    }


def _event(source: Source, rule: Rule, warehouse: Warehouse, tables: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A rule of which nothing came is told with 0 rows, and no failure."""
    table, naming = place_of(rule.type.value.lower(), rule.key or "")
    looked = _Table(warehouse, source.schema, table, tables.get(table, ()), rule)
    wanted = expected(rule)
    columns = dict(zip(wanted, naming(tuple(each.path for each in wanted)), strict=True)) if wanted else {}
    rows, present = looked.counted(list(columns.values()))
    properties = [
        {
            "property": ".".join(each.path),
            "required": each.is_required,
            "present": found,
            "missing": rows - found,
            "examples": looked.without(column) if rows > found and each.is_required else [],
        }
        for (each, column), found in zip(columns.items(), present, strict=True)
    ]
    return {
        "event": rule.key or rule.type.value.lower(),
        "table": f"{source.schema}.{table}",
        "rows": rows,
        "ok": not any(each["required"] and each["missing"] for each in properties),
        "properties": properties,
    }


class _Table:
    def __init__(self, warehouse: Warehouse, schema: str, table: str, columns: Sequence[str], rule: Rule) -> None:
        self._warehouse = warehouse
        self._columns = columns
        self._from = f'FROM "{schema}"."{table}" WHERE {_is_of(rule, columns)}'

    def counted(self, wanted: Sequence[str]) -> tuple[int, list[int]]:
        """All rows, and those that have each of the columns."""
        if not self._columns:
            return 0, [0] * len(wanted)
        counts = ", ".join(f"count(*) FILTER ({self._has(column)}) AS p{n}" for n, column in enumerate(wanted))
        (row,) = self._warehouse.query(f"SELECT count(*) AS n{', ' if counts else ''}{counts} {self._from}")
        return _whole(row["n"]), [_whole(row[f"p{n}"]) for n in range(len(wanted))]

    def without(self, column: str) -> list[str]:
        rows = self._warehouse.query(f"SELECT id {self._from} AND NOT ({self._has(column)}) LIMIT {EXAMPLES}")
        return [str(row["id"]) for row in rows]

    def _has(self, column: str) -> str:
        """An object without named parts is there where any of its parts is."""
        parts = [each for each in self._columns if each == column or each.startswith(f"{column}_")]
        own = [column] if column in self._columns else parts
        return " OR ".join(f"{_quoted(each)} IS NOT NULL" for each in own) or "false"


def _is_of(rule: Rule, columns: Sequence[str]) -> str:
    """Two events whose names give one table share it."""
    named = {RuleType.TRACK: "event_text", RuleType.PAGE: "name", RuleType.SCREEN: "name"}.get(rule.type)
    if named is None or rule.key is None or named not in columns:
        return "true"
    return f"{named} = {_text(rule.key)}"


def _unplanned(source: Source, rules: Sequence[Rule], warehouse: Warehouse) -> list[dict[str, Any]]:
    planned = ", ".join(_text(rule.key) for rule in rules if rule.type is RuleType.TRACK and rule.key)
    if not planned:
        return []
    rows = warehouse.query(
        f'SELECT event_text AS event, count(*) AS "rows" FROM "{source.schema}".tracks'
        f" WHERE event_text NOT IN ({planned}) GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MAX_UNPLANNED}"
    )
    return [dict(row) for row in rows]


def _columns(warehouse: Warehouse, schema: str) -> dict[str, list[str]]:
    """By table; none where nothing has landed yet."""
    found: dict[str, list[str]] = {}
    with contextlib.suppress(NotFound):
        for row in warehouse.query(
            f"SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = {_text(schema)}"
        ):
            found.setdefault(str(row["table_name"]), []).append(str(row["column_name"]))
    return found


def _whole(value: Any) -> int:
    return int(value)


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
