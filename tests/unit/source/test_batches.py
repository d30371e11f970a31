from datetime import UTC, datetime

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tifo.kernel.ids import FactId
from tifo.source.batches import EncodedFact, Limits, cut, envelope

LIMITS = Limits(event_bytes=1_000, batch_bytes=4_000, batch_events=5)
SENT_AT = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)


def messages(sizes: list[int]) -> list[EncodedFact]:
    return [EncodedFact(FactId(str(number)), b'"' + b"x" * (size - 2) + b'"') for number, size in enumerate(sizes)]


@settings(deadline=None)  # a shared machine may stall
@given(st.lists(st.integers(min_value=2, max_value=1_300), max_size=40))
def test_cutting_keeps_every_message_in_order_and_every_limit(sizes: list[int]) -> None:
    given_messages = messages(sizes)
    batches = list(cut(given_messages, LIMITS))
    assert [message for batch in batches for message in batch] == given_messages
    for batch in batches:
        assert 1 <= len(batch) <= LIMITS.batch_events
        assert len(batch) == 1 or all(len(message.body) <= LIMITS.event_bytes for message in batch)
        assert len(batch) == 1 or len(envelope(batch, "k" * 200, SENT_AT)) <= LIMITS.batch_bytes


def test_a_batch_is_as_full_as_the_limits_allow() -> None:
    assert [len(batch) for batch in cut(messages([100] * 12), LIMITS)] == [5, 5, 2]
    assert [len(batch) for batch in cut(messages([999] * 7), LIMITS)] == [3, 3, 1]


def test_an_envelope_is_one_json_document_with_the_time_of_sending_and_the_write_key() -> None:
    body = envelope(messages([4, 6]), "key", SENT_AT)
    assert msgspec.json.decode(body) == {
        "batch": ["xx", "xxxx"],
        "sentAt": "2026-11-24T10:00:00.000Z",
        "writeKey": "key",
    }
