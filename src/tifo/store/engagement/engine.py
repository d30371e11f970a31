"""The engine on SQL: commands queue, one writer takes a batch, loads what it touches, plays it and commits once."""

import hashlib
import random
import secrets
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar, get_args

import msgspec
from sqlalchemy import Connection, and_, bindparam, delete, func, insert, literal_column, select, tuple_, update
from sqlalchemy.dialects import postgresql

from tifo.engagement.access import TokenInfo
from tifo.engagement.batch import Working, parts
from tifo.engagement.commands import ApplyDefinitions, Command, DefinitionCommand, InvokeActions
from tifo.engagement.definitions import apply, define
from tifo.engagement.model import Application, Definition, Fan, Game, Program
from tifo.engagement.ports import Decision, Idempotency, NewApplication
from tifo.engagement.rules import Needs, needs
from tifo.engagement.values import check_text
from tifo.kernel.batching import GroupCommit
from tifo.kernel.clock import Clock
from tifo.kernel.errors import Interrupted, KeyReused, NotFound, TifoError
from tifo.kernel.ids import ClientId, NewId, ProfileId, ProgramId, uuid7
from tifo.store.engagement import rows as r
from tifo.store.engagement.fans import Fans, Known, raise_versions
from tifo.store.engagement.scores import open_boards, write_scores
from tifo.store.sql import tables as t
from tifo.store.sql.bulk import Bulk, Given, Lookup, Row, insert_rows, upsert_rows, without_waiting
from tifo.store.sql.database import Database
from tifo.store.sql.times import maybe_micros, to_micros

A = TypeVar("A")
PATIENCE_S = 30.0
"""How long a batch is tried again: a database restarts in less."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 1.0
_DEFINES: tuple[type, ...] = (*get_args(DefinitionCommand), ApplyDefinitions)


def _versions(given: Given) -> Any:
    c = t.applications.c
    return select(c.id, c.definitions_version).where(given.among(c.id))


def _used(given: Given) -> Any:
    c, asked = t.invoked_actions.c, given.tuples("used", 3).c
    is_one = and_(c.profile_id == asked["0"], c.reward_action_key == asked["1"], c.code == asked["2"])
    return select(c.profile_id, c.reward_action_key, c.code).where(is_one)


_BY_CUSTOM_ID = Lookup(
    lambda given: select(t.profiles.c.id).where(
        t.profiles.c.client_id == bindparam("client_id"), given.among(t.profiles.c.custom_id)
    )
)
_BY_USER_QUEST = Lookup(lambda given: select(t.user_quests.c.profile_id).where(given.among(t.user_quests.c.id)))
_BY_USER_QUEST_TASK = Lookup(
    lambda given: select(t.user_quest_tasks.c.profile_id).where(given.among(t.user_quest_tasks.c.id))
)
_BY_EARNED_BADGE = Lookup(lambda given: select(t.earned_badges.c.profile_id).where(given.among(t.earned_badges.c.id)))
_CODES = Lookup(_used)
_VERSIONS = Lookup(_versions)
_LOCKED_VERSIONS = Lookup(lambda given: _versions(given).order_by(t.applications.c.id).with_for_update(read=True))
_FORGET_TASKS = Lookup(lambda given: delete(t.user_quest_tasks).where(given.among(t.user_quest_tasks.c.user_quest_id)))
_FORGET_QUESTS = Lookup(lambda given: delete(t.user_quests).where(given.among(t.user_quests.c.id)))
_REVOKE = Bulk(
    lambda *_: update(t.earned_badges).where(t.earned_badges.c.id == bindparam("of")).values(revoked_at=bindparam("at"))
)
_BODY = select(t.applications.c.body).where(t.applications.c.id == bindparam("client_id"))
_LOCK_TO_DEFINE = select(t.applications.c.id).where(t.applications.c.id == bindparam("client_id")).with_for_update()
_IN_TURN = Lookup(
    lambda _: select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("client_id"), literal_column("0"))))
)
_DEFINITIONS = (
    select(t.definitions.c.body)
    .where(t.definitions.c.client_id == bindparam("client_id"))
    .order_by(t.definitions.c.position)
)
_KEYS = select(t.idempotency).where(
    tuple_(t.idempotency.c.client_id, t.idempotency.c.key).in_(bindparam("keys", expanding=True))
)

_mark = postgresql.insert(t.writers)
_MARK = _mark.on_conflict_do_update(
    index_elements=[t.writers.c.id],
    set_={"batch": _mark.excluded.batch, "at": _mark.excluded.at},
    where=t.writers.c.batch < _mark.excluded.batch,
).returning(t.writers.c.batch)


class _Asked(NamedTuple):
    command: Command[Any]
    idempotency: Idempotency | None


def _weight(asked: _Asked) -> int:
    return len(parts(asked.command))


class Games:
    """Decoded games by application, each read again when its version has moved on."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Game]] = {}

    def load(
        self, connection: Connection, client_ids: Collection[ClientId], *, locked: bool = False
    ) -> dict[ClientId, Game]:
        """Unknown applications are not in the answer. One query, where nothing has changed.

        `locked`: on PostgreSQL, nobody changes their definitions before this transaction ends.
        """
        games: dict[ClientId, Game] = {}
        asked = _LOCKED_VERSIONS if locked and connection.dialect.name == "postgresql" else _VERSIONS
        for client_id, version in asked.tuples(connection, ids=client_ids):
            known = self._known.get(client_id)
            if known is None or known[0] != version:
                known = self._known[client_id] = (version, _read_game(connection, client_id))
            games[client_id] = known[1]
        return games


