"""The relay against a real HTTP server on loopback."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from tifo.engagement.facts import AnyFact
from tifo.kernel.errors import Transient
from tifo.kernel.ids import ClientId, FactId
from tifo.leases.ports import Lease
from tifo.source.batches import Limits
from tifo.source.memory import InMemoryFactFeed
from tifo.source.ports import RelayReport, Trouble
from tifo.source.progress import RelayState

Until = Callable[[Callable[[], bool]], Awaitable[None]]
MakeFact = Callable[..., AnyFact]
StatusOf = Callable[..., Any]
NOW = datetime(2026, 11, 24, 10, 0, 0, 123000, tzinfo=UTC)
"""What the rig's clock says."""


def ids(client_id: str, numbers: Sequence[int]) -> list[str]:
    return [f"{client_id}-{number:03}" for number in numbers]


async def test_facts_arrive_once_and_in_order(rig: Any, make_fact: MakeFact, until: Until) -> None:
    rig.connect("a")
    rig.limits = Limits(batch_events=7)
    rig.feed.commit(*(make_fact("a", number) for number in range(50)))
    async with rig.relay():
        await until(lambda: len(rig.other.taken) == 50)
        rig.feed.commit(make_fact("a", 50))
        await until(lambda: len(rig.other.taken) == 51)
    assert rig.other.taken == ids("a", range(51))
    assert max(len(request.ids) for request in rig.other.requests) == 7
    assert not rig.feed.waiting()


async def test_a_batch_carries_the_key_twice_the_time_of_sending_and_the_library(
    rig: Any, make_fact: MakeFact, until: Until
) -> None:
    rig.connect("a", "key-1")
    rig.feed.commit(make_fact("a", 1))
    async with rig.relay():
        await until(lambda: bool(rig.other.taken))
    (request,) = rig.other.requests
    assert request.path == "/v1/batch"
    assert request.write_key == request.body["writeKey"] == "key-1"
    assert request.body["sentAt"] == "2026-11-24T10:00:00.123Z"
    (message,) = request.body["batch"]
    assert message["context"]["library"]["name"] == "tifo"
    assert message["context"]["library"]["version"]
    assert (message["type"], message["event"], message["userId"]) == ("track", "Reward Item Rewarded", "ada")


async def test_a_connection_without_an_endpoint_leads_to_tifo_itself(
    rig: Any, make_fact: MakeFact, until: Until
) -> None:
    client_id = ClientId("a")
    rig.applications.add(client_id)
    source = rig.catalog.create_source("LiveLike_Demo", "livelike")
    rig.catalog.connect(client_id, source.write_key, None)
    rig.feed.commit(make_fact("a", 1))
    async with rig.relay():
        await until(lambda: bool(rig.tifo.taken))
    assert rig.tifo.requests[0].write_key == source.write_key
    assert not rig.other.requests


async def test_facts_of_an_application_that_is_not_connected_wait_until_it_is(
    rig: Any, make_fact: MakeFact, until: Until
) -> None:
    rig.feed.commit(make_fact("a", 1), make_fact("b", 1))
    rig.connect("b")
    async with rig.relay():
        await until(lambda: rig.other.taken == ["b-001"])
        rig.connect("a")
        await until(lambda: rig.other.taken == ["b-001", "a-001"])


@pytest.mark.parametrize("status", [500, 503, 429, 408, 302, 307])
async def test_a_failure_that_may_pass_sends_the_same_batch_again(
    rig: Any, make_fact: MakeFact, until: Until, status_of: StatusOf, status: int
) -> None:
    rig.connect("a")
    rig.feed.commit(*(make_fact("a", number) for number in range(3)))
    failure = status_of(status, headers={"Location": f"{rig.tifo.address}/v1/batch"} if status in (302, 307) else None)
    rig.other.answers = [failure, failure]
    async with rig.relay():
        await until(lambda: bool(rig.other.taken))
    assert [request.ids for request in rig.other.requests] == [ids("a", range(3))] * 3
    assert rig.pauses == [0.1, 0.2]
    assert not rig.tifo.requests, "a redirect is not followed"
    assert rig.feed.dead_letters(ClientId("a")) == []


