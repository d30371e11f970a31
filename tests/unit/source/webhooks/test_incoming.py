import base64
import hashlib
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from tifo.kernel.errors import Rejected
from tifo.kernel.ids import QuestId
from tifo.source import events
from tifo.source.events import track_message
from tifo.source.webhooks.incoming import (
    DATA,
    FoundQuest,
    FoundTask,
    LookedUp,
    SignedForm,
    fact_of,
    is_signed,
    read_head,
    read_webhook,
    signature,
)

Hook = Callable[..., dict[str, Any]]
SPEC = yaml.safe_load(Path(events.__file__).with_name("events.yaml").read_text())["events"]
QUEST = FoundQuest(QuestId("q-1"), "Matchday Ω", {"qt-1": FoundTask("Drei Fragen", Decimal(3))})
FOUND = LookedUp(custom_id="ada", quest=QUEST, progress=Decimal("2.5"), reward_item_name="Punkte 🎯")
NAMES = {
    "badge-awarded": "Badge Rewarded",
    "user-quest-task-progressed": "User Quest Task Progressed",
    "user-quest-task-completed": "Quest Task Completed",
    "user-quest-completed": "User Quest Completed",
    "user-quest-reward-awarded": "Quest Reward Awarded",
    "user-reward-awarded": "Quest Reward Awarded",
    "reward-table-rewards-awarded": "Reward Item Rewarded",
}
TYPES: dict[str, Any] = {"string": str, "number": int | float}


def sent(hook: dict[str, Any]) -> bytes:
    return json.dumps(hook, separators=(",", ":")).encode()


def message(hook: dict[str, Any], found: LookedUp = FOUND) -> dict[str, Any]:
    made: dict[str, Any] = track_message(fact_of(read_webhook(sent(hook)), found))
    return made


def by_hand(secret: bytes, body: bytes) -> str:
    """HMAC-SHA1 as RFC 2104 has it, without the library that the code under test uses."""
    key = secret.ljust(64, b"\0")
    inner = hashlib.new("sha1", bytes(byte ^ 0x36 for byte in key) + body).digest()  # noqa: S324 (LiveLike's choice)
    outer = hashlib.new("sha1", bytes(byte ^ 0x5C for byte in key) + inner).digest()  # noqa: S324 (likewise)
    return base64.b64encode(outer).decode()


def test_every_recorded_webhook_becomes_its_event_with_every_property_of_the_spec(
    recorded: list[dict[str, Any]],
) -> None:
    assert {each["event"] for each in recorded} == DATA.keys() == NAMES.keys()
    for each in recorded:
        made = message(each)
        assert made["event"] == NAMES[each["event"]]
        assert made["messageId"] == each["id"]
        rules = SPEC[made["event"]]["properties"]
        assert made["properties"].keys() == rules.keys(), each["event"]
        for name, value in made["properties"].items():
            assert isinstance(value, TYPES[rules[name]["type"]]), name


def test_the_values_are_livelikes_own_to_the_letter(hook: Hook) -> None:
    assert message(hook("badge-awarded")) == {
        "type": "track",
        "messageId": "wh-1",
        "timestamp": "2026-11-24T12:41:24.825Z",
        "userId": "ada",
        "event": "Badge Rewarded",
        "properties": {
            "livelike_profile_id": "p-1",
            "badge_id": "b-1",
            "badge_title": "Стандарт 🏅",
            "description": "Käm oft",
            "earned_badge_id": "eb-1",
            "image_url": "https://cdn.example.com/b.png",
            "reward_item_id": "i-1",
            "reward_item_name": "Punkte für Fans",
            "reward_item_threshold": 30,
        },
    }
    progressed = message(hook("user-quest-task-progressed"))["properties"]
    assert progressed == {
        "livelike_profile_id": "p-1",
        "quest_id": "q-1",
        "quest_name": "Matchday Ω",
        "quest_task_id": "qt-1",
        "quest_task_name": "Drei Fragen",
        "quest_task_target_value": 3,
        "user_quest_id": "uq-1",
        "user_quest_task_id": "uqt-1",
        "user_quest_task_progress": 2.5,
    }
    assert message(hook("user-reward-awarded"))["properties"] == {
        "livelike_profile_id": "p-1",
        "quest_id": "q-1",
        "quest_name": "Matchday Ω",
        "reward_item_name": "Punkte 🎯",
        "reward_item_amount": 10,
        "reward_item_balance": 30,
        "reward_item_id": "i-1",
        "reward_item_transaction_id": "t-1",
    }


