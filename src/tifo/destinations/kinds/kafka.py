"""Writes each event as a record of a Kafka topic, with the user as its key."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tifo.destinations.kinds.base import OwnKind
from tifo.destinations.ports import (
    DELIVERED,
    Batching,
    Configured,
    Event,
    Exchange,
    Fate,
    Outcome,
    Setting,
    Settings,
    SettingType,
    Tools,
)
from tifo.destinations.settings import checked
from tifo.egress.rules import Egress, parse_address
from tifo.kernel.errors import Rejected

JUDGED_EVERY_S = 60.0
"""Pause between two checks of the brokers' addresses."""
_BATCHING = Batching(max_events=1_000, max_bytes=4 << 20, apart=True)
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_CODES = {
    KafkaError._MSG_TIMED_OUT: "ETIMEDOUT",  # noqa: SLF001 (librdkafka's own codes are named so)
    KafkaError._TIMED_OUT: "ETIMEDOUT",  # noqa: SLF001
    KafkaError._TRANSPORT: "ECONNREFUSED",  # noqa: SLF001
    KafkaError._ALL_BROKERS_DOWN: "ECONNREFUSED",  # noqa: SLF001
    KafkaError._RESOLVE: "ENOTFOUND",  # noqa: SLF001
    KafkaError._SSL: "EPROTO",  # noqa: SLF001
}
_TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE).name()
_FINAL = frozenset((KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG, KafkaError.INVALID_MSG_SIZE))


class Kafka(OwnKind):
    """Describes the kind `kafka`, and opens its destinations."""

    id = "kafka"
    name = "Kafka"
    description = "Writes to a topic of Apache Kafka, or of a system with its protocol."
    settings = (
        Setting("brokers", SettingType.LIST, "Brokers", "host:port, separated by commas.", required=True),
        Setting("topic", SettingType.TEXT, "Topic", "The topic that records are written to.", required=True),
        Setting("tls", SettingType.BOOLEAN, "TLS", "Whether the brokers require TLS.", default=False),
        Setting("username", SettingType.TEXT, "User", "The user name for SASL."),
        Setting("password", SettingType.SECRET, "Password", "The password for SASL."),
        Setting(
            "mechanism", SettingType.CHOICE, "Mechanism", "The mechanism of SASL.", default="PLAIN", choices=_MECHANISMS
        ),
        Setting(
            "timeout_s", SettingType.NUMBER, "Timeout", "Seconds to wait until the brokers have a record.", default=10.0
        ),
    )

    def check(self, settings: Settings) -> dict[str, Any]:
        value = checked(self.settings, settings)
        for broker in value["brokers"]:
            host, _, port = broker.rpartition(":")
            if not host or not port.isdecimal():
                raise Rejected(f"brokers has {broker!r:.100}. Give each as host:port.", field="brokers")
        if bool(value["username"]) is not bool(value["password"]):
            raise Rejected("Only one of username and password is set. Give both or none.", field="password")
        if not 1 <= value["timeout_s"] <= 60:  # noqa: PLR2004 (as the message says)
            raise Rejected(f"timeout_s is {value['timeout_s']}. Give 1 to 60.", field="timeout_s")
        return value

    async def open(self, configured: Configured, tools: Tools) -> "_Kafka":
        return _Kafka(configured.settings, tools.egress)


def _config(settings: Settings) -> dict[str, Any]:
    config: dict[str, Any] = {
        "bootstrap.servers": ",".join(settings["brokers"]),
        "client.id": "tifo",
        "acks": "all",
        "enable.idempotence": True,  # else the client's own retries may swap or double records
        "compression.type": "zstd",
        "linger.ms": 5,
        "message.timeout.ms": int(settings["timeout_s"] * 1000),
        "queue.buffering.max.messages": 20_000,
        "log_level": 0,  # librdkafka writes to stderr past Tifo's log; failures come with each record
    }
    protocol = "SSL" if settings["tls"] else "PLAINTEXT"
    if settings["username"]:
        protocol = f"SASL_{protocol}"
        config |= {
            "sasl.mechanisms": settings["mechanism"],
            "sasl.username": settings["username"],
            "sasl.password": settings["password"],
        }
    return {**config, "security.protocol": protocol}


