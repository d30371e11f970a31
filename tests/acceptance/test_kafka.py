"""Kafka as a destination: a real Apache Kafka, which is killed, refuses and wants to know who comes."""

import random
import string
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.commands import command
from tests.kafka_broker import MOST_BYTES, PASSWORD, USER, KafkaBroker, kafka_broker
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import Settings
from tifo.destinations.kinds.kafka import Kafka
from tifo.destinations.ports import Configured, Event, Fate, Outcome, Tools
from tifo.egress.rules import read_allowed
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import Position

USERS, ROUNDS, AT_ONCE = 7, 20, 40
WITHIN_S = 90.0
Call = Callable[..., Any]


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    with kafka_broker() as broker:
        yield broker


def consumed(broker: KafkaBroker, topic: str) -> list[tuple[bytes, dict[str, Any]]]:
    """All that the topic holds: key and value, each partition in its order."""
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "g", "enable.partition.eof": True})
    parts = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, part, 0) for part in parts])
    found, ended = [], 0
    while ended < len(parts):
        message = consumer.poll(10)
        assert message is not None, "the broker is silent"
        if message.error():
            ended += 1
        else:
            found.append((message.key() or b"", msgspec.json.decode(message.value() or b"")))
    consumer.close()
    return found


@pytest.mark.kill
def test_a_broker_that_is_killed_under_load_gets_every_event_and_each_users_in_order(
    tmp_path: Path, call: Call, broker: KafkaBroker
) -> None:
    tifo = LocalTifo(tmp_path / "data", {"TIFO_EGRESS_ALLOW": "127.0.0.0/8"})
    settings = Settings(data=tifo.data)
    key = command(settings, "source", "create", "shop", "--type", "http")["write_key"]
    made = ["--set", f"brokers={broker.address}", "--set", "topic=events", "--set", "timeout_s=3"]

    def send() -> None:
        for round_ in range(ROUNDS):
            batch = [
                {
                    "type": "track",
                    "event": "Seen",
                    "userId": f"u{number % USERS}",
                    "messageId": f"{round_:02}-{number:02}",
                }
                for number in range(AT_ONCE)
            ]
            assert call("POST", f"{tifo.address}/v1/batch", {"batch": batch}, write_key=key).status == 200
            time.sleep(0.2)

    with tifo.up():
        command(settings, "destination", "add", "kafka", "--source", "shop", "--name", "records", *made)
        sending = threading.Thread(target=send)
        sending.start()
        for _ in range(2):
            time.sleep(1.5)
            broker.kill()
            time.sleep(0.5)
            broker.start()
        sending.join()
        deadline = time.monotonic() + WITHIN_S
        while (row := command(settings, "delivery", "overview")["connections"][0])["delivered"] < ROUNDS * AT_ONCE:
            assert time.monotonic() < deadline, row
            time.sleep(0.2)
    assert row["received"] == row["delivered"] == ROUNDS * AT_ONCE
    told: dict[str, list[str]] = defaultdict(list)
    for record_key, message in consumed(broker, "events"):
        assert record_key == message["userId"].encode()
        if message["messageId"] not in told[message["userId"]]:
            told[message["userId"]].append(message["messageId"])
    assert sum(map(len, told.values())) == ROUNDS * AT_ONCE
    assert all(ids == sorted(ids) for ids in told.values())


async def sent(settings: dict[str, Any], *bodies: dict[str, Any]) -> list[Outcome]:
    kind = Kafka()
    events = [
        Event(Position(number), body["messageId"], "track", "Seen", "ada", 0.0, msgspec.json.encode(body))
        for number, body in enumerate(bodies, 1)
    ]
    async with aiohttp.ClientSession() as session:
        tools = Tools(session, read_allowed("127.0.0.0/8"), system_clock, Path())
        checked = kind.check({"topic": "few", "timeout_s": 5, **settings})
        destination = await kind.open(Configured("d", "d", checked), tools)
        try:
            return list(await destination.send(events))
        finally:
            await destination.close()


async def test_a_record_that_the_broker_finds_too_large_fails_alone(broker: KafkaBroker) -> None:
    noise = "".join(random.Random(1).choices(string.printable, k=2 * MOST_BYTES))  # it does not shrink below
    bodies = [{"messageId": "m1"}, {"messageId": "m2", "noise": noise}, {"messageId": "m3"}]
    outcomes = await sent({"brokers": broker.address}, *bodies)
    assert [each.code for each in outcomes] == ["", "MSG_SIZE_TOO_LARGE", ""]
    assert outcomes[1].fate is Fate.FAILED
    assert {message["messageId"] for _, message in consumed(broker, "few")} == {"m1", "m3"}


async def test_who_comes_without_the_right_password_waits(broker: KafkaBroker) -> None:
    told = {"brokers": broker.closed_address, "username": USER, "topic": "closed"}
    (wrong,) = await sent({**told, "password": "guess"}, {"messageId": "m1"})
    assert wrong.fate is Fate.RETRY
    (right,) = await sent({**told, "password": PASSWORD}, {"messageId": "m1"})
    assert right.fate is Fate.DELIVERED
    assert [message["messageId"] for _, message in consumed(broker, "closed")] == ["m1"]