def _read_game(connection: Connection, client_id: ClientId) -> Game:
    asked = {"client_id": client_id}
    application = r.decode_definition(connection.execute(_BODY, asked).scalar_one())
    assert isinstance(application, Application)  # noqa: S101 (the column holds nothing else)
    return Game(application, tuple(map(r.decode_definition, connection.execute(_DEFINITIONS, asked).scalars())))


class _Memory(NamedTuple):
    """What the batches have seen."""

    games: Games
    fans: Fans


class SqlEngine:
    """Implements `engagement.ports.Engine`. Made inside the event loop that uses it."""

    def __init__(
        self, database: Database, clock: Clock, new_id: NewId, *, max_batch: int = 256, max_waiting: int = 10_000
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._memory = _Memory(Games(), Fans())
        self._id = uuid7()
        self._number = 0
        self._commits = GroupCommit[_Asked, Any](
            self._commit, max_batch=max_batch, max_waiting=max_waiting, weigh=_weight, name="engine"
        )

    async def handle(self, command: Command[A], idempotency: Idempotency | None = None) -> A:
        answer: A = await self._commits.submit(_Asked(command, idempotency))
        return answer

    async def close(self) -> None:
        await self._commits.close()

    def _commit(self, batch: Sequence[_Asked]) -> list[Any]:
        """Played again as a whole where another writer, or a lost connection, came in between."""
        self._number += 1
        deadline = time.monotonic() + PATIENCE_S
        pause_s = FIRST_PAUSE_S
        sent: list[Any] | None = None  # the answers of the last try that got as far as its COMMIT
        while True:
            try:
                with self._database.writing(in_turn=False) as connection:
                    played = _Batch(connection, self._memory, batch, self._clock(), self._new_id)
                    results = played.run()
                    if not self._mark(connection):
                        # The answer to that COMMIT was lost, but it was done: this try is not.
                        connection.rollback()
                        assert sent is not None  # noqa: S101 (nobody else marks this batch)
                        return sent
                    sent = results
            except Interrupted:
                if time.monotonic() > deadline:
                    raise
                time.sleep(random.uniform(0, pause_s))  # noqa: S311 (chance, not a secret)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            else:
                self._memory.fans.keep(played.seen)
                return results

    def _mark(self, connection: Connection) -> bool:
        """Whether this batch was not committed by an earlier try. Waits for one that the server is still at."""
        if not self._database.is_shared:
            return True
        values = {"id": self._id, "batch": self._number, "at": to_micros(self._clock())}
        return connection.execute(_MARK, values).first() is not None


class _Batch:
    """One transaction's work."""

    def __init__(
        self, connection: Connection, memory: "_Memory", asked: Sequence[_Asked], now: datetime, new_id: NewId
    ) -> None:
        self.connection = connection
        self.fans = memory.fans
        self.asked = asked
        self.now = now
        self.new_id = new_id
        self.games = memory.games.load(connection, _clients(connection, asked), locked=True)
        self.results: list[Any] = [None] * len(asked)
        self.seen: dict[ProfileId, Known] = {}
        """The fans that were read, as they will be once this is committed."""
        self.answers = self._earlier_answers()

    def run(self) -> list[Any]:
        """The answers, or what each command was refused with. All accepted ones are written, not yet committed."""
        by_client: dict[ClientId, list[int]] = defaultdict(list)
        for number, (command, _) in enumerate(self.asked):
            by_client[command.client_id].append(number)
        for client_id, numbers in sorted(by_client.items()):  # in one order, so that two writers never wait in a circle
            if client_id not in self.games:
                error = NotFound(f"There is no application {client_id!r:.100}.", field="client_id")
                for number in numbers:
                    self.results[number] = error
            else:
                self._run_application(self.games[client_id], numbers)
        return self.results

    def _run_application(self, game: Game, numbers: Sequence[int]) -> None:
        client_id = game.application.id
        played = [self.asked[n].command for n in numbers if not isinstance(self.asked[n].command, _DEFINES)]
        wanted = [needs(part) for command in played for part in parts(command)]
        loaded = self.fans.load(self.connection, _ids(self.connection, client_id, wanted))
        working = Working(game, fans={fan_id: known.fan for fan_id, known in loaded.items()})
        working.used_codes |= _used_codes(self.connection, wanted, working)
        before = dict(working.fans)
        written = _Written()
        for number in numbers:
            try:
                self.results[number] = self._once(self.asked[number], working, written)
            except TifoError as error:
                self.results[number] = error
        written.fans = {fan_id: fan for fan_id, fan in working.fans.items() if before.get(fan_id) is not fan}
        _define(self.connection, client_id, list(written.definitions.values()))
        open_boards(self.connection, working.game, written.definitions.values())
        with without_waiting(self.connection):
            write_scores(self.connection, working.game, written.decisions, before)
            _write(self.connection, client_id, written, before)
            self.seen |= loaded | raise_versions(self.connection, written.fans, loaded)

    def _once(self, asked: _Asked, working: Working, written: "_Written") -> object:
        command, idempotency = asked
        if idempotency is None:
            return self._do(command, working, written)
        key = (command.client_id, idempotency.key)
        if key in self.answers:
            digest, answer = self.answers[key]
            if digest != idempotency.digest:
                raise KeyReused(
                    f"Idempotency-Key {idempotency.key!r:.100} came with another request before. Use a new key."
                )
            return msgspec.json.decode(answer, type=_answer_type(type(command)))
        result = self._do(command, working, written)
        answer = r.body(result)
        self.answers[key] = (idempotency.digest, answer)
        written.answers.append(
            {
                "client_id": command.client_id,
                "key": idempotency.key,
                "digest": idempotency.digest,
                "answer": answer,
                "created_at": to_micros(self.now),
            }
        )
        return result

    def _do(self, command: Any, working: Working, written: "_Written") -> object:
        if isinstance(command, ApplyDefinitions):
            working.game, made = apply(working.game, command, self.now, self.new_id)
            written.definitions.update((definition.id, definition) for definition in made)
            return made
        if isinstance(command, _DEFINES):
            definition = define(working.game, command, self.now, self.new_id)  # type: ignore[arg-type]
            working.game = working.game.with_(definition)
            written.definitions[definition.id] = definition
            return definition
        if isinstance(command, InvokeActions):
            decisions, outcomes = working.invoke_all(command, self.now, self.new_id)
            written.decisions += decisions
            return outcomes
        decision = working.play(command, self.now, self.new_id)
        written.decisions.append(decision)
        return decision.answer

    def _earlier_answers(self) -> dict[tuple[str, str], tuple[bytes, str]]:
        keys = [(each.command.client_id, each.idempotency.key) for each in self.asked if each.idempotency]
        if not keys:
            return {}
        found = self.connection.execute(_KEYS, {"keys": keys})
        return {(row.client_id, row.key): (row.digest, row.answer) for row in found}


class _Written:
    """What the accepted commands of one application leave behind."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self.definitions: dict[str, Definition] = {}
        self.answers: list[Row] = []
        self.fans: dict[ProfileId, Fan] = {}


def create_application(database: Database, name: str, clock: Clock, new_id: NewId) -> NewApplication:
    """With its default program. The token is kept as a digest only."""
    check_text(name, "name")
    secret, token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    with database.writing() as connection:
        application = insert_application(
            connection, name, client_secret=secret, producer_token=token, now=clock(), new_id=new_id
        )
    return NewApplication(application=application, client_secret=secret, producer_token=token)


def insert_application(
    connection: Connection, name: str, *, client_secret: str, producer_token: str, now: datetime, new_id: NewId
) -> Application:
    program = Program(id=ProgramId(new_id()), name="Default", created_at=now)
    application = Application(id=ClientId(new_id()), name=name, default_program_id=program.id, created_at=now)
    row = {
        "id": application.id,
        "body": r.body(application),
        "client_secret": client_secret,
        "definitions_version": 1,
    }
    connection.execute(insert(t.applications), row)
    connection.execute(insert(t.definitions), {"id": program.id, "client_id": application.id, "body": r.body(program)})
    info = TokenInfo(id=new_id(), name="first", created_at=now)
    insert_token(connection, application.id, producer_token, info)
    return application


def insert_token(connection: Connection, client_id: ClientId | None, token: str, info: TokenInfo) -> None:
    row = {
        "digest": token_digest(token),
        "client_id": client_id,
        "id": info.id,
        "name": info.name,
        "created_at": to_micros(info.created_at),
    }
    connection.execute(insert(t.tokens), row)


def token_digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _answer_type(command_type: type) -> Any:
    return get_args(command_type.__orig_bases__[0])[0]  # type: ignore[attr-defined]


def _ids(connection: Connection, client_id: ClientId, wanted: Sequence[Needs]) -> set[str]:
    """The fans whom the commands may touch."""
    ids: set[str] = {each for need in wanted for each in need.profile_ids}

    def add(lookup: Lookup, values: set[str], **more: str) -> None:
        if values:
            ids.update(row[0] for row in lookup.tuples(connection, ids=values, **more))

    add(_BY_CUSTOM_ID, {each for need in wanted for each in need.custom_ids}, client_id=client_id)
    add(_BY_USER_QUEST, {each for need in wanted for each in need.user_quest_ids})
    add(_BY_USER_QUEST_TASK, {each for need in wanted for each in need.user_quest_task_ids})
    add(_BY_EARNED_BADGE, {each for need in wanted for each in need.earned_badge_ids})
    return ids


def _used_codes(connection: Connection, wanted: Sequence[Needs], working: Working) -> set[tuple[ProfileId, str, str]]:
    """Those among the wanted ones that were used before."""
    used = {
        (profile_id, *need.code)
        for need in wanted
        if need.code is not None
        for profile_id in (*need.profile_ids, *map(working.by_custom_id.get, need.custom_ids))
        if profile_id is not None
    }
    return {(row[0], row[1], row[2]) for row in _CODES.tuples(connection, used=used)} if used else set()


def _clients(connection: Connection, asked: Sequence[_Asked]) -> set[ClientId]:
    """The applications of the commands. On PostgreSQL a batch that defines locks them, in one order: for others' play
    where it defines, for others' definitions where it only plays.
    """
    client_ids = {each.command.client_id for each in asked}
    defining = {each.command.client_id for each in asked if isinstance(each.command, _DEFINES)}
    if defining and connection.dialect.name == "postgresql":
        for client_id in sorted(client_ids):
            if client_id in defining:
                connection.execute(_LOCK_TO_DEFINE, {"client_id": client_id})
            else:
                _LOCKED_VERSIONS.tuples(connection, ids=[client_id])
    return client_ids


def _write(connection: Connection, client_id: ClientId, written: _Written, before: dict[ProfileId, Fan]) -> None:
    """Every table with one statement, executed for many rows."""
    decisions = written.decisions
    changed = [(before.get(fan.profile.id), fan) for fan in written.fans.values()]
    profiles = [r.profile_row(fan.profile) for old, fan in changed if old is None or old.profile is not fan.profile]
    upsert_rows(connection, t.profiles, profiles)
    moved = {(each.profile_id, each.reward_item_id): each.balance for d in decisions for each in d.transactions}
    balances = [{"profile_id": p, "reward_item_id": i, "balance": b} for (p, i), b in sorted(moved.items())]
    upsert_rows(connection, t.balances, balances)
    insert_rows(
        connection, t.transactions, [r.transaction_row(client_id, each) for d in decisions for each in d.transactions]
    )
    invoked = [r.invoked_action_row(client_id, d.invoked) for d in decisions if d.invoked is not None]
    insert_rows(connection, t.invoked_actions, invoked)
    badges = [
        r.earned_badge_row(client_id, earned)
        for old, fan in changed
        for badge_id, earned in fan.badges.items()
        if old is None or badge_id not in old.badges
    ]
    insert_rows(connection, t.earned_badges, badges)
    _write_revocations(connection, changed)
    upsert_rows(connection, t.entry_payments, [row for old, fan in changed for row in r.payments_rows(old, fan)])
    _write_quests(connection, client_id, changed)
    _insert_facts(connection, client_id, [r.fact_row(fact) for d in decisions for fact in d.facts])
    insert_rows(connection, t.idempotency, written.answers)


def _insert_facts(connection: Connection, client_id: ClientId, facts: Sequence[Row]) -> None:
    """An application's facts are read by their positions, which must rise in the order of commits: so one transaction
    at a time gives positions to them, from here to its commit.
    """
    if facts and connection.dialect.name == "postgresql":
        _IN_TURN.run(connection, client_id=client_id)
    insert_rows(connection, t.facts, facts)


def _write_revocations(connection: Connection, changed: list[tuple[Fan | None, Fan]]) -> None:
    """Badges that were taken away, or given back."""
    moved = [
        {"of": earned.id, "at": maybe_micros(earned.revoked_at)}
        for old, fan in changed
        if old is not None
        for badge_id, earned in fan.badges.items()
        if old.badges.get(badge_id, earned) is not earned
    ]
    _REVOKE.run(connection, moved)


def _write_quests(connection: Connection, client_id: ClientId, changed: list[tuple[Fan | None, Fan]]) -> None:
    """Rules hand back what they left alone as the same object. What was removed goes first: its place may be taken."""
    _forget_quests(connection, changed)
    quests, tasks = [], []
    for old, fan in changed:
        for quest_id, user_quest in fan.user_quests.items():
            earlier = None if old is None else old.user_quests.get(quest_id)
            if earlier is user_quest:
                continue
            if earlier is not None and earlier.id != user_quest.id:  # it was removed, and the quest started anew
                earlier = None
            kept = set() if earlier is None else set(map(id, earlier.tasks))
            if earlier is None or _without_tasks(earlier) != _without_tasks(user_quest):
                quests.append(r.user_quest_row(client_id, user_quest))
            tasks += [
                r.user_quest_task_row(user_quest, number, task)
                for number, task in enumerate(user_quest.tasks)
                if id(task) not in kept
            ]
    upsert_rows(connection, t.user_quests, quests)
    upsert_rows(connection, t.user_quest_tasks, tasks)


def _forget_quests(connection: Connection, changed: list[tuple[Fan | None, Fan]]) -> None:
    left = {each.id for _, fan in changed for each in fan.user_quests.values()}
    gone = [each.id for old, _ in changed if old for each in old.user_quests.values() if each.id not in left]
    if gone:
        _FORGET_TASKS.run(connection, ids=gone)
        _FORGET_QUESTS.run(connection, ids=gone)


def _without_tasks(user_quest: Any) -> Any:
    return (user_quest.completed_at, user_quest.rewards_claimed_at, user_quest.active_until)


def _define(connection: Connection, client_id: ClientId, changed: list[Definition]) -> None:
    if not changed:
        return
    others = [each for each in changed if not isinstance(each, Application)]
    rows = [{"id": each.id, "client_id": client_id, "body": r.body(each)} for each in others]
    upsert_rows(connection, t.definitions, rows, key="id")
    bump = update(t.applications).where(t.applications.c.id == client_id)
    values: dict[Any, Any] = {t.applications.c.definitions_version: t.applications.c.definitions_version + 1}
    for each in changed:
        if isinstance(each, Application):
            values[t.applications.c.body] = r.body(each)
    connection.execute(bump.values(values))