async def test_retry_after_is_waited_for(rig: Any, make_fact: MakeFact, until: Until, status_of: StatusOf) -> None:
    rig.connect("a")
    rig.feed.commit(make_fact("a", 1))
    rig.other.answers = [
        status_of(429, headers={"Retry-After": "17"}),
        status_of(503, headers={"Retry-After": "Tue, 24 Nov 2026 10:02:00 GMT"}),
    ]
    async with rig.relay():
        await until(lambda: bool(rig.other.taken))
    assert rig.pauses == [17.0, pytest.approx(119.877)]


async def test_a_dropped_connection_and_an_answer_that_never_comes_are_tried_again(
    rig: Any, make_fact: MakeFact, until: Until
) -> None:
    async def drop(_: Any) -> web.StreamResponse:
        raise asyncio.CancelledError  # the server closes the connection without an answer

    async def hang(_: Any) -> web.StreamResponse:
        await asyncio.sleep(3)
        return web.json_response({})

    rig.connect("a")
    rig.timeout_s = 0.1
    rig.feed.commit(make_fact("a", 1))
    rig.other.answers = [drop, hang]
    async with rig.relay():
        await until(lambda: bool(rig.other.taken))
    assert rig.other.taken == ["a-001"]
    assert len(rig.other.requests) == 3


async def test_an_endpoint_that_is_down_gets_everything_once_it_is_up(
    rig: Any, make_fact: MakeFact, until: Until
) -> None:
    client_id = rig.connect("a")
    rig.catalog.connect(client_id, "key", "http://127.0.0.1:1")
    rig.feed.commit(make_fact("a", 1))
    async with rig.relay() as relay:
        await until(lambda: len(rig.pauses) > 3)
        (status,) = relay.status()
        assert status.state is RelayState.RETRYING
        assert status.attempts > 0
        assert "Connect" in status.last_error
        rig.connect("a")
        await until(lambda: rig.other.taken == ["a-001"])


@pytest.mark.parametrize("culprits", [[0], [6], [19], [3, 4], [0, 10, 19], list(range(20))])
async def test_exactly_the_culprits_are_set_aside_and_the_rest_go_on_in_order(
    rig: Any, make_fact: MakeFact, until: Until, status_of: StatusOf, culprits: list[int]
) -> None:
    client_id = rig.connect("a", "key-1")
    rig.feed.commit(*(make_fact("a", number) for number in range(20)))
    rig.other.answer = status_of(400, "bad event, key-1", holding=ids("a", culprits))
    async with rig.relay() as relay:
        await until(lambda: not rig.feed.waiting())
        rig.feed.commit(make_fact("a", 20))
        await until(lambda: "a-020" in rig.other.taken)
        # The endpoint has it a moment before the relay knows so.
        await until(lambda: relay.status()[0].sent == 21 - len(culprits))
        (status,) = relay.status()
    assert rig.other.taken == ids("a", [number for number in range(21) if number not in culprits])
    aside = rig.feed.dead_letters(client_id)
    assert [one.fact_id for one in aside] == ids("a", culprits)
    assert {(one.status, one.answer) for one in aside} == {(400, "bad event, [write key]")}
    assert (status.sent, status.dead_lettered) == (21 - len(culprits), len(culprits))


async def test_one_culprit_among_many_is_found_by_halving(
    rig: Any, make_fact: MakeFact, until: Until, status_of: StatusOf
) -> None:
    rig.connect("a")
    rig.feed.commit(*(make_fact("a", number) for number in range(500)))
    rig.other.answer = status_of(422, holding=["a-321"])
    async with rig.relay():
        await until(lambda: not rig.feed.waiting())
    assert len(rig.other.taken) == 499
    assert len(rig.other.requests) <= 2 * 9 + 1


