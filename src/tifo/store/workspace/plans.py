"""Stores tracking plans and schema controls on SQL; violations stand in violations.py."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from tifo.kernel.clock import Clock
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import NewId, SourceId, TrackingPlanId
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import upsert_each, without_nul
from tifo.store.sql.database import Database
from tifo.store.sql.times import from_micros, to_micros
from tifo.store.workspace import violations
from tifo.store.workspace.catalog import has_source
from tifo.tracking.plans.checking import check_rules
from tifo.tracking.plans.model import (
    BUILT_IN_PLAN,
    LENIENT,
    Controls,
    PlanType,
    Rule,
    TrackingPlan,
    changed,
    check_plan_name_free,
    check_unused,
    checked_plan_name,
    no_plan,
)
from tifo.tracking.plans.ports import RulePlace, ViolationSummary, with_rule_changes
from tifo.tracking.plans.violations import ViolationCounts, ViolationKey

_P = t.tracking_plans.c
_rules = msgspec.json.Decoder(tuple[Rule, ...])
_controls = msgspec.json.Decoder(Controls)


class SqlTrackingPlans:
    """Implements `tracking.plans.ports.TrackingPlans`."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    def create(self, name: str, plan_type: PlanType, description: str = "", rules: Sequence[Rule] = ()) -> TrackingPlan:
        with self._database.writing() as connection:
            return insert_plan(
                connection,
                TrackingPlanId(self._new_id()),
                name,
                plan_type,
                description=description,
                rules=rules,
                at=self._clock(),
            )

    def plans(self) -> list[TrackingPlan]:
        with self._database.reading() as connection:
            return read_plans(connection)

    def change(
        self, plan_id: TrackingPlanId, *, name: str | None = None, description: str | None = None
    ) -> TrackingPlan:
        values: dict[str, Any] = {} if name is None else {"name": checked_plan_name(name)}
        values |= {} if description is None else {"description": without_nul(description)}
        with self._database.writing() as connection:
            return change_plan(connection, plan_id, values, at=self._clock())

    def replace_rules(self, plan_id: TrackingPlanId, rules: Sequence[Rule]) -> TrackingPlan:
        with self._database.writing() as connection:
            return change_plan(connection, plan_id, {"rules": rules_text(rules)}, at=self._clock())

    def change_rules(
        self,
        plan_id: TrackingPlanId,
        upserted: Sequence[tuple[Rule, str | None]] = (),
        removed: Sequence[RulePlace] = (),
    ) -> TrackingPlan:
        with self._database.writing() as connection:
            rules = with_rule_changes(read_plan(connection, plan_id).rules, upserted, removed)
            return change_plan(connection, plan_id, {"rules": rules_text(rules)}, at=self._clock())

    def delete(self, plan_id: TrackingPlanId) -> None:
        with self._database.writing() as connection:
            delete_plan(connection, plan_id)

    def connect(self, source_id: SourceId, plan_id: TrackingPlanId | None) -> None:
        with self._database.writing() as connection:
            _check_source(connection, source_id)
            # The plan may have been deleted since the caller looked it up. Built-in plans have no row.
            if plan_id is not None and plan_id != BUILT_IN_PLAN:
                read_plan(connection, plan_id)
            connect_plan(connection, source_id, plan_id)

    def connections(self) -> Mapping[SourceId, TrackingPlanId | None]:
        with self._database.reading() as connection:
            return read_plan_connections(connection)

    def controls(self) -> Mapping[SourceId, Controls]:
        with self._database.reading() as connection:
            return read_controls(connection)

    def control(self, source_id: SourceId, controls: Controls) -> None:
        with self._database.writing() as connection:
            put_controls(connection, source_id, controls)

    def change_controls(self, source_id: SourceId, asked: Mapping[str, object]) -> Controls:
        with self._database.writing() as connection:
            made = changed(read_controls(connection).get(source_id, LENIENT), asked)
            put_controls(connection, source_id, made)
        return made

    def record(self, found: Mapping[ViolationKey, ViolationCounts]) -> None:
        with self._database.writing() as connection:
            violations.add(connection, found)

    def violations(self, source_id: SourceId, since: datetime, *, limit: int) -> list[ViolationSummary]:
        with self._database.reading() as connection:
            return violations.read(connection, source_id, since, limit=limit)

    def forget(self, before: datetime) -> None:
        with self._database.writing() as connection:
            violations.delete_before(connection, before)


