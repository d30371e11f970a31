"""Counts violations of tracking plans on SQL: a row for each kind in ten minutes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select

from tifo.kernel.ids import MessageId, SourceId, TrackingPlanId
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import upsert_each, without_nul
from tifo.store.sql.times import from_micros, to_micros
from tifo.tracking.plans.ports import ViolationSummary
from tifo.tracking.plans.violations import ViolationCounts, ViolationKey, bucket_of

_V = t.violations.c


def add(connection: Connection, found: Mapping[ViolationKey, ViolationCounts]) -> None:
    rows = [_row(kind, counts) for kind, counts in found.items()]
    upsert_each(connection, t.violations, rows, adding=["total", "blocked", "omitted"])


def read(connection: Connection, source_id: SourceId, since: datetime, *, limit: int) -> list[ViolationSummary]:
    wanted = (_V.source_id == source_id) & (_V.bucket >= bucket_of(since))
    summed = [func.sum(column).label(column.name) for column in (_V.total, _V.blocked, _V.omitted)]
    kind = (_V.plan_id, _V.type, _V.name, _V.violation, _V.field)
    query = select(*kind, func.max(_V.bucket).label("bucket"), *summed).where(wanted).group_by(*kind)
    rows = connection.execute(query.order_by(func.sum(_V.total).desc(), *kind).limit(limit)).all()
    return [_summary(connection, source_id, row) for row in rows]


def delete_before(connection: Connection, before: datetime) -> None:
    connection.execute(delete(t.violations).where(_V.bucket < bucket_of(before)))


def _row(kind: ViolationKey, counts: ViolationCounts) -> dict[str, Any]:
    texts = {name: without_nul(value) if isinstance(value, str) else value for name, value in kind._asdict().items()}
    return {
        **texts,
        **counts._asdict(),
        "description": without_nul(counts.description),
        "message_id": without_nul(counts.message_id),
        "at": to_micros(counts.at),
    }


def _summary(connection: Connection, source_id: SourceId, row: Any) -> ViolationSummary:
    kind = ViolationKey(
        source_id=source_id,
        plan_id=TrackingPlanId(row.plan_id),
        bucket=row.bucket,
        type=row.type,
        name=row.name,
        violation=row.violation,
        field=row.field,
    )
    place = [t.violations.c[name] == value for name, value in kind._asdict().items()]
    # The sums cover many rows; description and sample come from the newest of them.
    newest = connection.execute(select(t.violations).where(*place)).one()
    counts = ViolationCounts(
        total=int(row.total),
        blocked=int(row.blocked),
        omitted=int(row.omitted),
        description=newest.description,
        message_id=MessageId(newest.message_id),
        sample=bytes(newest.sample),
        at=from_micros(newest.at),
    )
    return ViolationSummary(kind, counts)
