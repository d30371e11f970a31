from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tifo.engagement.facts import (
    AnyFact,
    BadgeRewarded,
    QuestRewardAwarded,
    QuestTaskCompleted,
    RewardItemRewarded,
    UserQuestCompleted,
    UserQuestTaskProgressed,
)
from tifo.kernel.ids import (
    BadgeId,
    ClientId,
    EarnedBadgeId,
    FactId,
    ProfileId,
    QuestId,
    QuestTaskId,
    RewardItemId,
    TransactionId,
    UserQuestId,
    UserQuestTaskId,
)
from tifo.source import events
from tifo.source.events import EVENTS, track_message

SPEC = Path(events.__file__).with_name("events.yaml")
MOMENT = datetime(2026, 11, 24, 10, 0, 0, 123456, tzinfo=UTC)
WHO: dict[str, Any] = {
    "id": FactId("fact-1"),
    "client_id": ClientId("client-1"),
    "profile_id": ProfileId("profile-1"),
    "custom_id": "ada",
    "happened_at": MOMENT,
}
QUEST: dict[str, Any] = {"quest_id": QuestId("quest-1"), "quest_name": "Derby"}
TASK: dict[str, Any] = {
    **QUEST,
    "quest_task_id": QuestTaskId("task-1"),
    "quest_task_name": "Vote",
    "user_quest_id": UserQuestId("user-quest-1"),
    "user_quest_task_id": UserQuestTaskId("user-task-1"),
}
PAID: dict[str, Any] = {
    "reward_item_id": RewardItemId("item-1"),
    "reward_item_name": "Points",
    "reward_item_amount": 10,
    "reward_item_balance": 30,
    "reward_item_transaction_id": TransactionId("transaction-1"),
}
BADGE = BadgeRewarded(
    **WHO,
    badge_id=BadgeId("badge-1"),
    badge_title="Regular",
    description="Came often",
    earned_badge_id=EarnedBadgeId("earned-1"),
    image_url="https://example.com/badge.png",
    reward_item_id=RewardItemId("item-1"),
    reward_item_name="Points",
    reward_item_threshold=30,
)
PROGRESS = UserQuestTaskProgressed(**WHO, **TASK, quest_task_target_value="3", user_quest_task_progress="1.5")
FACTS: tuple[AnyFact, ...] = (
    BADGE,
    QuestTaskCompleted(**WHO, **TASK),
    QuestRewardAwarded(**WHO, **QUEST, **PAID),
    RewardItemRewarded(**WHO, **PAID),
    PROGRESS,
    UserQuestCompleted(**WHO, **QUEST, user_quest_id=UserQuestId("user-quest-1")),
)


def spec() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(SPEC.read_text())
    return loaded


def properties(fact: AnyFact) -> dict[str, Any]:
    found = track_message(fact)["properties"]
    assert isinstance(found, dict)
    return dict(found)


def test_the_table_in_code_is_the_table_of_the_spec() -> None:
    in_code = {
        event.name: {property_.name: (property_.type, property_.when) for property_ in event.properties}
        for event in EVENTS.values()
    }
    in_spec = {
        name: {key: (rule["type"], rule["when"]) for key, rule in event["properties"].items()}
        for name, event in spec()["events"].items()
    }
    assert in_code == in_spec


def test_no_event_names_a_property_twice() -> None:
    for event in EVENTS.values():
        assert len({property_.name for property_ in event.properties}) == len(event.properties)


def test_the_spec_in_the_package_is_the_shared_one_byte_for_byte() -> None:
    shared = [parent / "shared/spec/events.yaml" for parent in Path(__file__).resolve().parents]
    found = [path for path in shared if path.exists()]
    if not found:
        pytest.skip("no shared folder beside this checkout")
    assert SPEC.read_bytes() == found[0].read_bytes()


def test_there_is_an_event_for_every_kind_of_fact() -> None:
    assert set(EVENTS) == {type(fact) for fact in FACTS} == set(AnyFact.__args__)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
def test_a_fact_that_knows_all_gives_every_property_of_its_event_in_its_type(fact: AnyFact) -> None:
    message = track_message(fact)
    rules = spec()["events"][message["event"]]["properties"]
    found = properties(fact)
    assert found.keys() == rules.keys()
    for name, value in found.items():
        expected = str if rules[name]["type"] == "string" else (int, float)
        assert isinstance(value, expected), name


def test_a_message_holds_what_happened_to_whom_and_when() -> None:
    assert track_message(FACTS[3]) == {
        "type": "track",
        "messageId": "fact-1",
        "timestamp": "2026-11-24T10:00:00.123Z",
        "userId": "ada",
        "event": "Reward Item Rewarded",
        "properties": {
            "livelike_profile_id": "profile-1",
            "reward_item_name": "Points",
            "reward_item_amount": 10,
            "reward_item_balance": 30,
            "reward_item_id": "item-1",
            "reward_item_transaction_id": "transaction-1",
        },
    }


def test_a_fan_without_a_custom_id_is_anonymous_under_the_profile_id() -> None:
    message = track_message(msgspec.structs.replace(BADGE, custom_id=None))
    assert message["anonymousId"] == "profile-1"
    assert "userId" not in message


def test_a_fan_with_a_custom_id_has_no_anonymous_id() -> None:
    assert "anonymousId" not in track_message(BADGE)


def test_what_is_not_known_is_left_out_and_never_sent_as_an_empty_value() -> None:
    bare = msgspec.structs.replace(
        BADGE,
        description=None,
        image_url="",
        reward_item_id=None,
        reward_item_name=None,
        reward_item_threshold=None,
    )
    assert properties(bare).keys() == {"livelike_profile_id", "badge_id", "badge_title", "earned_badge_id"}


def test_a_whole_decimal_is_a_whole_number_and_another_one_a_fraction() -> None:
    found = properties(msgspec.structs.replace(PROGRESS, quest_task_target_value="3.00"))
    assert (found["quest_task_target_value"], type(found["quest_task_target_value"])) == (3, int)
    assert found["user_quest_task_progress"] == 1.5


def test_a_progress_of_nothing_is_still_sent() -> None:
    assert properties(msgspec.structs.replace(PROGRESS, user_quest_task_progress="0"))["user_quest_task_progress"] == 0


def test_the_timestamp_is_in_utc_wherever_the_clock_stood() -> None:
    in_rome = MOMENT.astimezone(timezone(timedelta(hours=1)))
    assert track_message(msgspec.structs.replace(BADGE, happened_at=in_rome))["timestamp"] == "2026-11-24T10:00:00.123Z"
