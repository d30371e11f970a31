"""Stores how far each subscriber's webhooks were sent, on SQL: a cursor over the facts, and rows for exceptions."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, case, delete, func, insert, select, update

from tifo.engagement.facts import (
    AnyFact,
    QuestTaskCompleted,
    RewardItemRewarded,
    UserQuestCompleted,
)
from tifo.kernel.clock import Clock
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, FactId, NewId, ProfileId
from tifo.leases.ports import Lease
from tifo.source.webhooks.outbox import (
    OutboxReport,
    PlacedFact,
    Subscriber,
    UndeliveredWebhook,
    UndeliveredWebhookState,
)
from tifo.source.webhooks.outgoing import FactContext, QuestRun, checked_events
from tifo.store.engagement import rows as r
from tifo.store.engagement.access import check_application
from tifo.store.engagement.games import Games
from tifo.store.leases import require_lease
from tifo.store.source.facts import new_facts
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import Row
from tifo.store.sql.database import Database
from tifo.store.sql.times import from_micros, maybe_micros, maybe_moment, to_micros
from tifo.workspace.rules import checked_address

_S = t.webhook_subscribers.c
_L = t.late_webhooks.c
_SUBSCRIBERS = (
    select(t.webhook_subscribers, t.applications.c.client_secret)
    .join(t.applications, t.applications.c.id == _S.client_id)
    .order_by(_S.number)
)
_NOT_TRIED = {"attempts": 0, "first_at": None, "tried_at": None, "next_at": None}


class SqlWebhookOutbox:
    """Implements `source.webhooks.outbox.WebhookOutbox`."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._games = Games()

    def subscribe(self, client_id: ClientId, url: str, events: Sequence[str], secret: str | None) -> Subscriber:
        row = {
            "id": self._new_id(),
            "client_id": client_id,
            "url": checked_address(url, "target_url"),
            "events": json.dumps(checked_events(events)),
            "secret": secret,
            "created_at": to_micros(self._clock()),
            "delivered": 0,
            "failed_in_a_row": 0,
        }
        # A new subscriber gets what happens from now on.
        end = select(func.coalesce(func.max(t.facts.c.position), 0)).where(t.facts.c.client_id == client_id)
        with self._database.writing() as connection:
            check_application(connection, client_id)
            row["position"] = connection.execute(end).scalar_one()
            connection.execute(insert(t.webhook_subscribers), row)
            found = connection.execute(_SUBSCRIBERS.where(_S.id == row["id"])).one()
        return _subscriber(found)

    def subscribers(self, client_id: ClientId | None = None) -> Sequence[Subscriber]:
        query = _SUBSCRIBERS if client_id is None else _SUBSCRIBERS.where(_S.client_id == client_id)
        with self._database.reading() as connection:
            if client_id is not None:
                check_application(connection, client_id)
            return [_subscriber(row) for row in connection.execute(query)]

    def unsubscribe(self, client_id: ClientId, subscriber_id: str) -> None:
        with self._database.writing() as connection:
            _check(connection, client_id, subscriber_id)
            connection.execute(delete(t.late_webhooks).where(_L.subscriber_id == subscriber_id))
            connection.execute(delete(t.webhook_subscribers).where(_S.id == subscriber_id))

    def new(self, subscriber: Subscriber, limit: int) -> Sequence[PlacedFact]:
        with self._database.reading() as connection:
            cursor = connection.execute(select(_S.position).where(_S.id == subscriber.id)).scalar()
            if cursor is None:
                return []
            found = connection.execute(new_facts(subscriber.client_id, cursor).limit(limit)).all()
        return [PlacedFact(row.position, r.decode_fact(row.body)) for row in found]

    def due(self, subscriber: Subscriber, now: datetime, limit: int) -> Sequence[PlacedFact]:
        # Of each profile only the earliest: a profile's webhooks arrive in order.
        first = (
            select(func.min(_L.position))
            .where(_L.subscriber_id == subscriber.id, _L.state == UndeliveredWebhookState.WAITING.value)
            .group_by(_L.profile_id)
        )
        query = (
            select(t.facts.c.body, _L.position, _L.attempts, _L.first_at)
            .join(t.facts, t.facts.c.position == _L.position)
            .where(_L.subscriber_id == subscriber.id, _L.position.in_(first))
            .where((_L.next_at.is_(None)) | (_L.next_at <= to_micros(now)))
            # NULLs come first by this: SQLite and PostgreSQL order them differently.
            .order_by(_L.next_at.is_not(None), _L.next_at, _L.position)
            .limit(limit)
        )
        with self._database.reading() as connection:
            found = connection.execute(query).all()
        return [
            PlacedFact(row.position, r.decode_fact(row.body), row.attempts, maybe_moment(row.first_at)) for row in found
        ]

    def waiting_profiles(self, subscriber: Subscriber, profile_ids: Sequence[ProfileId]) -> set[ProfileId]:
        waiting = (
            select(_L.profile_id)
            .distinct()
            .where(_L.subscriber_id == subscriber.id, _L.state == UndeliveredWebhookState.WAITING.value)
            .where(_L.profile_id.in_(list(profile_ids)))
        )
        with self._database.reading() as connection:
            return {ProfileId(each) for each in connection.execute(waiting).scalars()}

    def contexts(self, facts: Sequence[AnyFact]) -> Sequence[FactContext]:
        if not facts:
            return []
        with self._database.reading() as connection:
            # One subscriber's facts are all of one application.
            games = self._games.load(connection, [facts[0].client_id])
            nicknames = _nicknames(connection, facts)
            runs = _runs(connection, facts)
        actions = {key: action.id for game in games.values() for key, action in game.reward_actions.items()}
        return [
            FactContext(
                nicknames.get(fact.profile_id),
                runs.get(fact.user_quest_id) if isinstance(fact, QuestTaskCompleted | UserQuestCompleted) else None,
                actions.get(fact.reward_action_key or "") if isinstance(fact, RewardItemRewarded) else None,
            )
            for fact in facts
        ]

    def settle(
        self,
        subscriber: Subscriber,
        *,
        through: int | None = None,
        delivered: Sequence[PlacedFact] = (),
        undelivered: Sequence[UndeliveredWebhook] = (),
        failed_in_a_row: int,
        at: datetime,
        under: Lease | None = None,
    ) -> None:
        moved: dict[str, Any] = {"failed_in_a_row": failed_in_a_row, "delivered": _S.delivered + len(delivered)}
        if through is not None:
            # Another process may have sent more meanwhile: the cursor never moves back.
            moved["position"] = case((_S.position < through, through), else_=_S.position)
        if delivered:
            newest = max(delivered, key=lambda placed: placed.position)
            moved |= {"last_delivered": newest.fact.id, "last_delivered_at": to_micros(at)}
        places = [each.position for each in delivered] + [each.position for each in undelivered]
        with self._database.writing() as connection:
            require_lease(connection, under)
            # The subscriber may have been removed during the request: then no late webhooks are left behind.
            if connection.execute(update(t.webhook_subscribers).where(_S.id == subscriber.id).values(moved)).rowcount:
                gone = and_(_L.subscriber_id == subscriber.id, _L.position.in_(places))
                connection.execute(delete(t.late_webhooks).where(gone))
                if undelivered:
                    connection.execute(
                        insert(t.late_webhooks), [_undelivered_row(subscriber.id, each) for each in undelivered]
                    )

    def undelivered(self, client_id: ClientId, subscriber_id: str, limit: int) -> Sequence[UndeliveredWebhook]:
        query = select(t.late_webhooks).where(_L.subscriber_id == subscriber_id).order_by(_L.position).limit(limit)
        with self._database.reading() as connection:
            _check(connection, client_id, subscriber_id)
            return [_undelivered(row) for row in connection.execute(query)]

    def retry(self, client_id: ClientId, subscriber_id: str) -> int:
        again = update(t.late_webhooks).where(_L.subscriber_id == subscriber_id)
        with self._database.writing() as connection:
            _check(connection, client_id, subscriber_id)
            return connection.execute(again.values(state=UndeliveredWebhookState.WAITING.value, **_NOT_TRIED)).rowcount

    def report(self, client_id: ClientId, subscriber_id: str) -> OutboxReport:
        counts = select(_L.state, func.count().label("n")).where(_L.subscriber_id == subscriber_id).group_by(_L.state)
        with self._database.reading() as connection:
            row = _check(connection, client_id, subscriber_id)
            # Without their order, which would cost a sort of rows that are only counted.
            beyond = new_facts(client_id, row.position).order_by(None).subquery()
            to_send = connection.execute(select(func.count()).select_from(beyond)).scalar_one()
            undelivered = {each.state: int(each.n) for each in connection.execute(counts)}
        return OutboxReport(
            to_send=to_send,
            waiting=undelivered.get(UndeliveredWebhookState.WAITING.value, 0),
            dead_lettered=undelivered.get(UndeliveredWebhookState.DEAD_LETTERED.value, 0),
            delivered=row.delivered,
            last_delivered=None if row.last_delivered is None else FactId(row.last_delivered),
            last_delivered_at=maybe_moment(row.last_delivered_at),
            failed_in_a_row=row.failed_in_a_row,
        )


