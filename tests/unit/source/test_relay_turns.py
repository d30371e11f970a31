"""Relays that share one store, over the in-memory twins: each application's facts are sent by one at a time."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from tifo.engagement.facts import AnyFact
from tifo.kernel.ids import ClientId, FactId
from tifo.leases.ports import Lease
from tifo.leases.share import Holder
from tifo.source import relay
from tifo.source.memory import InMemoryFactFeed
from tifo.source.ports import Trouble

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
MakeFact = Callable[..., AnyFact]
Until = Callable[[Callable[[], bool]], Awaitable[None]]


async def test_two_relays_over_one_store_send_each_fact_once(rig: Any, make_fact: MakeFact, until: Until) -> None:
    for name in "abcd":
        rig.connect(name)
    async with rig.relay(holder=Holder("one")), rig.relay(holder=Holder("two")):
        await until(lambda: len(rig.leases.held("relay")) == 6)  # four applications, two members
        for round_ in range(20):
            rig.feed.commit(*(make_fact(name, round_) for name in "abcd"))
            await asyncio.sleep(0)
        await until(lambda: not rig.feed.waiting())
    expected = {f"{name}-{number:03}" for name in "abcd" for number in range(20)}
    assert set(rig.other.taken) == expected
    assert len(rig.other.taken) == len(expected)


async def test_relays_hold_as_many_applications_each(rig: Any, until: Until) -> None:
    for name in "abcd":
        rig.connect(name)

    def held() -> dict[str, int]:
        pieces = [lease for lease in rig.leases.held("relay") if "@" not in lease.name]
        return {holder: sum(lease.holder == holder for lease in pieces) for holder in ("one/relay", "two/relay")}

    async with rig.relay(holder=Holder("one")):
        await until(lambda: held() == {"one/relay": 4, "two/relay": 0})
        async with rig.relay(holder=Holder("two")):
            await until(lambda: held() == {"one/relay": 2, "two/relay": 2})
        await until(lambda: held() == {"one/relay": 4, "two/relay": 0})
    assert held() == {"one/relay": 0, "two/relay": 0}, "a relay that stops gives its applications back at once"


async def test_a_relay_hands_an_application_over_after_the_batch_in_flight(
    rig: Any, make_fact: MakeFact, until: Until
) -> None:
    answering = asyncio.Event()

    async def answer(_: Any) -> web.Response:
        await answering.wait()
        return web.json_response({"success": True})

    for name in "ab":
        rig.connect(name)
    rig.other.answer = answer
    rig.feed.commit(make_fact("a", 1), make_fact("b", 1))
    async with rig.relay(holder=Holder("one")):
        await until(lambda: len(rig.other.requests) == 2)
        async with rig.relay(holder=Holder("two")):
            await until(lambda: len(rig.leases.held("relay")) == 4)
            assert {lease.holder for lease in rig.leases.held("relay") if "@" not in lease.name} == {"one/relay"}
            answering.set()
            await until(lambda: not rig.feed.waiting())
            rig.feed.commit(make_fact("a", 2), make_fact("b", 2))
            await until(lambda: not rig.feed.waiting())
    assert sorted(rig.other.taken) == ["a-001", "a-002", "b-001", "b-002"]


async def test_a_relay_whose_lease_was_taken_stores_nothing_and_sends_no_more(
    rig: Any, make_fact: MakeFact, until: Until
) -> None:
    async def robbed(_: Any) -> web.Response:
        """Another process acquires the application while its batch is under way."""
        rig.leases.release("one/relay", ["relay/a"])
        assert rig.leases.acquire(["relay/a"], "other", for_s=60)
        return web.json_response({"success": True})

    rig.connect("a")
    rig.other.answers = [robbed]
    async with rig.relay(holder=Holder("one")):
        await until(lambda: bool(rig.leases.held("relay")))
        rig.feed.commit(make_fact("a", 1), make_fact("a", 2))
        await until(lambda: bool(rig.other.taken))
        rig.connect("b")
        rig.feed.commit(make_fact("b", 1))
        await until(lambda: "b-001" in rig.other.taken)
        assert rig.feed.waiting() == {ClientId("a")}
        assert rig.feed.report(ClientId("a")).last_sent is None
    assert rig.other.taken == ["a-001", "a-002", "b-001"]


async def test_a_relay_whose_lease_was_taken_while_it_failed_stores_no_trouble(
    rig: Any, make_fact: MakeFact, until: Until
) -> None:
    theirs = Trouble(held=True, since=NOW, tried_at=NOW, attempts=7, error="401: theirs")

    async def robbed(_: Any) -> web.Response:
        rig.leases.release("one/relay", ["relay/a"])
        assert rig.leases.acquire(["relay/a"], "other", for_s=60)
        rig.feed.note(ClientId("a"), theirs)
        return web.Response(status=503)

    rig.connect("a")
    rig.other.answers = [robbed]
    rig.feed.commit(make_fact("a", 1))
    async with rig.relay(holder=Holder("one")) as one:
        await until(lambda: bool(rig.other.requests))
        await until(lambda: [status.last_error for status in one.status()] == [None])
        assert rig.feed.report(ClientId("a")).trouble == theirs
    assert not rig.other.taken
    assert len(rig.other.requests) == 1


class Paused(InMemoryFactFeed):
    """Stands still before the first progress is stored, as a process does that is stopped by a signal."""

    def __init__(self, require: Callable[[Lease], None]) -> None:
        super().__init__(require)
        self.woken = threading.Event()
        self.stands = threading.Event()

    def advance(self, client_id: ClientId, sent: Sequence[FactId], at: datetime, *, under: Lease | None = None) -> None:
        if not self.stands.is_set():
            self.stands.set()
            assert self.woken.wait(5)
        super().advance(client_id, sent, at, under=under)


async def test_a_paused_relay_does_not_move_its_successors_cursor(rig: Any, make_fact: MakeFact, until: Until) -> None:
    rig.connect("a")
    feed = Paused(rig.leases.require)
    feed.commit(make_fact("a", 1), make_fact("a", 2))
    async with rig.relay(feed, holder=Holder("one")):
        await until(feed.stands.is_set)
        rig.leases.release("one/relay")
        rig.leases.acquire(["relay/a"], "two", for_s=60)
        feed.woken.set()
        await until(lambda: len(rig.leases.held("relay")) == 2)  # the first one is a member again: it has looked
        assert feed.waiting() == {ClientId("a")}
        assert feed.report(ClientId("a")).waiting == 2
    assert rig.other.taken == ["a-001", "a-002"]


async def test_a_relay_that_is_started_after_a_crash_goes_on_at_once(
    rig: Any, make_fact: MakeFact, until: Until
) -> None:
    rig.connect("a")
    rig.leases.acquire(["relay/a", "relay/@one/relay"], "one/relay", for_s=3600)  # the crashed one's
    rig.feed.commit(make_fact("a", 1))
    async with rig.relay(holder=Holder("one", inherits=True)):
        await until(lambda: rig.other.taken == ["a-001"])


async def test_a_relay_whose_own_api_is_away_leaves_the_facts_to_one_whose_api_answers(
    rig: Any, make_fact: MakeFact, until: Until
) -> None:
    for name in "ab":
        rig.applications.add(ClientId(name))
        source = rig.catalog.create_source(f"Play {name}", "livelike")
        rig.catalog.connect(ClientId(name), source.write_key, None)
    async with rig.relay(holder=Holder("cut-off"), own="http://127.0.0.1:1") as cut_off:
        rig.feed.commit(make_fact("a", 1), make_fact("b", 1))
        await until(lambda: any(status.attempts > 20 for status in cut_off.status()))
        assert len(rig.leases.held("relay")) == 3, "alone, it tries on"
        async with rig.relay(holder=Holder("two")):
            await until(lambda: not rig.feed.waiting())
            assert {lease.holder for lease in rig.leases.held("relay")} == {"two/relay"}
    assert sorted(rig.tifo.taken) == ["a-001", "b-001"]


async def test_relays_that_are_all_cut_off_do_not_all_leave_the_facts(
    rig: Any, make_fact: MakeFact, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LOOK_EVERY_S", 0.05)
    for name in "ab":
        rig.applications.add(ClientId(name))
        rig.catalog.connect(ClientId(name), rig.catalog.create_source(f"Play {name}", "livelike").write_key, None)
    cut_off = {"own": "http://127.0.0.1:1", "look_every_s": 0.5}  # one learns late that the other has left
    async with rig.relay(holder=Holder("one"), **cut_off), rig.relay(holder=Holder("two"), **cut_off):
        await until(lambda: len({lease.holder for lease in rig.leases.held("relay") if "@" not in lease.name}) == 2)
        rig.feed.commit(make_fact("a", 1), make_fact("b", 1))
        await until(lambda: len(rig.pauses) > 200)
