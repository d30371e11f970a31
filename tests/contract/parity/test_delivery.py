import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.contract.parity.conftest import Both, Refusal
from tifo.app import compose
from tifo.delivery.ports import Checkpoint, Counted, Result, Sample
from tifo.eventlog.ports import Append
from tifo.kernel.ids import START, MessageId, Position
from tifo.operations import destinations
from tifo.tracking.envelope import Message, Refused
from tifo.workspace.destinations import ConnectedDestination

METRICS = "/destinations/crm/delivery-metrics"


@pytest.fixture(autouse=True)
def crm(both: Both) -> ConnectedDestination:
    """Of seven events three are delivered, one is filtered and two failed, of which one expired; the seventh is behind
    the cursor.
    """
    both.cli("source", "create", "shop", "--type", "http")
    both.cli("destination", "add", "webhook", "--source", "shop", "--name", "crm", "--set", "url=https://example.com")
    made = destinations.find(both.backend, "crm")
    now = datetime.now(UTC)
    log = compose.open_log(both.settings)
    body = b'{"type":"track","event":"Seen","messageId":"m","userId":"ada"}'
    log.append([Append(made.source_id, now, [Message(MessageId(f"m{number}"), body) for number in range(7)])])
    log.close()

    def counted(result: Result, code: str = "") -> Counted:
        return Counted(minute=int(now.timestamp() // 60), type="track", name="Seen", result=result, code=code)

    counts = {
        counted(Result.DELIVERED): 3,
        counted(Result.FILTERED, "FILTERED_BY_RULES"): 1,
        counted(Result.FAILED, "400"): 2,
    }
    samples = [
        Sample(result=result, code=code, message_id="m1", at=now, detail="as told", received=body, exchange=None)
        for result, code in ((Result.FILTERED, "FILTERED_BY_RULES"), (Result.FAILED, "400"))
    ]
    outcome = Checkpoint(made.id, position=Position(6), received=6, counts=counts, expired=2, samples=samples)
    both.backend.deliveries.begin(made.id, START)
    assert both.backend.deliveries.settle([outcome]) == [True]
    return made


def _totals(printed: Any) -> Mapping[str, int]:
    (row,) = [each for each in printed["connections"] if each["name"] == "crm"]
    assert row["received"] == 7
    return {
        "successes": row["delivered"],
        "filtered": row["filtered_at_destination"],
        "discarded": row["failed"],
        "awaiting-retry": row["waiting"],
    }


def test_the_parts_of_received_are_the_same_and_add_up(both: Both) -> None:
    totals = _totals(both.cli("delivery", "overview"))
    metrics = both.api("GET", METRICS)["deliveryMetricsSummary"]["metrics"]
    assert {each["metricName"]: each["total"] for each in metrics} == totals
    assert totals == {"successes": 3, "filtered": 1, "discarded": 2, "awaiting-retry": 1}
    assert sum(totals.values()) == 7


def test_reasons_are_the_same(both: Both) -> None:
    printed = both.cli("delivery", "errors")
    metrics = both.api("GET", METRICS)["deliveryMetricsSummary"]["metrics"]
    answered = {each["metricName"]: each["value"] for metric in metrics for each in metric["breakdown"]}
    assert answered == {"discarded.400": 2, "filtered.FILTERED_BY_RULES": 1}
    assert {each["code"]: each["count"] for each in printed} == {"400": 2, "FILTERED_BY_RULES": 1}


def _asked(step: str, **more: str) -> tuple[str, str, None, str]:
    """The API's question, and its query."""
    now = datetime.now(UTC)
    times = {"startTime": now - timedelta(hours=1), "endTime": now + timedelta(minutes=5)}
    given = {"granularity": "MINUTE", "destinationConfigId": "crm", "sourceId": "shop", **more}
    query = urlencode({**given, **{name: time.isoformat() for name, time in times.items()}})
    return "GET", f"/delivery-overview/{step}", None, query


def _ask(both: Both, step: str, **more: str) -> Any:
    method, path, body, query = _asked(step, **more)
    return both.api(method, path, body, query=query)


@pytest.mark.parametrize("by", ["eventName", "eventType", "discardReason"])
def test_numbers_over_time_are_the_same(both: Both, by: str) -> None:
    steps = {
        "delivered": "successful-delivery",
        "failed": "failed-delivery",
        "filtered": "filtered-at-destination",
    }
    printed = both.cli("delivery", "overview", "--by", by, "--since", "1h")["breakdown"]
    for result, step in steps.items():
        answered = {each[by]: each["total"] for each in _ask(both, step, groupBy=by)["dataset"]}
        assert {row[by]: row[result] for row in printed if row[result]} == answered
        assert answered


def test_what_a_source_refused_is_the_same(both: Both, crm: ConnectedDestination) -> None:
    now = datetime.now(UTC)
    with contextlib.closing(compose.open_log(both.settings)) as log:
        # What was counted before the first look has no known time.
        both.backend.ingest_numbers.note(log.shard, [], now)
        refused = [Refused(code, "as told", b"{}") for code in ("no_user_anon_id", "unplanned", "unplanned")]
        log.append([Append(crm.source_id, now, [], refused)])
        both.backend.ingest_numbers.note(log.shard, log.ingest_counts(), now)
    (row,) = [each for each in both.cli("delivery", "overview")["connections"] if each["name"] == "crm"]
    for column, step, total in (
        ("received", "successfully-received", 7),
        ("failed_on_ingest", "failed-on-ingest", 1),
        ("filtered_at_source", "filtered-at-source", 2),
    ):
        assert row[column] == sum(each["total"] for each in _ask(both, step)["dataset"]) == total


def test_both_refuse_alike(both: Both) -> None:
    printed = both.cli("delivery", "overview", "--by", "mood")
    answered = _ask(both, "failed-delivery", groupBy="mood")
    assert isinstance(printed, Refusal)
    assert printed.message.partition(". ")[2] == answered.message.partition(". ")[2] != ""
    gone = both.cli("delivery", "replay", "--destination", "erp")
    assert gone == both.api("GET", "/destinations/erp/delivery-metrics")
    assert gone == _ask(both, "failed-delivery", destinationConfigId="erp")