async def test_a_set_aside_fact_can_be_sent_again(
    rig: Any, make_fact: MakeFact, until: Until, status_of: StatusOf
) -> None:
    client_id = rig.connect("a")
    rig.feed.commit(make_fact("a", 1), make_fact("a", 2))
    rig.other.answer = status_of(400, holding=["a-001"])
    async with rig.relay():
        await until(lambda: len(rig.feed.dead_letters(client_id)) == 1)
        rig.other.answer = None
        rig.feed.resend(client_id)
        await until(lambda: rig.other.taken == ["a-002", "a-001"])
        await until(lambda: not rig.feed.waiting())
    assert rig.feed.dead_letters(client_id) == []


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refused_key_or_address_holds_the_connection_and_sets_nothing_aside(
    rig: Any, make_fact: MakeFact, until: Until, status_of: StatusOf, status: int
) -> None:
    client_id = rig.connect("a", "wrong-key")
    rig.feed.commit(*(make_fact("a", number) for number in range(3)))
    refuse = status_of(status, "who are you, wrong-key?")

    async def judge(received: Any) -> web.StreamResponse:
        refusal: web.StreamResponse = await refuse(received)
        return web.json_response({}) if received.write_key == "right-key" else refusal

    rig.other.answer = judge
    async with rig.relay() as relay:
        await until(lambda: len(rig.other.requests) > 5)
        (held,) = relay.status()
        assert held.state is RelayState.HELD
        assert held.last_error == f"{status}: who are you, [write key]?"
        assert rig.registry.get_sample_value("tifo_relay_connection_held", {"client_id": "a"}) == 1
        rig.connect("a", "right-key")
        await until(lambda: not rig.feed.waiting())
        await until(lambda: relay.status()[0].state is RelayState.IDLE)
        assert relay.status()[0].last_error is None
    assert rig.other.taken == ids("a", range(3))
    assert rig.other.requests[-1].write_key == "right-key"
    assert rig.feed.dead_letters(client_id) == []
    assert rig.registry.get_sample_value("tifo_relay_connection_held", {"client_id": "a"}) == 0


async def test_an_endpoint_that_refuses_everything_is_held_before_all_is_set_aside(
    rig: Any, make_fact: MakeFact, until: Until, status_of: StatusOf
) -> None:
    client_id = rig.connect("a")
    rig.feed.commit(*(make_fact("a", number) for number in range(250)))
    rig.other.answer = status_of(400, "no such workspace")
    async with rig.relay() as relay:
        await until(lambda: any(line.state is RelayState.HELD and line.attempts > 3 for line in relay.status()))
        assert [one.fact_id for one in rig.feed.dead_letters(client_id)] == ids("a", range(100))
        assert rig.other.requests[-1].ids == ["a-100"], "one fact alone is tried again and again"
        assert rig.registry.get_sample_value("tifo_relay_connection_held", {"client_id": "a"}) == 1
        report = rig.feed.report(client_id)
        assert (report.waiting, report.refused_in_a_row) == (150, 100)
        assert (report.trouble.held, report.trouble.error) == (True, "400: no such workspace")
        assert report.trouble.attempts > 2
        assert rig.pauses[:3] == [0.1, 0.2, 0.4], "with backoff"
        rig.other.answer = None
        await until(lambda: not rig.feed.waiting())
        assert rig.other.taken == ids("a", range(100, 250)), "once it is mended all goes on, in order"
        rig.feed.resend(client_id)
        await until(lambda: len(rig.other.taken) == 250)
    assert rig.feed.report(client_id)[3:] == (0, None)
    assert rig.feed.dead_letters(client_id) == []


async def test_many_bad_facts_are_set_aside_as_long_as_good_ones_are_among_them(
    rig: Any, make_fact: MakeFact, until: Until, status_of: StatusOf
) -> None:
    client_id = rig.connect("a")
    rig.hold_after = 10
    rig.feed.commit(*(make_fact("a", number) for number in range(200)))
    bad = [number for number in range(200) if number % 11]
    rig.other.answer = status_of(400, holding=ids("a", bad))
    async with rig.relay():
        await until(lambda: not rig.feed.waiting())
    assert [one.fact_id for one in rig.feed.dead_letters(client_id)] == ids("a", bad)
    assert not rig.pauses


