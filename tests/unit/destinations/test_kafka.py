"""Kafka, against the broker that librdkafka brings for tests: no Java is needed. See also acceptance/test_kafka.py."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from confluent_kafka import Consumer, Producer

from tifo.destinations.kinds.kafka import Kafka
from tifo.destinations.ports import Configured, Event, Fate, Outcome, Tools
from tifo.egress.rules import read_allowed
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import Position


@pytest.fixture
def broker() -> Iterator[str]:
    """As long as this producer lives, its broker does."""
    host = Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1, "log_level": 0})
    (found,) = host.list_topics(timeout=10).brokers.values()
    yield f"{found.host}:{found.port}"
    del host


def events(count: int, size: int = 0) -> list[Event]:
    bodies = [{"messageId": f"m{number}", "pad": "x" * size} for number in range(count)]
    return [
        Event(Position(number + 1), f"m{number}", "track", "Seen", f"u{number % 3}", 0.0, json.dumps(body).encode())
        for number, body in enumerate(bodies)
    ]


async def sent(settings: dict[str, Any], what: list[Event], allow: str = "127.0.0.0/8") -> list[Outcome]:
    kind = Kafka()
    async with aiohttp.ClientSession() as session:
        tools = Tools(session, read_allowed(allow), system_clock, Path())
        destination = await kind.open(Configured("d", "d", kind.check({"topic": "events", **settings})), tools)
        try:
            return list(await destination.send(what))
        finally:
            await destination.close()


def consumed(broker: str, count: int) -> list[Any]:
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "g", "auto.offset.reset": "earliest", "log_level": 0})
    consumer.subscribe(["events"])
    found: list[Any] = []
    for _ in range(100):
        found += [message for message in consumer.consume(count, timeout=0.5) if not message.error()]
        if len(found) >= count:
            break
    consumer.close()
    return found


async def test_records_have_the_event_the_user_and_the_message_id(broker: str) -> None:
    what = events(300)
    outcomes = await sent({"brokers": broker}, what)
    assert {each.fate for each in outcomes} == {Fate.DELIVERED}
    assert outcomes[0].exchange
    assert "offset" in outcomes[0].exchange.response
    found = consumed(broker, 300)
    assert sorted(message.value() for message in found) == sorted(event.body for event in what)
    assert {message.key() for message in found} == {b"u0", b"u1", b"u2"}
    assert dict(found[0].headers())["messageId"] == json.loads(found[0].value())["messageId"].encode()
    by_user = [json.loads(message.value())["messageId"] for message in found if message.key() == b"u1"]
    assert by_user == [event.message_id for event in what if event.user == "u1"]


async def test_a_record_that_is_too_large_fails_and_its_neighbours_do_not(broker: str) -> None:
    what = [*events(2), *events(1, size=2_000_000), *events(2)]
    outcomes = await sent({"brokers": broker}, what)
    assert [each.code for each in outcomes] == ["", "", "MSG_SIZE_TOO_LARGE", "", ""]
    assert outcomes[2].fate is Fate.FAILED


async def test_brokers_that_are_away_or_not_public_are_tried_again(broker: str) -> None:
    (away,) = await sent({"brokers": "127.0.0.1:1", "timeout_s": 1}, events(1))
    assert away.fate is Fate.RETRY
    assert away.code in {"ECONNREFUSED", "ETIMEDOUT"}
    (guarded,) = await sent({"brokers": broker}, events(1), allow="")
    assert (guarded.fate, guarded.code) == (Fate.RETRY, "EACCES")
    (unknown,) = await sent({"brokers": "no-such-host.invalid:9092"}, events(1))
    assert (unknown.fate, unknown.code) == (Fate.RETRY, "ENOTFOUND")


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, "brokers"),
        ({"brokers": "host"}, "brokers"),
        ({"brokers": "host:9092", "username": "u"}, "password"),
        ({"brokers": "host:9092", "timeout_s": 100}, "timeout_s"),
        ({"brokers": "host:9092", "mechanism": "KERBEROS"}, "mechanism"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(Rejected) as refused:
        Kafka().check({"topic": "t", **settings})
    assert refused.value.field == field