def insert_plan(
    connection: Connection,
    plan_id: TrackingPlanId,
    name: str,
    plan_type: PlanType,
    *,
    description: str,
    rules: Sequence[Rule],
    at: datetime,
) -> TrackingPlan:
    _check_free(connection, name, plan_id)
    row = {
        "id": plan_id,
        "name": checked_plan_name(name),
        "description": without_nul(description),
        "type": plan_type.value,
        "rules": rules_text(rules),
        "created_at": to_micros(at),
        "updated_at": to_micros(at),
    }
    connection.execute(insert(t.tracking_plans), row)
    return read_plan(connection, plan_id)


def read_plans(connection: Connection) -> list[TrackingPlan]:
    return [_plan(row) for row in connection.execute(select(t.tracking_plans).order_by(_P.number))]


def read_plan(connection: Connection, plan_id: TrackingPlanId) -> TrackingPlan:
    row = connection.execute(select(t.tracking_plans).where(_P.id == plan_id)).first()
    if row is None:
        raise no_plan(plan_id)
    return _plan(row)


def change_plan(
    connection: Connection, plan_id: TrackingPlanId, values: Mapping[str, Any], *, at: datetime
) -> TrackingPlan:
    if "name" in values:
        _check_free(connection, values["name"], plan_id)
    changed = {**values, "updated_at": to_micros(at)}
    connection.execute(update(t.tracking_plans).where(_P.id == plan_id).values(changed))
    return read_plan(connection, plan_id)


def delete_plan(connection: Connection, plan_id: TrackingPlanId, *, force: bool = False) -> None:
    """Deletes a plan. With `force`, sources that are connected to it lose it; else they make this a conflict."""
    plan = read_plan(connection, plan_id)
    c = t.plan_connections.c
    # Deleted sources keep their rows: they do not stand in a plan's way.
    live = select(t.sources.c.slug).join(t.plan_connections, c.source_id == t.sources.c.id)
    used = connection.execute(live.where(c.plan_id == plan_id, t.sources.c.deleted_at.is_(None))).scalars().all()
    if not force:
        check_unused(plan, used)
    connection.execute(delete(t.plan_connections).where(c.plan_id == plan_id))
    connection.execute(delete(t.tracking_plans).where(_P.id == plan_id))


def connect_plan(connection: Connection, source_id: SourceId, plan_id: TrackingPlanId | None) -> None:
    upsert_each(connection, t.plan_connections, [{"source_id": source_id, "plan_id": plan_id}])


def read_plan_connections(connection: Connection) -> dict[SourceId, TrackingPlanId | None]:
    rows = connection.execute(select(t.plan_connections))
    return {SourceId(row.source_id): row.plan_id and TrackingPlanId(row.plan_id) for row in rows}


def read_controls(connection: Connection) -> dict[SourceId, Controls]:
    rows = connection.execute(select(t.schema_controls))
    return {SourceId(row.source_id): _controls.decode(row.controls) for row in rows}


def put_controls(connection: Connection, source_id: SourceId, controls: Controls) -> None:
    for each in (source_id, controls.forwarding_violations_to, controls.forwarding_blocked_events_to):
        if each is not None:
            _check_source(connection, each)
    row = {"source_id": source_id, "controls": msgspec.json.encode(controls).decode()}
    upsert_each(connection, t.schema_controls, [row])


def rules_text(rules: Sequence[Rule]) -> str:
    """Encodes rules. Raises `Rejected` for bad ones."""
    check_rules(rules)
    # PostgreSQL's texts hold no NUL.
    return msgspec.json.encode(rules).decode().replace("\\u0000", "\\ufffd")


def _check_free(connection: Connection, name: str, plan_id: TrackingPlanId) -> None:
    same = select(_P.name).where(_P.name == name.strip(), _P.id != plan_id)
    check_plan_name_free(name, connection.execute(same).scalars().all())


def _check_source(connection: Connection, source_id: SourceId) -> None:
    if not has_source(connection, source_id):
        raise NotFound(f"There is no source {source_id!r:.100}. See `tifo source list`.", field="sourceId")


def _plan(row: Any) -> TrackingPlan:
    return TrackingPlan(
        id=TrackingPlanId(row.id),
        name=row.name,
        description=row.description,
        type=PlanType(row.type),
        rules=_rules.decode(row.rules),
        created_at=from_micros(row.created_at),
        updated_at=from_micros(row.updated_at),
    )
