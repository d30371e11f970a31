"""Converts values to rows and back."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any, get_args

import msgspec
from sqlalchemy import Connection, select

from tifo.engagement.facts import AnyFact
from tifo.engagement.model import (
    Attributes,
    Definition,
    EarnedBadge,
    Fan,
    InvokedAction,
    Payments,
    Profile,
    Transaction,
    UserQuest,
    UserQuestTask,
)
from tifo.engagement.values import decimal_text
from tifo.kernel.ids import (
    BadgeId,
    ClientId,
    EarnedBadgeId,
    ProfileId,
    QuestId,
    QuestTaskId,
    RewardTableEntryId,
    UserQuestId,
    UserQuestTaskId,
)
from tifo.store.sql.bulk import Lookup, Row
from tifo.store.sql.tables import engagement as t
from tifo.store.sql.times import from_micros, maybe_micros, maybe_moment, to_micros

_encode = msgspec.json.Encoder().encode
decode_definition = msgspec.json.Decoder(Definition).decode
decode_fact = msgspec.json.Decoder(AnyFact).decode
decode_transaction = msgspec.json.Decoder(Transaction).decode
decode_invoked_action = msgspec.json.Decoder(InvokedAction).decode
_decode_attributes = msgspec.json.Decoder(Attributes).decode
FACT_KINDS = {kind: kind.__struct_config__.tag for kind in get_args(AnyFact)}

PROFILES = Lookup(lambda given: select(t.profiles).where(given.among(t.profiles.c.id)))
_BALANCES = Lookup(lambda given: select(t.balances).where(given.among(t.balances.c.profile_id)))
_BADGES = Lookup(lambda given: select(t.earned_badges).where(given.among(t.earned_badges.c.profile_id)))
_PAYMENTS = Lookup(lambda given: select(t.entry_payments).where(given.among(t.entry_payments.c.profile_id)))
_QUESTS = Lookup(lambda given: select(t.user_quests).where(given.among(t.user_quests.c.profile_id)))
TASKS = Lookup(
    lambda given: (
        select(t.user_quest_tasks)
        .where(given.among(t.user_quest_tasks.c.profile_id))
        .order_by(t.user_quest_tasks.c.ordinal)
    )
)


def body(value: object) -> str:
    return _encode(value).decode()


def load_fans(connection: Connection, profile_ids: Collection[str]) -> dict[ProfileId, Fan]:
    """Loads the fans with one query for each table. Unknown ids are not in the answer."""
    if not profile_ids:
        return {}
    ids = sorted(set(profile_ids))
    balances: dict[str, dict[Any, int]] = defaultdict(dict)
    for row in _BALANCES.rows(connection, ids=ids):
        balances[row.profile_id][row.reward_item_id] = row.balance
    badges: dict[str, dict[BadgeId, EarnedBadge]] = defaultdict(dict)
    for row in _BADGES.rows(connection, ids=ids):
        badges[row.profile_id][row.badge_id] = read_earned_badge(row)
    quests: dict[str, dict[QuestId, UserQuest]] = defaultdict(dict)
    for user_quest in read_user_quests(_QUESTS.rows(connection, ids=ids), TASKS.rows(connection, ids=ids)):
        quests[user_quest.profile_id][user_quest.quest_id] = user_quest
    payments: dict[str, dict[RewardTableEntryId, Payments]] = defaultdict(dict)
    for row in _PAYMENTS.rows(connection, ids=ids):
        payments[row.profile_id][row.entry_id] = Payments(
            rate_window=row.rate_window,
            rate_count=row.rate_count,
            limit_window=row.limit_window,
            limit_count=row.limit_count,
        )
    return {
        profile.id: Fan(
            profile=profile,
            balances=balances[profile.id],
            badges=badges[profile.id],
            user_quests=quests[profile.id],
            payments=payments[profile.id],
        )
        for profile in map(read_profile, PROFILES.rows(connection, ids=ids))
    }


def read_profile(row: Any) -> Profile:
    return Profile(
        id=ProfileId(row.id),
        client_id=ClientId(row.client_id),
        nickname=row.nickname,
        created_at=from_micros(row.created_at),
        custom_id=row.custom_id,
        custom_data=row.custom_data,
        attributes=_decode_attributes(row.attributes),
    )


def profile_row(profile: Profile) -> Row:
    return {
        "id": profile.id,
        "client_id": profile.client_id,
        "custom_id": profile.custom_id,
        "nickname": profile.nickname,
        "custom_data": profile.custom_data,
        "attributes": body(profile.attributes),
        "created_at": to_micros(profile.created_at),
    }


def read_earned_badge(row: Any) -> EarnedBadge:
    return EarnedBadge(
        id=EarnedBadgeId(row.id),
        profile_id=ProfileId(row.profile_id),
        badge_id=BadgeId(row.badge_id),
        awarded_at=from_micros(row.awarded_at),
        revoked_at=maybe_moment(row.revoked_at),
    )


def earned_badge_row(client_id: ClientId, earned: EarnedBadge) -> Row:
    return {
        "id": earned.id,
        "client_id": client_id,
        "profile_id": earned.profile_id,
        "badge_id": earned.badge_id,
        "awarded_at": to_micros(earned.awarded_at),
        "revoked_at": maybe_micros(earned.revoked_at),
    }


def payments_rows(old: Fan | None, fan: Fan) -> list[Row]:
    """Makes rows of the entries that have paid since."""
    earlier = {} if old is None else old.payments
    return [
        {"profile_id": fan.profile.id, "entry_id": entry_id, **msgspec.structs.asdict(payments)}
        for entry_id, payments in fan.payments.items()
        if earlier.get(entry_id) is not payments
    ]


def read_user_quests(quest_rows: Iterable[Any], task_rows: Iterable[Any]) -> list[UserQuest]:
    """Reads user quests with their tasks; the task rows come in the order of their ordinals."""
    tasks: dict[str, list[UserQuestTask]] = defaultdict(list)
    for row in task_rows:
        tasks[row.user_quest_id].append(
            UserQuestTask(
                id=UserQuestTaskId(row.id),
                quest_task_id=QuestTaskId(row.quest_task_id),
                progress=Decimal(row.progress),
                completed_at=maybe_moment(row.completed_at),
            )
        )
    return [
        UserQuest(
            id=UserQuestId(row.id),
            profile_id=ProfileId(row.profile_id),
            quest_id=QuestId(row.quest_id),
            created_at=from_micros(row.created_at),
            active_until=maybe_moment(row.active_until),
            completed_at=maybe_moment(row.completed_at),
            rewards_claimed_at=maybe_moment(row.rewards_claimed_at),
            tasks=tuple(tasks[row.id]),
        )
        for row in quest_rows
    ]


def user_quest_row(client_id: ClientId, user_quest: UserQuest) -> Row:
    return {
        "id": user_quest.id,
        "client_id": client_id,
        "profile_id": user_quest.profile_id,
        "quest_id": user_quest.quest_id,
        "created_at": to_micros(user_quest.created_at),
        "active_until": maybe_micros(user_quest.active_until),
        "completed_at": maybe_micros(user_quest.completed_at),
        "rewards_claimed_at": maybe_micros(user_quest.rewards_claimed_at),
    }


def user_quest_task_row(user_quest: UserQuest, ordinal: int, task: UserQuestTask) -> Row:
    return {
        "id": task.id,
        "profile_id": user_quest.profile_id,
        "user_quest_id": user_quest.id,
        "quest_task_id": task.quest_task_id,
        "ordinal": ordinal,
        # As text: SQLite has no type that holds every decimal exactly.
        "progress": decimal_text(task.progress),
        "completed_at": maybe_micros(task.completed_at),
    }


def transaction_row(client_id: ClientId, transaction: Transaction) -> Row:
    return {
        "id": transaction.id,
        "client_id": client_id,
        "profile_id": transaction.profile_id,
        "reward_item_id": transaction.reward_item_id,
        "amount": transaction.amount,
        "balance": transaction.balance,
        "kind": transaction.kind.value,
        "reward_action_key": transaction.reward_action_key,
        "created_at": to_micros(transaction.created_at),
        "body": body(transaction),
    }


def invoked_action_row(client_id: ClientId, invoked: InvokedAction) -> Row:
    return {
        "client_id": client_id,
        "program_id": invoked.program_id,
        "profile_id": invoked.profile_id,
        "reward_action_key": invoked.reward_action_key,
        "code": invoked.code,
        "created_at": to_micros(invoked.created_at),
        "body": body(invoked),
    }


def fact_row(fact: AnyFact) -> Row:
    return {"id": fact.id, "client_id": fact.client_id, "kind": FACT_KINDS[type(fact)], "body": body(fact)}
