import base64
import json
import subprocess
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest

from tifo.engagement.facts import (
    AnyFact,
    BadgeRewarded,
    QuestRewardAwarded,
    QuestTaskCompleted,
    RewardItemRewarded,
    UserQuestCompleted,
    UserQuestTaskProgressed,
)
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import (
    BadgeId,
    ClientId,
    EarnedBadgeId,
    FactId,
    ProfileId,
    QuestId,
    QuestTaskId,
    RewardItemId,
    RewardTableId,
    TransactionId,
    UserQuestId,
    UserQuestTaskId,
)
from tifo.source.webhooks.incoming import DATA, SIGNATURE_HEADER, is_signed, read_webhook
from tifo.source.webhooks.outgoing import (
    ALL_EVENTS,
    EVENTS,
    FactContext,
    QuestRun,
    checked_events,
    headers_of,
    webhook_of,
)

AT = datetime(2026, 11, 24, 12, 41, 24, 825000, tzinfo=UTC)
WHO: dict[str, Any] = {
    "id": FactId("f-1"),
    "client_id": ClientId("c-1"),
    "profile_id": ProfileId("p-1"),
    "custom_id": "ada",
    "happened_at": AT,
}
QUEST: dict[str, Any] = {"quest_id": QuestId("q-1"), "quest_name": "Matchday Ω", "user_quest_id": UserQuestId("uq-1")}
TASK: dict[str, Any] = {
    **QUEST,
    "quest_task_id": QuestTaskId("qt-1"),
    "quest_task_name": "Drei Fragen täglich",
    "user_quest_task_id": UserQuestTaskId("uqt-1"),
}
PAID: dict[str, Any] = {
    "reward_item_id": RewardItemId("i-1"),
    "reward_item_name": "Punkte 🎯",
    "reward_item_amount": 10,
    "reward_item_balance": 30,
    "reward_item_transaction_id": TransactionId("t-1"),
}
FACTS: list[AnyFact] = [
    BadgeRewarded(
        **WHO,
        badge_id=BadgeId("b-1"),
        badge_title="Стандарт 🏅",
        description="Käm oft",
        earned_badge_id=EarnedBadgeId("eb-1"),
        image_url="https://cdn.example.com/b.png",
        reward_item_id=RewardItemId("i-1"),
        reward_item_name="Punkte",
        reward_item_threshold=30,
    ),
    UserQuestTaskProgressed(
        **WHO, **TASK, quest_task_target_value="3", user_quest_task_progress="2.5", custom_increment="0.5"
    ),
    QuestTaskCompleted(**WHO, **TASK),
    UserQuestCompleted(**WHO, **QUEST),
    QuestRewardAwarded(**WHO, **PAID, quest_id=QuestId("q-1"), quest_name="Matchday Ω"),
    RewardItemRewarded(**WHO, **PAID, reward_action_key="vote", reward_table_id=RewardTableId("rt-1")),
]
AROUND = FactContext(
    nickname="Zoë ⚽",
    quest_run=QuestRun(
        AT.replace(hour=10),
        AT.replace(hour=20),
        {"uqt-1": Decimal("2.5"), "uqt-2": Decimal(1)},
        {"uqt-1": "qt-1", "uqt-2": "qt-2"},
    ),
    reward_action_id="ra-1",
)
WHOM = {"client_id", "profile_id", "nickname"}
TASK_IDS = {"user_quest_task_id", "user_quest_id", "quest_task_id", "quest_id"}
PAYMENT = {
    "reward_transaction_id",
    "reward_item_id",
    "reward_item_amount",
    "reward_item_balance",
    "reward_action_id",
    "reward_action_key",
}
DOCUMENTED: dict[str, set[str]] = {
    "badge-awarded": WHOM - {"nickname"}
    | {
        "badge_id",
        "earned_badge_id",
        "badge_title",
        "description",
        "reward_item_id",
        "reward_item_name",
        "reward_item_threshold",
        "image_url",
        "profile_custom_id",
    },
    "user-quest-task-progressed": WHOM | TASK_IDS | {"custom_increment", "custom_progress"},
    "user-quest-task-completed": WHOM | TASK_IDS | {"created_at", "completed_at", "status", "progress"},
    "user-quest-completed": WHOM
    | {
        "user_quest_id",
        "quest_id",
        "quest_task_ids",
        "user_quest_task_ids",
        "created_at",
        "completed_at",
        "active_until",
        "timer_expired",
        "status",
        "rewards_status",
        "rewards_claimed_at",
    },
    "user-quest-reward-awarded": WHOM | PAYMENT | {"profile_custom_id"},
    "reward-table-rewards-awarded": WHOM - {"nickname"} | PAYMENT | {"reward_table_id", "profile_custom_id"},
}
"""LiveLike's page, event by event."""
OURS = {"profile_custom_id", "nickname", "progress"}
"""What every webhook of ours may hold beyond LiveLike's."""


