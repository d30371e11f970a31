"""Writes what one application's accepted commands leave behind: every table with few statements for many rows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, literal_column, select, update

from tifo.engagement.dispatch import Effects
from tifo.engagement.idempotency import FirstAnswer
from tifo.engagement.model import Application, Definition, Fan, Game, UserQuest
from tifo.engagement.ports import Decision
from tifo.kernel.ids import ClientId, ProfileId
from tifo.store.engagement import rows as r
from tifo.store.engagement.answers import answer_rows
from tifo.store.engagement.scores import open_boards, write_scores
from tifo.store.sql.bulk import Bulk, Lookup, Row, insert_rows, upsert_rows
from tifo.store.sql.tables import engagement as t
from tifo.store.sql.times import maybe_micros

_Changed = Sequence[tuple[Fan | None, Fan]]
"""Fans before (None: the fan is new) and after the batch."""

_FORGET_TASKS = Lookup(lambda given: delete(t.user_quest_tasks).where(given.among(t.user_quest_tasks.c.user_quest_id)))
_FORGET_QUESTS = Lookup(lambda given: delete(t.user_quests).where(given.among(t.user_quests.c.id)))
# The parameters have other names than the columns, which SQLAlchemy reserves for itself in an UPDATE.
_REVOKE = Bulk(
    lambda *_: update(t.earned_badges).where(t.earned_badges.c.id == bindparam("of")).values(revoked_at=bindparam("at"))
)
_IN_TURN = Lookup(
    lambda _: select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("client_id"), literal_column("0"))))
)


class Written:
    """Collects what the accepted commands of one application leave behind, until the batch writes it."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self.definitions: dict[str, Definition] = {}
        """Definitions by id: one that was changed twice is written once."""

    def add(self, effects: Effects) -> None:
        self.decisions += effects.decisions
        for definition in effects.definitions:
            self.definitions[definition.id] = definition


def write_definitions(connection: Connection, game: Game, changed: Iterable[Definition]) -> None:
    """Writes definitions and opens the boards of new leaderboards.

    Call it before `write_play`: a board that opens is filled from the balances that were there before this batch.
    """
    definitions = list(changed)
    if not definitions:
        return
    client_id = game.application.id
    others = [each for each in definitions if not isinstance(each, Application)]
    rows = [{"id": each.id, "client_id": client_id, "body": r.body(each)} for each in others]
    # A changed definition keeps its position, which is the order of making: so the key is the id.
    upsert_rows(connection, t.definitions, rows, key="id")
    # By the version, other engines and readers see that the game they remember is old.
    bump = update(t.applications).where(t.applications.c.id == client_id)
    values: dict[Any, Any] = {t.applications.c.definitions_version: t.applications.c.definitions_version + 1}
    for each in definitions:
        if isinstance(each, Application):
            values[t.applications.c.body] = r.body(each)
    connection.execute(bump.values(values))
    open_boards(connection, game, definitions)


def write_play(
    connection: Connection,
    game: Game,
    decisions: Sequence[Decision],
    *,
    before: Mapping[ProfileId, Fan],
    after: Mapping[ProfileId, Fan],
) -> None:
    """Writes fans, ledger and facts. `after` holds the fans that have changed."""
    client_id = game.application.id
    changed = [(before.get(fan_id), fan) for fan_id, fan in after.items()]
    write_scores(connection, game, decisions, before)
    profiles = [r.profile_row(fan.profile) for old, fan in changed if old is None or old.profile is not fan.profile]
    upsert_rows(connection, t.profiles, profiles)
    _write_ledger(connection, client_id, decisions)
    _write_badges(connection, client_id, changed)
    upsert_rows(connection, t.entry_payments, [row for old, fan in changed for row in r.payments_rows(old, fan)])
    _write_quests(connection, client_id, changed)
    # Facts come last: their lock is held until the commit, and others wait for it.
    _insert_facts(connection, client_id, [r.fact_row(fact) for d in decisions for fact in d.facts])


