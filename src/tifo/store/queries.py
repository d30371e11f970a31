"""Reads for routes, on SQL. Lists are newest first, and stand still for what was there: rows are only ever added."""

import hmac
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select, func, select

from tifo.engagement.model import EarnedBadge, Fan, Game, InvokedAction, Profile, Transaction, UserQuest
from tifo.engagement.ports import Page, TransactionFilter
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import BadgeId, ClientId, ProfileId, ProgramId, QuestId, UserQuestId
from tifo.store import rows as r
from tifo.store import tables as t
from tifo.store.database import Database, to_micros
from tifo.store.engine import Games, token_digest
from tifo.store.glances import SqlGlances
from tifo.store.scores import SqlStandings

T = TypeVar("T")
_EARNED = ("reward_table", "quest")


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
        return ClientId(row.client_id) if row is not None and hmac.compare_digest(row.digest, digest) else None

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
        found = self._user_quests(select(t.user_quests).where(*where))
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
        found = self._user_quests(ordered.limit(size).offset((page - 1) * size))
        return Page(self._count(query), found, page, size)

    def transactions(
        self, client_id: ClientId, where: TransactionFilter, *, page: int = 1, size: int = 20
    ) -> Page[Transaction]:
        c = t.transactions.c
        query = select(c.body).where(c.client_id == client_id)
        query = _any_of(query, c.profile_id, where.profile_ids)
        query = _any_of(query, c.reward_item_id, where.reward_item_ids)
        query = _any_of(query, c.reward_action_key, where.reward_action_keys)
        if where.earned_only:
            query = query.where(c.kind.in_(_EARNED))
        if where.created_since is not None:
            query = query.where(c.created_at >= to_micros(where.created_since))
        if where.created_until is not None:
            query = query.where(c.created_at <= to_micros(where.created_until))
        return self._page(query, c.position, lambda row: r.decode_transaction(row.body), page, size)

    def invoked_actions(
        self,
        client_id: ClientId,
        *,
        profile_ids: Sequence[ProfileId] = (),
        program_id: ProgramId | None = None,
        reward_action_keys: Sequence[str] = (),
        page: int = 1,
        size: int = 20,
    ) -> Page[InvokedAction]:
        c = t.invoked_actions.c
        query = select(c.body).where(c.client_id == client_id)
        query = _any_of(query, c.profile_id, profile_ids)
        query = _any_of(query, c.program_id, () if program_id is None else (program_id,))
        query = _any_of(query, c.reward_action_key, reward_action_keys)
        return self._page(query, c.position, lambda row: r.decode_invoked_action(row.body), page, size)

    def earned_badges(
        self,
        client_id: ClientId,
        *,
        profile_id: ProfileId | None = None,
        badge_id: BadgeId | None = None,
        page: int = 1,
        size: int = 20,
    ) -> Page[EarnedBadge]:
        c = t.earned_badges.c
        query = select(t.earned_badges).where(c.client_id == client_id)
        query = _any_of(query, c.profile_id, () if profile_id is None else (profile_id,))
        query = _any_of(query, c.badge_id, () if badge_id is None else (badge_id,))
        return self._page(query, c.position, r.read_earned_badge, page, size)

    def _profile(self, client_id: ClientId, where: Any, what: str) -> Profile:
        with self._database.reading() as connection:
            row = connection.execute(select(t.profiles).where(t.profiles.c.client_id == client_id, where)).first()
        if row is None:
            raise NotFound(f"There is no {what} in this application.", field="profile_id")
        return r.read_profile(row)

    def _user_quests(self, query: Select[Any]) -> list[UserQuest]:
        with self._database.reading() as connection:
            quests = connection.execute(query).all()
            owners = {"ids": sorted({row.profile_id for row in quests})}
            tasks = connection.execute(r.TASKS, owners).all() if quests else []
        return r.read_user_quests(quests, tasks)

    def _page(self, query: Select[Any], order: Any, read: Callable[[Any], T], page: int, size: int) -> Page[T]:
        newest = query.order_by(order.desc()).limit(size).offset((page - 1) * size)
        with self._database.reading() as connection:
            found = [read(row) for row in connection.execute(newest)]
        return Page(self._count(query), found, page, size)

    def _count(self, query: Select[Any]) -> int:
        counted: int = self._scalar(select(func.count()).select_from(query.subquery()))
        return counted

    def _scalar(self, query: Select[Any]) -> Any:
        with self._database.reading() as connection:
            return connection.execute(query).scalar()


def _any_of(query: Select[Any], column: Any, values: Sequence[str]) -> Select[Any]:
    return query.where(column.in_(list(values))) if values else query
