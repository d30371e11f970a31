"""Answers the reads of routes on SQL. Lists are newest first.

A page at an anchor does not shift when rows are added or removed, and costs the same however deep it lies. Lists are
counted up to `COUNTED`.
"""

import hmac
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Select, func, select

from tifo.engagement.access import token_digest
from tifo.engagement.model import EarnedBadge, Fan, Game, InvokedAction, Profile, Transaction, UserQuest
from tifo.engagement.ports import COUNTED, NOWHERE, Anchor, InvokedFilter, Page, TransactionFilter
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import BadgeId, ClientId, EarnedBadgeId, ProfileId, QuestId, UserQuestId
from tifo.store.engagement import rows as r
from tifo.store.engagement.games import Games
from tifo.store.engagement.glances import SqlGlances
from tifo.store.engagement.scores import SqlStandings
from tifo.store.sql.database import Database
from tifo.store.sql.tables import engagement as t
from tifo.store.sql.times import to_micros

T = TypeVar("T")


class PageWindow(NamedTuple):
    page: int
    size: int
    anchor: Anchor
    oldest_first: bool = False


class SqlQueries(SqlStandings, SqlGlances):
    """Implements `engagement.ports.Queries`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._games = Games()

    def game(self, client_id: ClientId) -> Game:
        with self._database.reading() as connection:
            games = self._games.load(connection, [client_id])
        if client_id not in games:
            raise NotFound(f"There is no application {client_id!r:.100}.", field="client_id")
        return games[client_id]

    def client_secret(self, client_id: ClientId) -> str:
        secret = self._scalar(select(t.applications.c.client_secret).where(t.applications.c.id == client_id))
        if secret is None:
            raise NotFound(f"There is no application {client_id!r:.100}.", field="client_id")
        return str(secret)

    def client_of_producer_token(self, token: str) -> ClientId | None:
        digest = token_digest(token)
        with self._database.reading() as connection:
            row = connection.execute(select(t.tokens).where(t.tokens.c.digest == digest)).first()
        if row is None or row.client_id is None or not hmac.compare_digest(row.digest, digest):
            return None
        return ClientId(row.client_id)

    def profile(self, client_id: ClientId, profile_id: ProfileId) -> Profile:
        return self._profile(client_id, t.profiles.c.id == profile_id, f"profile {profile_id!r:.100}")

    def profile_by_custom_id(self, client_id: ClientId, custom_id: str) -> Profile:
        what = f"profile with custom_id {custom_id!r:.100}"
        return self._profile(client_id, t.profiles.c.custom_id == custom_id, what)

    def fan(self, client_id: ClientId, profile_id: ProfileId) -> Fan:
        with self._database.reading() as connection:
            fan = r.load_fans(connection, [profile_id]).get(profile_id)
        if fan is None or fan.profile.client_id != client_id:
            raise NotFound(f"There is no profile {profile_id!r:.100} in this application.", field="profile_id")
        return fan

    def profiles(self, client_id: ClientId, profile_ids: Sequence[ProfileId]) -> dict[ProfileId, Profile]:
        wanted = t.profiles.c.id.in_(sorted(set(profile_ids)))
        with self._database.reading() as connection:
            found = connection.execute(select(t.profiles).where(t.profiles.c.client_id == client_id, wanted))
            return {profile.id: profile for profile in map(r.read_profile, found)}

    def user_quest(self, client_id: ClientId, user_quest_id: UserQuestId) -> UserQuest:
        where = (t.user_quests.c.client_id == client_id, t.user_quests.c.id == user_quest_id)
        with self._database.reading() as connection:
            found = _read_user_quests(connection, select(t.user_quests).where(*where))
        if not found:
            raise NotFound(f"There is no user quest {user_quest_id!r:.100} in this application.", field="user_quest_id")
        return found[0]

    def user_quests(
        self,
        client_id: ClientId,
        profile_id: ProfileId,
        *,
        quest_ids: Sequence[QuestId] = (),
        ids: Sequence[UserQuestId] = (),
        page: int = 1,
        size: int = 20,
    ) -> Page[UserQuest]:
        table = t.user_quests
        query = select(table).where(table.c.client_id == client_id, table.c.profile_id == profile_id)
        query = _any_of(_any_of(query, table.c.quest_id, quest_ids), table.c.id, ids)
        ordered = query.order_by(table.c.created_at.desc(), table.c.id.desc())
        counted = select(func.count()).select_from(query.subquery())
        with self._database.reading() as connection:
            found = _read_user_quests(connection, ordered.limit(size).offset((page - 1) * size))
            count = connection.execute(counted).scalar_one()
        return Page(count=count, results=found, number=page, size=size)

    def transactions(
        self, client_id: ClientId, where: TransactionFilter, *, page: int = 1, size: int = 20, anchor: Anchor = NOWHERE
    ) -> Page[Transaction]:
        c = t.transactions.c
        query: Select[Any] = select(c.position, c.body).where(c.client_id == client_id)
        query = _any_of(query, c.profile_id, where.profile_ids)
        query = _any_of(query, c.reward_item_id, where.reward_item_ids)
        query = _any_of(query, c.reward_action_key, where.reward_action_keys)
        query = _any_of(query, c.kind, [kind.value for kind in where.kinds])
        query = _between(query, c.created_at, where.created_since, where.created_until)
        return _read_page(
            self._database,
            query,
            c.position,
            lambda row: r.decode_transaction(row.body),
            PageWindow(page, size, anchor),
        )

    def invoked_actions(
        self, client_id: ClientId, where: InvokedFilter, *, page: int = 1, size: int = 20, anchor: Anchor = NOWHERE
    ) -> Page[InvokedAction]:
        c = t.invoked_actions.c
        query: Select[Any] = select(c.position, c.body).where(c.client_id == client_id)
        query = _any_of(query, c.profile_id, where.profile_ids)
        query = _any_of(query, c.program_id, () if where.program_id is None else (where.program_id,))
        query = _any_of(query, c.reward_action_key, where.reward_action_keys)
        query = _any_of(query, c.code, where.codes)
        query = _between(query, c.created_at, where.since, where.until)
        for attribute in where.attributes:
            query = query.where(_holds(c.body, r.body(attribute)))
        window = PageWindow(page, size, anchor, oldest_first=where.oldest_first)
        return _read_page(self._database, query, c.position, lambda row: r.decode_invoked_action(row.body), window)

    def earned_badges(
        self,
        client_id: ClientId,
        *,
        profile_id: ProfileId | None = None,
        badge_id: BadgeId | None = None,
        page: int = 1,
        size: int = 20,
        anchor: Anchor = NOWHERE,
    ) -> Page[EarnedBadge]:
        c = t.earned_badges.c
        query = select(t.earned_badges).where(c.client_id == client_id, c.revoked_at.is_(None))
        query = _any_of(query, c.profile_id, () if profile_id is None else (profile_id,))
        query = _any_of(query, c.badge_id, () if badge_id is None else (badge_id,))
        return _read_page(self._database, query, c.position, r.read_earned_badge, PageWindow(page, size, anchor))

    def earned_badge(self, client_id: ClientId, earned_badge_id: EarnedBadgeId) -> EarnedBadge:
        c = t.earned_badges.c
        query = select(t.earned_badges).where(c.client_id == client_id, c.id == earned_badge_id, c.revoked_at.is_(None))
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound(f"There is no earned badge {earned_badge_id!r:.100} in this application.")
        return r.read_earned_badge(row)

    def _profile(self, client_id: ClientId, where: Any, what: str) -> Profile:
        with self._database.reading() as connection:
            row = connection.execute(select(t.profiles).where(t.profiles.c.client_id == client_id, where)).first()
        if row is None:
            raise NotFound(f"There is no {what} in this application.", field="profile_id")
        return r.read_profile(row)

    def _scalar(self, query: Select[Any]) -> Any:
        with self._database.reading() as connection:
            return connection.execute(query).scalar()


def _read_user_quests(connection: Connection, query: Select[Any]) -> list[UserQuest]:
    quests = connection.execute(query).all()
    tasks = r.TASKS.rows(connection, ids={row.profile_id for row in quests}) if quests else []
    return r.read_user_quests(quests, tasks)


def _read_page(
    database: Database, query: Select[Any], position: Any, read: Callable[[Any], T], window: PageWindow
) -> Page[T]:
    """Reads one page, and one row more, which shows whether rows follow."""
    backwards = window.anchor.after is not None
    ascending = window.oldest_first != backwards
    # Backwards the rows come in the opposite order, and are reversed below.
    asked = query.order_by(position.asc() if ascending else position.desc()).limit(window.size + 1)
    edge = window.anchor.after if backwards else window.anchor.before
    if edge is None:
        # Without an anchor, a numbered page costs as much as all pages before it: LiveLike's clients may ask for one.
        asked = asked.offset((window.page - 1) * window.size)
    else:
        asked = asked.where(position > edge if ascending else position < edge)
    # Counting stops at the limit: a list of any length is counted in the same time.
    counted = select(func.count()).select_from(query.limit(COUNTED).subquery())
    with database.reading() as connection:
        rows = connection.execute(asked).all()
        count = connection.execute(counted).scalar_one()
    found = rows[: window.size]
    if backwards:
        found = found[::-1]
    return Page(
        count=count,
        results=[read(row) for row in found],
        number=window.page,
        size=window.size,
        first=found[0].position if found else None,
        last=found[-1].position if found else None,
        more=backwards or len(rows) > window.size,
    )


def _any_of(query: Select[Any], column: Any, values: Sequence[str]) -> Select[Any]:
    return query.where(column.in_(list(values))) if values else query


def _between(query: Select[Any], column: Any, since: datetime | None, until: datetime | None) -> Select[Any]:
    if since is not None:
        query = query.where(column >= to_micros(since))
    return query if until is None else query.where(column <= to_micros(until))


def _holds(document: Any, part: str) -> Any:
    """Says whether a JSON document contains this object as we write it."""
    # Quotes within strings are escaped, so no string is mistaken for the object.
    # `replace` is the same in SQLite and PostgreSQL; LIKE ignores case in SQLite.
    return func.replace(document, part, "") != document