def _check(connection: Connection, client_id: ClientId, subscriber_id: str) -> Any:
    query: Select[Any] = select(t.webhook_subscribers).where(_S.client_id == client_id, _S.id == subscriber_id)
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"The application has no webhook subscriber {subscriber_id!r:.100}.", field="id")
    return row


def _nicknames(connection: Connection, facts: Sequence[AnyFact]) -> dict[str, str]:
    ids = sorted({fact.profile_id for fact in facts})
    query = select(t.profiles.c.id, t.profiles.c.nickname).where(t.profiles.c.id.in_(ids))
    return {row.id: row.nickname for row in connection.execute(query)}


def _runs(connection: Connection, facts: Sequence[AnyFact]) -> dict[str, QuestRun]:
    ids = sorted({f.user_quest_id for f in facts if isinstance(f, QuestTaskCompleted | UserQuestCompleted)})
    if not ids:
        return {}
    quests = connection.execute(select(t.user_quests).where(t.user_quests.c.id.in_(ids))).all()
    owners = {row.profile_id for row in quests}
    tasks = r.TASKS.rows(connection, ids=owners) if owners else []
    return {
        run.id: QuestRun(
            run.created_at,
            run.active_until,
            {task.id: task.progress for task in run.tasks},
            {task.id: task.quest_task_id for task in run.tasks},
        )
        for run in r.read_user_quests(quests, tasks)
    }


def _subscriber(row: Any) -> Subscriber:
    return Subscriber(
        id=row.id,
        client_id=ClientId(row.client_id),
        url=row.url,
        events=tuple(json.loads(row.events)),
        # LiveLike signs with the application's secret; one for each subscriber is Tifo's addition.
        secret=row.secret or row.client_secret,
        created_at=from_micros(row.created_at),
    )


def _undelivered_row(subscriber_id: str, undelivered: UndeliveredWebhook) -> Row:
    moments = {name: maybe_micros(getattr(undelivered, name)) for name in ("first_at", "tried_at", "next_at")}
    return {"subscriber_id": subscriber_id, **undelivered._asdict(), **moments, "state": undelivered.state.value}


def _undelivered(row: Any) -> UndeliveredWebhook:
    return UndeliveredWebhook(
        position=row.position,
        fact_id=FactId(row.fact_id),
        profile_id=ProfileId(row.profile_id),
        event=row.event,
        state=UndeliveredWebhookState(row.state),
        attempts=row.attempts,
        first_at=maybe_moment(row.first_at),
        tried_at=maybe_moment(row.tried_at),
        next_at=maybe_moment(row.next_at),
        status=row.status,
        answer=row.answer,
    )