def write_answers(connection: Connection, answers: Mapping[tuple[str, str], FirstAnswer], now: datetime) -> None:
    insert_rows(connection, t.idempotency, answer_rows(answers, now))


def _write_ledger(connection: Connection, client_id: ClientId, decisions: Sequence[Decision]) -> None:
    moved = {(each.profile_id, each.reward_item_id): each.balance for d in decisions for each in d.transactions}
    # In one order, so that two writers that touch the same rows wait for one another instead of deadlocking.
    balances = [{"profile_id": p, "reward_item_id": i, "balance": b} for (p, i), b in sorted(moved.items())]
    upsert_rows(connection, t.balances, balances)
    insert_rows(
        connection, t.transactions, [r.transaction_row(client_id, each) for d in decisions for each in d.transactions]
    )
    invoked = [r.invoked_action_row(client_id, d.invoked) for d in decisions if d.invoked is not None]
    insert_rows(connection, t.invoked_actions, invoked)


def _insert_facts(connection: Connection, client_id: ClientId, facts: Sequence[Row]) -> None:
    """Inserts facts whose positions rise in the order of commits, as relays read an application's facts by them."""
    # On PostgreSQL a position is given before the commit: without the lock a later position could be seen first, and
    # the relay's cursor would pass the earlier one. So one transaction at a time gives positions, until it commits.
    if facts and connection.dialect.name == "postgresql":
        _IN_TURN.run(connection, client_id=client_id)
    insert_rows(connection, t.facts, facts)


def _write_badges(connection: Connection, client_id: ClientId, changed: _Changed) -> None:
    earned = [
        r.earned_badge_row(client_id, earned)
        for old, fan in changed
        for badge_id, earned in fan.badges.items()
        if old is None or badge_id not in old.badges
    ]
    insert_rows(connection, t.earned_badges, earned)
    revoked_or_restored = [
        {"of": earned.id, "at": maybe_micros(earned.revoked_at)}
        for old, fan in changed
        if old is not None
        for badge_id, earned in fan.badges.items()
        if old.badges.get(badge_id, earned) is not earned
    ]
    _REVOKE.run(connection, revoked_or_restored)


def _write_quests(connection: Connection, client_id: ClientId, changed: _Changed) -> None:
    """Writes the user quests and tasks that have changed: rules return an unchanged one as the same object."""
    # Removed runs go first: a new run of the same quest may take the place that is unique for fan and quest.
    _delete_quests(connection, changed)
    quests, tasks = [], []
    for old, fan in changed:
        for quest_id, user_quest in fan.user_quests.items():
            earlier = None if old is None else old.user_quests.get(quest_id)
            if earlier is user_quest:
                continue
            if earlier is not None and earlier.id != user_quest.id:  # it was removed, and the quest started again
                earlier = None
            kept = set() if earlier is None else set(map(id, earlier.tasks))
            if earlier is None or _times(earlier) != _times(user_quest):
                quests.append(r.user_quest_row(client_id, user_quest))
            tasks += [
                r.user_quest_task_row(user_quest, number, task)
                for number, task in enumerate(user_quest.tasks)
                if id(task) not in kept
            ]
    upsert_rows(connection, t.user_quests, quests)
    upsert_rows(connection, t.user_quest_tasks, tasks)


def _delete_quests(connection: Connection, changed: _Changed) -> None:
    left = {each.id for _, fan in changed for each in fan.user_quests.values()}
    gone = [each.id for old, _ in changed if old for each in old.user_quests.values() if each.id not in left]
    if gone:
        _FORGET_TASKS.run(connection, ids=gone)
        _FORGET_QUESTS.run(connection, ids=gone)


def _times(user_quest: UserQuest) -> tuple[datetime | None, ...]:
    """Returns the columns of a user quest's own row that can change."""
    return (user_quest.completed_at, user_quest.rewards_claimed_at, user_quest.active_until)
