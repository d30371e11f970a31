"""Stores LiveLike's webhooks on SQL, from their arrival until they were sent on as events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, tuple_, update

from tifo.kernel.ids import SourceId
from tifo.leases.ports import Lease
from tifo.source.webhooks.inbox import (
    DONE,
    HeldWebhook,
    Intake,
    ReceivedWebhook,
    WaitingWebhook,
    WebhookOutcome,
    WebhookState,
)
from tifo.source.webhooks.incoming import SignedForm
from tifo.store.leases import require_lease
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database
from tifo.store.sql.times import from_micros, maybe_micros, maybe_moment, to_micros

_C = t.webhooks_in.c
# SQLAlchemy reserves the columns' own names for itself in an UPDATE: so the parameters have others.
_SETTLE = (
    update(t.webhooks_in)
    .where(_C.number == bindparam("of"))
    .values(
        state=bindparam("new_state"),
        reason=bindparam("new_reason"),
        next_at=bindparam("new_next_at"),
        attempts=_C.attempts + bindparam("failed"),
    )
)
_EMPTY = update(t.webhooks_in).where(_C.number == bindparam("of")).values(body=b"")
_OPEN = (WebhookState.WAITING.value, WebhookState.DEAD_LETTERED.value)


class SqlWebhookInbox:
    """Implements `source.webhooks.inbox.WebhookInbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def intakes(self) -> Sequence[Intake]:
        with self._database.reading() as connection:
            rows = connection.execute(select(t.webhook_intakes).order_by(t.webhook_intakes.c.source_id)).all()
        return [
            Intake(
                source_id=SourceId(row.source_id),
                client_secret=row.client_secret,
                signed_form=SignedForm(row.signed_form),
                api=row.api,
                token=row.token,
            )
            for row in rows
        ]

    def configure(self, intake: Intake) -> None:
        c = t.webhook_intakes.c
        with self._database.writing() as connection:
            earlier = connection.execute(select(t.webhook_intakes).where(c.source_id == intake.source_id)).first()
            connection.execute(delete(t.webhook_intakes).where(c.source_id == intake.source_id))
            row = {
                "source_id": intake.source_id,
                "client_secret": intake.client_secret,
                "signed_form": intake.signed_form.value,
                # A new secret alone must not lose the look-ups that were set up before.
                "api": intake.api or (earlier.api if earlier else None),
                "token": intake.token or (earlier.token if earlier else None),
            }
            connection.execute(insert(t.webhook_intakes), row)

    def add(self, batch: Sequence[ReceivedWebhook]) -> list[bool]:
        keys = [(arrived.source_id, arrived.webhook_id) for arrived in batch]
        new: list[bool] = []
        with self._database.writing() as connection:
            found = connection.execute(
                select(_C.source_id, _C.webhook_id).where(tuple_(_C.source_id, _C.webhook_id).in_(keys))
            )
            known = {(row.source_id, row.webhook_id) for row in found}
            # LiveLike may deliver a webhook twice within one batch.
            for key in keys:
                new.append(key not in known)
                known.add(key)
            rows = [_row(arrived) for arrived, is_new in zip(batch, new, strict=True) if is_new]
            if rows:
                connection.execute(insert(t.webhooks_in), rows)
        return new

    def due(self, source_id: SourceId, now: datetime, limit: int) -> Sequence[WaitingWebhook]:
        query = (
            select(t.webhooks_in)
            .where(
                _C.source_id == source_id,
                _C.state == WebhookState.WAITING.value,
                (_C.next_at.is_(None)) | (_C.next_at <= to_micros(now)),
            )
            .order_by(_C.number)
            .limit(limit)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [
            WaitingWebhook(
                number=row.number,
                webhook_id=row.webhook_id,
                event=row.event,
                body=row.body,
                received_at=from_micros(row.received_at),
                attempts=row.attempts,
            )
            for row in rows
        ]

    def settle(self, outcomes: Sequence[WebhookOutcome], *, under: Lease | None = None) -> None:
        changes = [
            {
                "of": outcome.number,
                "new_state": outcome.state.value,
                "new_reason": outcome.reason,
                "new_next_at": maybe_micros(outcome.next_at),
                "failed": 0 if outcome.state in DONE else 1,
            }
            for outcome in outcomes
        ]
        done = [{"of": outcome.number} for outcome in outcomes if outcome.state in DONE]
        with self._database.writing() as connection:
            require_lease(connection, under)
            connection.execute(_SETTLE, changes)
            if done:
                # The row stays, so that a repetition is recognised; its payload is needed no more.
                connection.execute(_EMPTY, done)

    def held(self, source_id: SourceId, limit: int) -> Sequence[HeldWebhook]:
        query = (
            select(t.webhooks_in)
            # One that was never tried is new, and not held.
            .where(_C.source_id == source_id, _C.state.in_(_OPEN), _C.attempts > 0)
            .order_by(_C.number)
            .limit(limit)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [
            HeldWebhook(
                webhook_id=row.webhook_id,
                event=row.event,
                state=WebhookState(row.state),
                received_at=from_micros(row.received_at),
                attempts=row.attempts,
                reason=row.reason,
                next_at=maybe_moment(row.next_at),
            )
            for row in rows
        ]

    def counts(self, source_id: SourceId) -> dict[WebhookState, int]:
        query = select(_C.state, func.count().label("n")).where(_C.source_id == source_id).group_by(_C.state)
        with self._database.reading() as connection:
            found = {WebhookState(row.state): int(row.n) for row in connection.execute(query)}
        return {state: found.get(state, 0) for state in WebhookState}

    def retry(self, source_id: SourceId, at: datetime) -> int:
        again = (
            update(t.webhooks_in)
            .where(_C.source_id == source_id, _C.state.in_(_OPEN))
            .values(state=WebhookState.WAITING.value, next_at=to_micros(at), attempts=0)
        )
        with self._database.writing() as connection:
            return connection.execute(again).rowcount

    def forget(self, before: datetime) -> int:
        done = _C.state.in_([state.value for state in DONE])
        with self._database.writing() as connection:
            old = delete(t.webhooks_in).where(done, _C.received_at < to_micros(before))
            return connection.execute(old).rowcount


def _row(arrived: ReceivedWebhook) -> dict[str, Any]:
    return {
        "source_id": arrived.source_id,
        "webhook_id": arrived.webhook_id,
        "event": arrived.event,
        "body": arrived.body,
        "received_at": to_micros(arrived.received_at),
        "state": WebhookState.WAITING.value,
        "attempts": 0,
        "reason": None,
        "next_at": None,
    }
