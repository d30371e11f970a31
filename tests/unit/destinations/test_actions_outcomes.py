"""What the library's worker answers, read as outcomes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tifo.destinations.actions.outcomes import joined, outcomes_of
from tifo.destinations.ports import DELIVERED, EXCHANGE_CHARACTERS, NO_MATCHING_MAPPING, Fate, Outcome

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
RETRIED, REFUSED = Outcome(Fate.RETRY, "503"), Outcome(Fate.FAILED, "400")


def masked(text: str) -> str:
    return text.replace("hush", "••••")


def read(*results: dict[str, Any], exchanges: list[dict[str, Any]] | None = None) -> list[Outcome]:
    answer = {"results": list(results), "exchanges": exchanges or []}
    return outcomes_of(answer, len(results), NOW, masked)


@pytest.mark.parametrize(
    ("result", "fate", "code"),
    [
        ({"ok": True}, Fate.DELIVERED, ""),
        ({"status": 400, "message": "no"}, Fate.FAILED, "400"),
        ({"status": 408}, Fate.RETRY, "408"),
        ({"status": 429}, Fate.RETRY, "429"),
        ({"status": 503}, Fate.RETRY, "503"),
        ({"status": 400, "code": "PAYLOAD_VALIDATION_FAILED"}, Fate.FAILED, "MESSAGE_REJECTED"),
        ({"message": "a bug of the action"}, Fate.FAILED, "MESSAGE_REJECTED"),
        ({"name": "FetchError", "code": "ENOTFOUND"}, Fate.RETRY, "ENOTFOUND"),
        ({"name": "FetchError"}, Fate.RETRY, "ECONNRESET"),
    ],
)
def test_a_result_is_an_outcome_under_segments_code(result: dict[str, Any], fate: Fate, code: str) -> None:
    (outcome,) = read(result)
    assert (outcome.fate, outcome.code) == (fate, code)


def test_a_vendor_that_asks_for_a_pause_gets_it() -> None:
    (outcome,) = read({"status": 429, "retry_after": "17"})
    assert outcome.retry_after_s == 17.0


def test_each_event_shows_its_own_request_and_events_of_one_request_all_show_it() -> None:
    one, other = ({"method": "POST", "url": f"https://vendor/{n}"} for n in (1, 2))
    shown = [
        each.exchange.request for each in read({"ok": True}, {"ok": True}, exchanges=[one, other]) if each.exchange
    ]
    assert [request.split()[1] for request in shown] == ["https://vendor/1", "https://vendor/2"]
    shown = [each.exchange.request for each in read({"ok": True}, {"ok": True}, exchanges=[other]) if each.exchange]
    assert [request.split()[1] for request in shown] == ["https://vendor/2"] * 2


def test_secrets_are_masked_wherever_they_stand_also_where_the_text_is_cut() -> None:
    body = "x" * (EXCHANGE_CHARACTERS - 40) + "hush" * 20
    sent = {"method": "POST", "url": "https://vendor/?key=hush", "headers": {"X-Key": "hush"}, "body": body}
    (outcome,) = read({"status": 400, "message": "hush is wrong"}, exchanges=[sent | {"response": "hush"}])
    assert outcome.exchange is not None
    assert "hu" not in outcome.detail + outcome.exchange.request + outcome.exchange.response
    assert len(outcome.exchange.request) == EXCHANGE_CHARACTERS


def test_an_event_that_no_mapping_matches_is_filtered() -> None:
    assert joined([]) == NO_MATCHING_MAPPING


def test_only_mappings_that_did_not_deliver_are_left_for_the_next_attempt() -> None:
    outcome = joined([("a", DELIVERED), ("b", REFUSED), ("c", RETRIED)])
    assert (outcome.fate, outcome.code) == (Fate.RETRY, "503"), "what may pass decides"
    assert outcome.left == b'["b", "c"]'
    assert joined([("a", DELIVERED), ("b", DELIVERED)]) == DELIVERED