class _Kafka:
    """Writes to one topic."""

    batching = _BATCHING
    ordered = True

    def __init__(self, settings: Settings, egress: Egress) -> None:
        self._settings = settings
        self._egress = egress
        self._producer: Producer | None = None
        self._judged_at = float("-inf")

    async def send(self, events: Sequence[Event]) -> Sequence[Outcome]:
        try:
            refusal = await asyncio.to_thread(self._judge)
            if refusal is not None:
                return [refusal] * len(events)
            return await asyncio.to_thread(self._produce, events)
        except KafkaException as error:
            return [_outcome(error.args[0])] * len(events)

    async def close(self) -> None:
        self._dismiss()

    def _dismiss(self) -> None:
        """Closes the client."""
        # In a thread that nothing waits for: with dead brokers closing takes as long as they let it.
        if self._producer is not None:
            threading.Thread(target=self._producer.close, daemon=True).start()
            self._producer = None

    def _judge(self) -> Outcome | None:
        """Returns the outcome of all events where a broker's address is not allowed; None where all are."""
        # librdkafka opens its own connections, which the egress guard does not see. So the addresses are resolved and
        # judged here: the configured ones, and those that the cluster reports, which the client connects to by itself.
        if time.monotonic() - self._judged_at < JUDGED_EVERY_S:
            return None
        configured = [broker.rpartition(":")[0].strip("[]") for broker in self._settings["brokers"]]
        refusal = _refusal(self._egress, configured)
        if refusal is not None:
            return refusal
        if self._producer is None:
            self._producer = Producer(_config(self._settings))
        metadata = self._producer.list_topics(self._settings["topic"], timeout=self._settings["timeout_s"])
        refusal = _refusal(self._egress, [broker.host for broker in metadata.brokers.values()])
        if refusal is not None:
            self._dismiss()  # the client would keep its connections to these brokers
            return refusal
        self._judged_at = time.monotonic()
        return None

    def _produce(self, events: Sequence[Event]) -> list[Outcome]:
        """Halves a batch that the brokers refuse as too large, until the record that is too large is alone."""
        outcomes = self._produce_once(events)
        refused = [at for at, outcome in enumerate(outcomes) if outcome.code == _TOO_LARGE]
        if len(events) > 1 and refused:
            middle = (len(refused) + 1) // 2
            for half in (refused[:middle], refused[middle:]):
                for at, outcome in zip(half, self._produce([events[at] for at in half]), strict=True):
                    outcomes[at] = outcome
        return outcomes

    def _produce_once(self, events: Sequence[Event]) -> list[Outcome]:
        timed_out = Outcome(Fate.RETRY, "ETIMEDOUT", "The brokers did not confirm the record in time.")
        outcomes: dict[int, Outcome] = {}
        for at, event in enumerate(events):
            try:
                self._put(event, partial(self._on_delivery, outcomes, at))
            except KafkaException as error:
                outcomes[at] = _outcome(error.args[0])
        # A second more than message.timeout.ms: the client reports each record by then, as delivered or timed out.
        deadline = time.monotonic() + self._settings["timeout_s"] + 1
        while len(outcomes) < len(events) and time.monotonic() < deadline:
            self._used().poll(0.1)
        return [outcomes.get(at, timed_out) for at in range(len(events))]

    def _put(self, event: Event, on_delivery: Callable[[KafkaError | None, Message], None]) -> None:
        """Hands the record to the client. Waits while its queue is full."""
        headers: list[tuple[str, str | bytes | None]] = [("messageId", event.message_id), ("type", event.type)]
        while True:
            try:
                self._used().produce(
                    self._settings["topic"],
                    event.body,
                    # The key decides the partition, within which a user's events stay in order.
                    event.user.encode() or None,
                    headers=headers,
                    on_delivery=on_delivery,
                )
            except BufferError:
                self._used().poll(0.1)
            else:
                return

    def _on_delivery(self, outcomes: dict[int, Outcome], at: int, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            outcomes[at] = _outcome(error)
            return
        request = f"produce to {self._settings['topic']}, key {message.key()!r:.200}"
        place = f"partition {message.partition()}, offset {message.offset()}"
        outcomes[at] = DELIVERED._replace(exchange=Exchange(request, place))

    def _used(self) -> Producer:
        assert self._producer is not None  # noqa: S101 (judging makes it)
        return self._producer


def _refusal(egress: Egress, hosts: Sequence[str]) -> Outcome | None:
    for host in hosts:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError as error:
            return Outcome(Fate.RETRY, "ENOTFOUND", f"{host}: {error}")
        refused = [str(each[4][0]) for each in found if egress.refuses(parse_address(str(each[4][0])))]
        if refused:
            detail = f"{refused[0]} is no public address. To reach it, name it in the setting egress_allow."
            return Outcome(Fate.RETRY, "EACCES", detail)
    return None


def _outcome(error: KafkaError) -> Outcome:
    fate = Fate.FAILED if error.code() in _FINAL else Fate.RETRY
    return Outcome(fate, _CODES.get(error.code(), error.name()), error.str())