def test_each_fact_becomes_the_webhook_that_livelike_documents_with_all_its_fields_and_few_more() -> None:
    assert {type(fact) for fact in FACTS} == set(get_args(AnyFact)) == set(EVENTS)
    assert set(ALL_EVENTS) == DOCUMENTED.keys() <= DATA.keys()
    for fact in FACTS:
        made = json.loads(webhook_of(fact, AROUND))
        assert made.keys() == {"id", "event", "data", "created_at"}
        assert (made["id"], made["created_at"]) == ("f-1", "2026-11-24T12:41:24.825Z")
        fields = DOCUMENTED[made["event"]]
        assert fields <= made["data"].keys() <= fields | OURS, made["event"]


def test_the_values_are_the_facts_own() -> None:
    by_event = {made["event"]: made["data"] for made in (json.loads(webhook_of(fact, AROUND)) for fact in FACTS)}
    who = {"client_id": "c-1", "profile_id": "p-1", "profile_custom_id": "ada", "nickname": "Zoë ⚽"}
    task = {"user_quest_task_id": "uqt-1", "user_quest_id": "uq-1", "quest_task_id": "qt-1", "quest_id": "q-1"}
    assert by_event["user-quest-task-progressed"] == {
        **task,
        **who,
        "custom_increment": 0.5,
        "custom_progress": None,
        "progress": 2.5,
    }
    assert by_event["user-quest-task-completed"] == {
        **task,
        **who,
        "created_at": "2026-11-24T10:41:24.825Z",
        "completed_at": "2026-11-24T12:41:24.825Z",
        "status": "completed",
        "progress": 2.5,
    }
    assert by_event["user-quest-completed"] == {
        **who,
        "user_quest_id": "uq-1",
        "quest_id": "q-1",
        "quest_task_ids": ["qt-1", "qt-2"],
        "user_quest_task_ids": ["uqt-1", "uqt-2"],
        "created_at": "2026-11-24T10:41:24.825Z",
        "completed_at": "2026-11-24T12:41:24.825Z",
        "active_until": "2026-11-24T20:41:24.825Z",
        "timer_expired": False,
        "status": "completed",
        "rewards_status": "unclaimed",
        "rewards_claimed_at": None,
    }
    assert by_event["reward-table-rewards-awarded"] == {
        **who,
        "reward_transaction_id": "t-1",
        "reward_item_id": "i-1",
        "reward_item_amount": 10,
        "reward_item_balance": 30,
        "reward_action_id": "ra-1",
        "reward_action_key": "vote",
        "reward_table_id": "rt-1",
    }
    assert by_event["badge-awarded"]["badge_title"] == "Стандарт 🏅"


def test_what_the_state_does_not_hold_any_more_is_null_and_the_fields_stay() -> None:
    for fact in FACTS:
        known, unknown = (json.loads(webhook_of(fact, around))["data"] for around in (AROUND, FactContext()))
        assert known.keys() == unknown.keys()
        assert unknown["nickname"] is None


def test_tifos_own_intake_reads_every_one() -> None:
    for fact in FACTS:
        webhook = read_webhook(webhook_of(fact, AROUND))
        assert (webhook.data.profile_id, webhook.data.profile_custom_id) == ("p-1", "ada")


def test_the_signature_is_over_the_bytes_sent_compact_and_unescaped_as_openssl_computes_it() -> None:
    secret = "käse-geheim"
    for fact in FACTS:
        body = webhook_of(fact, AROUND)
        assert "Zoë ⚽".encode() in body
        assert body == json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()
        sent = headers_of(body, secret)[SIGNATURE_HEADER]
        command = ["openssl", "dgst", "-sha1", "-hmac", secret, "-binary"]
        by_openssl = subprocess.run(command, input=body, stdout=subprocess.PIPE, check=True).stdout
        assert sent == base64.b64encode(by_openssl).decode()
        assert is_signed(body, sent, secret)


def test_events_are_checked_and_none_means_all() -> None:
    assert checked_events([]) == ALL_EVENTS
    assert checked_events(["badge-awarded", "badge-awarded"]) == ("badge-awarded",)
    with pytest.raises(Rejected, match="comment-created") as caught:
        checked_events(["comment-created"])
    assert caught.value.field == "events"