async def test_facts_too_large_to_be_sent_are_not_held_against_the_endpoint(
    rig: Any, make_fact: MakeFact, until: Until
) -> None:
    client_id = rig.connect("a")
    rig.hold_after = 2
    rig.feed.commit(*(make_fact("a", number, name="x" * 33_000) for number in range(5)), make_fact("a", 5))
    async with rig.relay():
        await until(lambda: rig.other.taken == ["a-005"])
    assert len(rig.feed.dead_letters(client_id)) == 5


async def test_a_restart_sets_no_more_aside_and_another_connection_begins_anew(
    rig: Any, make_fact: MakeFact, until: Until, status_of: StatusOf
) -> None:
    client_id = rig.connect("a", "first-key")
    rig.hold_after = 5
    rig.feed.commit(*(make_fact("a", number) for number in range(20)))
    rig.other.answer = status_of(400)
    for _ in range(3):
        async with rig.relay() as relay:
            await until(lambda: bool(relay.status()) and relay.status()[0].attempts > 2)
        assert len(rig.feed.dead_letters(client_id)) == 5
    async with rig.relay() as relay:
        await until(lambda: bool(relay.status()) and relay.status()[0].attempts > 2)
        rig.connect("a", "second-key")
        await until(lambda: len(rig.feed.dead_letters(client_id)) == 10)


async def test_a_trouble_is_noted_with_its_beginning_even_over_a_restart_and_gone_when_the_line_moves(
    rig: Any, make_fact: MakeFact, until: Until, status_of: StatusOf
) -> None:
    client_id = rig.connect("a")
    rig.feed.commit(make_fact("a", 1))
    earlier = NOW - timedelta(hours=3)
    rig.feed.note(client_id, Trouble(held=True, since=earlier, tried_at=earlier, attempts=9, error="401: before"))
    rig.other.answer = status_of(503, "later")
    async with rig.relay():
        await until(lambda: rig.feed.report(client_id).trouble.error == "503: later")
        trouble = rig.feed.report(client_id).trouble
        assert (trouble.held, trouble.since, trouble.tried_at) == (False, earlier, NOW)
        rig.other.answer = None
        await until(lambda: not rig.feed.waiting())
        assert rig.feed.report(client_id) == RelayReport(0, FactId("a-001"), NOW)


class Unnoting(InMemoryFactFeed):
    def note(
        self,
        client_id: ClientId,  # noqa: ARG002 (the contract's)
        trouble: Trouble | None,  # noqa: ARG002 (likewise)
        *,
        under: Lease | None = None,  # noqa: ARG002 (likewise)
    ) -> None:
        raise Transient("the disk is full")


async def test_a_trouble_that_cannot_be_noted_does_not_stop_the_line(
    rig: Any, make_fact: MakeFact, until: Until, status_of: StatusOf
) -> None:
    rig.connect("a")
    feed = Unnoting()
    feed.commit(make_fact("a", 1))
    rig.other.answers = [status_of(503), status_of(401)]
    async with rig.relay(feed):
        await until(lambda: rig.other.taken == ["a-001"])
    assert rig.pauses == [0.1, 0.2]