def test_a_profile_that_has_no_custom_id_is_anonymous_and_one_that_is_looked_up_counts_only_where_not_told(
    hook: Hook,
) -> None:
    told_none = message(hook("reward-table-rewards-awarded", profile_custom_id=None))
    assert told_none["anonymousId"] == "p-1"
    assert "userId" not in told_none
    assert message(hook("user-quest-completed"))["userId"] == "ada"
    assert message(hook("user-quest-completed"), FOUND._replace(custom_id=None))["anonymousId"] == "p-1"


def test_what_is_unknown_is_left_out_and_never_sent_empty(hook: Hook) -> None:
    bare = hook(
        "badge-awarded",
        description="",
        image_url=None,
        reward_item_id=None,
        reward_item_name=None,
        reward_item_threshold=None,
    )
    assert message(bare, LookedUp())["properties"].keys() == {
        "livelike_profile_id",
        "badge_id",
        "badge_title",
        "earned_badge_id",
    }
    paid = message(hook("user-reward-awarded"), FOUND._replace(quest=None))["properties"]
    assert not {"quest_id", "quest_name"} & paid.keys()


@pytest.mark.parametrize(
    ("event", "found", "what"),
    [
        ("user-quest-completed", LookedUp(), "quest q-1"),
        ("user-quest-task-completed", LookedUp(quest=QUEST._replace(tasks={})), "task qt-1"),
        ("user-quest-task-progressed", LookedUp(quest=QUEST), "progress of user quest task uqt-1"),
        ("reward-table-rewards-awarded", LookedUp(), "item i-1"),
    ],
)
def test_an_event_is_never_made_without_what_it_always_holds(
    hook: Hook, event: str, found: LookedUp, what: str
) -> None:
    with pytest.raises(Rejected, match=what):
        message(hook(event), found)


@pytest.mark.parametrize("event", sorted(DATA))
def test_a_webhook_that_lacks_a_documented_field_is_refused_by_name(hook: Hook, event: str) -> None:
    bad = hook(event)
    del bad["data"]["profile_id"]
    with pytest.raises(Rejected, match="profile_id"):
        read_webhook(sent(bad))


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"id": 1, "event": "x"}', b'{"id": "", "event": "x"}', b"\xff"])
def test_what_is_no_webhook_is_refused(body: bytes) -> None:
    with pytest.raises(Rejected):
        read_head(body)


def test_a_signature_is_over_the_exact_bytes() -> None:
    body = '{"id":"1","name":"Zoë ☕"}'.encode()
    good = by_hand(b"secret", body)
    assert signature("secret", body) == good
    assert is_signed(body, good, "secret")
    assert not is_signed(body + b" ", good, "secret")
    assert not is_signed(body, good, "Secret")
    assert not is_signed(body, good[:-2], "secret")
    assert not is_signed(body, "ë", "secret")


def test_a_source_may_take_signatures_over_the_compact_form_in_either_of_livelikes_recipes() -> None:
    body = '{"id": "1", "name": "Zoë ☕", "n": 1.5}'.encode()
    python = json.dumps(json.loads(body), separators=(",", ":")).encode()
    javascript = '{"id":"1","name":"Zoë ☕","n":1.5}'.encode()
    for compact in (python, javascript):
        assert not is_signed(body, by_hand(b"secret", compact), "secret")
        assert is_signed(body, by_hand(b"secret", compact), "secret", SignedForm.COMPACT)
    other = by_hand(b"secret", javascript.replace(b"1.5", b"2.5"))
    assert not is_signed(body, other, "secret", SignedForm.COMPACT)
    assert not is_signed(b"no json", by_hand(b"secret", b"no json"), "secret", SignedForm.COMPACT)
