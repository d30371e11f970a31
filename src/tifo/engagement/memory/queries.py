"""Reads for routes in memory. Lists are newest first."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from tifo.engagement.access import token_digest
from tifo.engagement.memory.paging import anchored_page, page_of
from tifo.engagement.memory.standings import InMemoryStandings
from tifo.engagement.memory.state import InMemoryState
from tifo.engagement.model import EarnedBadge, Fan, Game, InvokedAction, Profile, Transaction, UserQuest
from tifo.engagement.ports import NOWHERE, Anchor, Glance, InvokedFilter, Page, TransactionFilter
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import BadgeId, ClientId, EarnedBadgeId, ProfileId, QuestId, UserQuestId

T = TypeVar("T")


class InMemoryQueries(InMemoryStandings):
    """Implements `engagement.ports.Queries`."""

    def __init__(self, state: InMemoryState) -> None:
        self._state = state

    def game(self, client_id: ClientId) -> Game:
        return self._state.application(client_id).game

    def client_secret(self, client_id: ClientId) -> str:
        return self._state.application(client_id).client_secret

    def client_of_producer_token(self, token: str) -> ClientId | None:
        digest = token_digest(token)
        return next((each.client_id for each in self._state.tokens if each.digest == digest), None)

    def glances(self, asked: Sequence[tuple[ClientId, ProfileId | None]]) -> Sequence[Glance | Exception]:
        return [self._glance(*each) for each in asked]

    def _glance(self, client_id: ClientId, profile_id: ProfileId | None) -> Glance | Exception:
        try:
            balances = {} if profile_id is None else self.fan(client_id, profile_id).balances
            return Glance(self.game(client_id), balances)
        except NotFound as error:
            # Many requests share one call: an unknown profile refuses its own question only.
            return error

    def profile(self, client_id: ClientId, profile_id: ProfileId) -> Profile:
        return self.fan(client_id, profile_id).profile

    def profile_by_custom_id(self, client_id: ClientId, custom_id: str) -> Profile:
        what = f"profile with custom_id {custom_id!r:.100}"
        by_custom_id = self._state.application(client_id).working.by_custom_id
        return self.profile(client_id, _found(by_custom_id, custom_id, what, "profile_id"))

    def fan(self, client_id: ClientId, profile_id: ProfileId) -> Fan:
        fans = self._state.application(client_id).working.fans
        return _found(fans, profile_id, f"profile {profile_id!r:.100}", "profile_id")

    def profiles(self, client_id: ClientId, profile_ids: Sequence[ProfileId]) -> dict[ProfileId, Profile]:
        fans = self._state.application(client_id).working.fans
        return {each: fans[each].profile for each in profile_ids if each in fans}

    def user_quest(self, client_id: ClientId, user_quest_id: UserQuestId) -> UserQuest:
        working = self._state.application(client_id).working
        owner = _found(working.by_user_quest, user_quest_id, f"user quest {user_quest_id!r:.100}", "user_quest_id")
        return next(each for each in working.fans[owner].user_quests.values() if each.id == user_quest_id)

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
        fan = self._state.application(client_id).working.fans.get(profile_id)
        runs = [
            run
            for run in ([] if fan is None else fan.user_quests.values())
            if (not ids or run.id in ids) and (not quest_ids or run.quest_id in quest_ids)
        ]
        return page_of(sorted(runs, key=lambda run: (run.created_at, run.id), reverse=True), page, size)

    def transactions(
        self, client_id: ClientId, where: TransactionFilter, *, page: int = 1, size: int = 20, anchor: Anchor = NOWHERE
    ) -> Page[Transaction]:
        rows = [
            (position, row)
            for position, row in reversed([*enumerate(self._state.application(client_id).transactions, 1)])
            if _transaction_matches(row, where)
        ]
        return anchored_page(rows, page, size, anchor)

    def invoked_actions(
        self, client_id: ClientId, where: InvokedFilter, *, page: int = 1, size: int = 20, anchor: Anchor = NOWHERE
    ) -> Page[InvokedAction]:
        placed = [*enumerate(self._state.application(client_id).invoked, 1)]
        ordered = placed if where.oldest_first else reversed(placed)
        return anchored_page([each for each in ordered if _invoked_matches(each[1], where)], page, size, anchor)

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
        application = self._state.application(client_id)
        rows = [
            (application.earned[earned.id], earned)
            for fan in application.working.fans.values()
            for earned in fan.badges.values()
            if earned.revoked_at is None
            and profile_id in {None, earned.profile_id}
            and badge_id in {None, earned.badge_id}
        ]
        return anchored_page(sorted(rows, key=lambda placed: -placed[0]), page, size, anchor)

    def earned_badge(self, client_id: ClientId, earned_badge_id: EarnedBadgeId) -> EarnedBadge:
        working = self._state.application(client_id).working
        owner = working.by_earned_badge.get(earned_badge_id)
        for earned in () if owner is None else working.fans[owner].badges.values():
            if earned.id == earned_badge_id and earned.revoked_at is None:
                return earned
        raise NotFound(f"There is no earned badge {earned_badge_id!r:.100} in this application.")


def _transaction_matches(row: Transaction, where: TransactionFilter) -> bool:
    return (
        _among(row.kind, where.kinds)
        and _among(row.profile_id, where.profile_ids)
        and _among(row.reward_item_id, where.reward_item_ids)
        and _among(row.reward_action_key, where.reward_action_keys)
        and (where.created_since is None or row.created_at >= where.created_since)
        and (where.created_until is None or row.created_at <= where.created_until)
    )


def _invoked_matches(row: InvokedAction, where: InvokedFilter) -> bool:
    return (
        _among(row.profile_id, where.profile_ids)
        and where.program_id in {None, row.program_id}
        and _among(row.reward_action_key, where.reward_action_keys)
        and _among(row.code, where.codes)
        and set(where.attributes) <= set(row.attributes)
        and (where.since is None or row.created_at >= where.since)
        and (where.until is None or row.created_at <= where.until)
    )


def _among(value: Any, wanted: Sequence[Any]) -> bool:
    """No wanted values mean that every value matches."""
    return not wanted or value in wanted


def _found(things: Mapping[Any, T], key: str, what: str, field: str) -> T:
    if key not in things:
        raise NotFound(f"There is no {what} in this application.", field=field)
    return things[key]