async def test_a_changed_connection_ends_a_long_pause(
    rig: Any, make_fact: MakeFact, until: Until, status_of: StatusOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pause_for_real(seconds: float) -> None:
        rig.pauses.append(seconds)
        await asyncio.sleep(seconds)

    monkeypatch.setattr(rig, "_sleep", pause_for_real)
    rig.connect("a", "wrong-key")
    rig.feed.commit(make_fact("a", 1))
    rig.other.answers = [status_of(401, headers={"Retry-After": "3000"})]
    async with rig.relay():
        await until(lambda: rig.pauses == [3000.0])
        rig.connect("a", "right-key")
        await until(lambda: bool(rig.other.taken))


async def test_a_dead_endpoint_does_not_delay_another_application(rig: Any, make_fact: MakeFact, until: Until) -> None:
    release = asyncio.Event()

    async def hang(_: Any) -> web.StreamResponse:
        await release.wait()
        return web.json_response({})

    rig.connect("a")
    rig.connect("b", to=rig.tifo)
    rig.other.answer = hang
    rig.feed.commit(*(make_fact("a", number) for number in range(5)))
    async with rig.relay():
        await until(lambda: bool(rig.other.requests))
        rig.feed.commit(*(make_fact("b", number) for number in range(5)))
        await until(lambda: len(rig.tifo.taken) == 5)
        assert not rig.other.taken
        release.set()
        await until(lambda: len(rig.other.taken) == 5)


class CrashingFeed(InMemoryFactFeed):
    """Dies between the endpoint's answer and the cursor's move, as often as `crashes` says."""

    crashes = 1

    def advance(self, client_id: ClientId, sent: Sequence[FactId], at: datetime, *, under: Lease | None = None) -> None:
        if self.crashes:
            self.crashes -= 1
            raise Transient("power cut")
        super().advance(client_id, sent, at, under=under)


async def test_a_crash_between_answer_and_cursor_sends_the_same_message_ids_again(
    rig: Any, make_fact: MakeFact, until: Until
) -> None:
    rig.connect("a")
    feed = CrashingFeed()
    feed.commit(*(make_fact("a", number) for number in range(3)))
    async with rig.relay(feed):
        await until(lambda: not feed.waiting())
    assert rig.other.taken == ids("a", range(3)) * 2
    first, second = rig.other.requests
    assert first.body["batch"] == second.body["batch"]


class BrokenForOne(InMemoryFactFeed):
    def pending(self, client_id: ClientId, limit: int) -> Sequence[AnyFact]:
        if client_id == "a":
            raise RuntimeError("a fact that cannot be read")
        return super().pending(client_id, limit)


async def test_a_defect_that_one_application_meets_is_shown_and_touches_no_other(
    rig: Any, make_fact: MakeFact, until: Until
) -> None:
    rig.connect("a")
    rig.connect("b")
    feed = BrokenForOne()
    feed.commit(make_fact("a", 1), make_fact("b", 1))
    async with rig.relay(feed) as relay:
        await until(lambda: rig.other.taken == ["b-001"])
        await until(lambda: len(rig.pauses) > 1)
        status = {one.client_id: one for one in relay.status()}[ClientId("a")]
    assert status.state is RelayState.HELD
    assert status.last_error == "RuntimeError: a fact that cannot be read"


async def test_large_facts_keep_segments_limits_and_one_that_is_too_large_is_set_aside_unsent(
    rig: Any, make_fact: MakeFact, until: Until
) -> None:
    client_id = rig.connect("a")
    names = ["x" * 31_000] * 20 + ["x" * 33_000] + ["x" * 31_000] * 20
    rig.feed.commit(*(make_fact("a", number, name=name) for number, name in enumerate(names)))
    async with rig.relay():
        await until(lambda: not rig.feed.waiting())
    assert rig.other.taken == ids("a", [number for number in range(41) if number != 20])
    assert max(request.size for request in rig.other.requests) <= 500_000
    assert len(rig.other.requests) == 4
    (aside,) = rig.feed.dead_letters(client_id)
    assert (aside.fact_id, aside.status) == ("a-020", 0)
    assert "32,768" in aside.answer


async def test_stopping_finishes_the_batch_in_flight(rig: Any, make_fact: MakeFact, until: Until) -> None:
    release = asyncio.Event()

    async def answer_later(_: Any) -> web.StreamResponse:
        asyncio.get_running_loop().call_later(0.1, release.set)
        await release.wait()
        return web.json_response({})

    client_id = rig.connect("a")
    rig.limits = Limits(batch_events=2)
    rig.feed.commit(*(make_fact("a", number) for number in range(4)))
    rig.other.answer = answer_later
    async with rig.relay():
        await until(lambda: bool(rig.other.requests))
    assert rig.other.taken == ids("a", range(2))
    assert [fact.id for fact in rig.feed.pending(client_id, 10)] == ids("a", [2, 3])


async def test_stopping_does_not_wait_for_an_endpoint_that_hangs_nor_for_a_long_pause(
    rig: Any, make_fact: MakeFact, until: Until, monkeypatch: pytest.MonkeyPatch, status_of: StatusOf
) -> None:
    release = asyncio.Event()

    async def hang(_: Any) -> web.StreamResponse:
        await release.wait()
        return web.json_response({})

    async def pause_for_real(seconds: float) -> None:
        rig.pauses.append(seconds)
        await asyncio.sleep(seconds)

    monkeypatch.setattr(rig, "_sleep", pause_for_real)
    rig.timeout_s = 60.0
    rig.connect("a")
    rig.connect("b", to=rig.tifo)
    rig.other.answer = hang
    rig.tifo.answer = status_of(429, headers={"Retry-After": "3000"})
    rig.feed.commit(make_fact("a", 1), make_fact("b", 1))
    started = asyncio.get_running_loop().time()
    async with rig.relay():
        await until(lambda: bool(rig.other.requests and rig.pauses))
    assert asyncio.get_running_loop().time() - started < 4
    release.set()
    assert rig.feed.waiting() == {"a", "b"}


async def test_the_counters_tell_what_was_sent_set_aside_and_tried(
    rig: Any, make_fact: MakeFact, until: Until, status_of: StatusOf
) -> None:
    rig.connect("a")
    rig.feed.commit(make_fact("a", 1))
    rig.other.answers = [status_of(500), status_of(400)]
    async with rig.relay():
        await until(lambda: not rig.feed.waiting())
        rig.feed.commit(make_fact("a", 2))
        await until(lambda: not rig.feed.waiting())

    def counted(name: str, **labels: str) -> float | None:
        value: float | None = rig.registry.get_sample_value(f"tifo_relay_{name}_total", {"client_id": "a", **labels})
        return value

    assert counted("events_sent") == 1
    assert counted("events_set_aside") == 1
    assert [counted("attempts", outcome=outcome) for outcome in ("sent", "retry", "split", "hold")] == [1, 1, 1, None]


class OutOfReach(InMemoryFactFeed):
    failures = 3

    def waiting(self) -> set[ClientId]:
        if self.failures:
            self.failures -= 1
            raise Transient("the disk is away")
        return super().waiting()


async def test_a_store_that_is_away_for_a_moment_is_asked_again(rig: Any, make_fact: MakeFact, until: Until) -> None:
    rig.connect("a")
    feed = OutOfReach()
    feed.commit(make_fact("a", 1))
    async with rig.relay(feed):
        await until(lambda: rig.other.taken == ["a-001"])


async def test_no_write_key_stands_in_what_is_logged_or_shown(
    rig: Any,
    make_fact: MakeFact,
    until: Until,
    status_of: StatusOf,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    rig.connect("a", "the-secret-key")
    rig.connect("b", "the-secret-key")
    feed = BrokenForOne()
    feed.commit(make_fact("a", 1), make_fact("b", 1))
    rig.other.answers = [status_of(500, "the-secret-key"), status_of(401, "the-secret-key"), status_of(400)]
    async with rig.relay(feed) as relay:
        # The status follows the store, and the line in the log follows at once.
        await until(lambda: "dead_lettered=1" in repr(relay.status()))
        shown = repr(relay.status()) + repr(relay) + repr(feed.dead_letters(ClientId("b")))
    printed = capsys.readouterr()
    logged = printed.out + printed.err + caplog.text
    assert "relay_set_aside" in logged
    assert "the-secret-key" not in shown + logged
