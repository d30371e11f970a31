"""The Tracking API is described by hand: what the document allows is accepted, and what it forbids is refused."""

from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from tifo.api.described.tracking import CALLS, SHORT, tracking_part
from tifo.api.tracking import _CALLS, BEACON
from tifo.tracking.requests import read_messages, read_request

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
PART = tracking_part()


def _refusals(call: str, body: Any) -> list[str]:
    read = read_messages(read_request(call, msgspec.json.encode(body)), NOW, lambda: "made")
    return [each.code for each in read.refused]


def _allows(call: str, body: Any) -> bool:
    schema = PART.paths[f"/v1/{call}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    whole = {**schema, "components": {"schemas": PART.schemas}}
    return bool(jsonschema_rs.validator_for(whole).is_valid(body))


@pytest.mark.parametrize("call", CALLS)
def test_a_call_needs_what_the_document_says_that_it_needs(call: str) -> None:
    example = dict(CALLS[call].example)
    assert (_allows(call, example), _refusals(call, example)) == (True, [])
    who = [name for name in ("userId", "anonymousId") if name in example]
    for name in {*CALLS[call].required, *who}:
        without = {key: value for key, value in example.items() if key != name}
        assert not _allows(call, without)
        assert _refusals(call, without), f"{call} without {name}"
        assert not _allows(call, {**example, name: ""})
        assert _refusals(call, {**example, name: ""}), f"{call} with an empty {name}"


def test_a_batch_holds_calls_of_every_type() -> None:
    example = PART.paths["/v1/batch"]["post"]["requestBody"]["content"]["application/json"]["examples"]["batch"][
        "value"
    ]
    for call in ("batch", "import"):
        assert _allows(call, example)
    assert _refusals("batch", example) == []
    for wrong in ({"type": "track", "userId": "ada"}, {"userId": "ada", "event": "Seen"}, {"type": "seen"}):
        assert not _allows("batch", {"batch": [wrong]})
        assert _refusals("batch", {"batch": [wrong]})
    assert not _allows("batch", {"batch": []})


def test_the_described_calls_are_those_that_are_answered() -> None:
    described = {path: path.rpartition("/")[2] for path in PART.paths if path.count("/") == 2}
    assert {**described, "/v1/import": "batch", f"{BEACON}batch": "batch", **SHORT} == _CALLS
