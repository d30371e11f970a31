"""Vendors' kinds: Segment's library, really executed, against a stand-in that sees what would reach each vendor.

Node.js and npm are needed; in CI their lack is a failure.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec
import psutil
import pytest

from tests.commands import command
from tests.six_events import SIX_EVENTS
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import Settings
from tifo.destinations.actions import installing
from tifo.destinations.actions.kind import ActionsKind
from tifo.destinations.catalog import kind_of, kinds
from tifo.destinations.mappings import new_mapping
from tifo.destinations.ports import ActionMapping, Configured, Event, Fate, Outcome, Tools
from tifo.egress.rules import read_allowed
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import Position

WITHIN_S = 60.0
Call = Callable[..., Any]


class Request(NamedTuple):
    url: str
    method: str
    headers: dict[str, str]
    body: Any


class StandIn:
    """Takes what would go to vendors. `judge` gives the status of the n-th request."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.judge: Callable[[int], int] = lambda _: 200
        self.answers: dict[str, bytes] = {}
        """By the path; else an empty object."""
        self.hangs = False
        self._lock = threading.Lock()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status = stand_in.take(self.headers, self.command, body)
                self.send_response(status)
                if status in {301, 302}:
                    self.send_header("Location", "http://169.254.169.254/latest")
                if status == 429:
                    self.send_header("Retry-After", "7")
                self.send_header("Content-Type", "application/json")
                answer = stand_in.answers.get(self.path, b"{}")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815 (names that http.server calls)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, headers: Any, method: str, body: bytes) -> int:
        while self.hangs:
            time.sleep(0.05)
        try:
            told = json.loads(body) if body else None
        except ValueError:
            told = body.decode(errors="replace")
        with self._lock:
            self.requests.append(Request(headers["x-tifo-original-url"], method, dict(headers), told))
            return self.judge(len(self.requests))

    def close(self) -> None:
        self.hangs = False
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module", autouse=True)
def library() -> None:
    missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    if missing:
        (pytest.fail if "CI" in os.environ else pytest.skip)(f"needs {', '.join(missing)} on PATH")
    installing.install()


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    stand_in = StandIn()
    monkeypatch.setenv("TIFO_ACTIONS_ROUTE", stand_in.url)
    yield stand_in
    stand_in.close()


def events(messages: Sequence[dict[str, Any]]) -> list[Event]:
    return [
        Event(
            Position(number),
            message["messageId"],
            message["type"],
            message.get("event", ""),
            message.get("userId") or "",
            1_795_600_800.0,
            msgspec.json.encode(message),
        )
        for number, message in enumerate(messages, 1)
    ]


async def sent(
    kind_id: str,
    settings: dict[str, Any],
    messages: Sequence[dict[str, Any]],
    mappings: Sequence[ActionMapping] | None = None,
    *,
    allow: str = "127.0.0.1",
) -> Sequence[Outcome]:
    kind = kind_of(kind_id)
    async with aiohttp.ClientSession() as session:
        tools = Tools(session, read_allowed(allow), system_clock, Path())
        chosen = kind.automatic if mappings is None else mappings
        destination = await kind.open(Configured("d", "d", kind.check(settings), chosen), tools)
        try:
            return await destination.send(events(messages))
        finally:
            await destination.close()


def call_of(kind_id: str, action: str, **mapping: Any) -> list[ActionMapping]:
    """A mapping of every track to the action: its fields' defaults, and these."""
    made = new_mapping(kind_of(kind_id), action)
    return [replace(made, id="m", trigger='type = "track"', mapping={**made.mapping, **mapping})]


EVENT, USER, AT = {"@path": "$.event"}, {"@path": "$.userId"}, {"@path": "$.timestamp"}
PROPERTIES = {"@path": "$.properties"}
BADGE = {"@path": "$.properties.badge_id"}
HUBSPOT_CALL: list[Any] = [
    "sendCustomBehavioralEvent",
    {"eventName": "pe1_seen", "email": "ada@example.com", "occurredAt": AT},
]
VENDORS: dict[str, tuple[dict[str, Any], str, list[Any] | None]] = {
    # kind: (settings, what the address must contain, [action, fields] where no preset takes tracks)
    "amplitude": ({"apiKey": "key-1", "secretKey": "secret-1"}, "api2.amplitude.com/2/httpapi", None),
    "mixpanel": ({"projectToken": "token-1", "apiSecret": "secret-1"}, "api.mixpanel.com/import", None),
    "braze": (
        {"api_key": "key-1", "app_id": "app", "endpoint": "https://rest.iad-01.braze.com"},
        "rest.iad-01.braze.com/users/track",
        None,
    ),
    "customerio": ({"siteId": "site-1", "apiKey": "key-1"}, "track.customer.io/api/v2/batch", None),
    "iterable": ({"apiKey": "key-12345"}, "api.iterable.com/api/events/track", None),
    "posthog": (
        {"api_key": "key-1", "project_id": "1", "endpoint": "https://us.i.posthog.com"},
        "us.i.posthog.com",
        None,
    ),
    "launchdarkly": ({"client_id": "0123456789abcdef01234567"}, "launchdarkly.com", None),
    "heap": ({"appId": "123"}, "heap", None),
    "ripe": ({"apiKey": "key-1"}, "ripe", None),
    "gainsight-px-cloud-action": ({"apiKey": "AP-KEY-2", "dataCenter": "north_america"}, "aptrinsic.com", None),
    "june": ({"apiKey": "key-1"}, "api.june.so", None),
    "usermaven": ({"api_key": "key-1", "server_token": "token-1"}, "usermaven.com", None),
    "toplyne": ({"apiKey": "key-1"}, "toplyne.io", None),
    "accoil-analytics": ({"api_key": "key-1"}, "accoil", None),
    "encharge": ({"apiKey": "key-1"}, "encharge.io", None),
    "schematic": ({"apiKey": "key-1"}, "schematichq.com", None),
    "ortto": ({"api_key": "key-1-us"}, "ortto", None),
    "airship": (
        {"access_token": "token-1", "app_key": "app", "endpoint": "EU"},
        "airship",
        None,
    ),
    "altertable": (
        {"apiKey": "key-1", "environment": "prod", "endpoint": "https://api.altertable.ai"},
        "altertable.ai",
        None,
    ),
    "aampe": ({"apiKey": "key-1", "region": "https://ingestion.us-east1.api.aampe.com/v1/"}, "api.aampe.com", None),
    "klaviyo": (
        {"api_key": "key-1"},
        "a.klaviyo.com/api/event",
        ["trackEvent", {"metric_name": EVENT, "properties": PROPERTIES, "profile": {"external_id": USER}}],
    ),
    "hubspot": (
        {"access_token": "token-1"},
        "api.hubapi.com",
        HUBSPOT_CALL,
    ),
    "intercom": (
        {"access_token": "token-1"},
        "api.intercom.io/events",
        ["trackEvent", {"event_name": EVENT, "event_created_at": AT, "user_id": USER}],
    ),
    "google-analytics-4": (
        {"measurementId": "G-1", "apiSecret": "secret-1"},
        "google-analytics.com/mp/collect",
        ["customEvent", {"clientId": USER, "name": "seen", "params": {}}],
    ),
    "slack": (
        {},
        "hooks.slack.com/services/T/B/x",
        ["postToChannel", {"url": "https://hooks.slack.com/services/T/B/x", "text": EVENT}],
    ),
    "actions-webhook": (
        {"sharedSecret": "secret-1"},
        "hooks.example.com/x",
        ["send", {"url": "https://hooks.example.com/x", "method": "POST", "data": {"@path": "$."}}],
    ),
}


async def test_every_vendor_gets_a_request_that_is_its_own(stand_in: StandIn) -> None:
    """The six events, each kind: what reaches the vendor's address is JSON with the event in it, or form of its own."""
    told: dict[str, str] = {}
    for kind_id, (settings, address, asked) in VENDORS.items():
        stand_in.requests.clear()
        mappings = None if asked is None else call_of(kind_id, asked[0], **asked[1])
        outcomes = await sent(kind_id, settings, SIX_EVENTS, mappings)
        failed = {f"{each.fate} {each.code} {each.detail}" for each in outcomes if each.fate is not Fate.DELIVERED}
        if failed or not stand_in.requests:
            told[kind_id] = "; ".join(failed) or "sent nothing"
        elif not all(address in each.url for each in stand_in.requests):
            told[kind_id] = f"went to {stand_in.requests[0].url}"
        elif not any("badge" in json.dumps(each.body).lower() or asked for each in stand_in.requests):
            told[kind_id] = f"without the event: {stand_in.requests[0].body}"
    assert told == {}
    assert len(VENDORS) >= 20


async def test_amplitude_gets_what_its_api_wants(stand_in: StandIn) -> None:
    await sent("amplitude", VENDORS["amplitude"][0], SIX_EVENTS)
    told = [event for request in stand_in.requests for event in request.body["events"]]
    assert {event["event_type"] for event in told} == {message["event"] for message in SIX_EVENTS}
    assert {request.body["api_key"] for request in stand_in.requests} == {"key-1"}
    (badge,) = [event for event in told if event["event_type"] == "Badge Rewarded"]
    assert badge["event_properties"]["badge_title"] == "Super Fan"
    assert badge["time"] == 1_795_600_800_000


@pytest.mark.parametrize(
    ("status", "fate", "code"),
    [
        (400, Fate.FAILED, "400"),
        (401, Fate.FAILED, "401"),
        (429, Fate.RETRY, "429"),
        (500, Fate.RETRY, "500"),
        (302, Fate.FAILED, "302"),
    ],
)
async def test_what_the_vendor_answers_decides(stand_in: StandIn, status: int, fate: Fate, code: str) -> None:
    stand_in.judge = lambda _: status
    (outcome,) = await sent("posthog", VENDORS["posthog"][0], SIX_EVENTS[:1])
    assert (outcome.fate, outcome.code) == (fate, code)
    assert outcome.retry_after_s == (7 if status == 429 else None)
    assert outcome.exchange
    assert outcome.exchange.request.startswith("POST https://us.i.posthog.com")
    assert "key-1" not in outcome.exchange.request
    assert outcome.exchange.response.startswith(str(status))


HUBSPOT = {"refresh_token": "refresh-1", "oauth_client_id": "client", "oauth_client_secret": "hush"}
_TOKENS = "/oauth/v1/token"


@pytest.mark.concurrency
@pytest.mark.parametrize("given", [{"access_token": "token-1"}, {}])
async def test_an_access_token_that_is_over_is_renewed_once_for_all(stand_in: StandIn, given: dict[str, str]) -> None:
    stand_in.judge = lambda n: 401 if stand_in.requests[n - 1].headers.get("authorization") == "Bearer token-1" else 200
    stand_in.answers[_TOKENS] = b'{"access_token": "token-2"}'
    mappings = call_of("hubspot", HUBSPOT_CALL[0], **HUBSPOT_CALL[1])
    kind = kind_of("hubspot")
    async with aiohttp.ClientSession() as session:
        tools = Tools(session, read_allowed("127.0.0.1"), system_clock, Path())
        configured = Configured("d", "d", kind.check({**HUBSPOT, **given}), mappings)
        destination = await kind.open(configured, tools)
        answers = await asyncio.gather(*(destination.send([each]) for each in events(SIX_EVENTS)))
        await destination.close()
    outcomes = [outcome for answer in answers for outcome in answer]
    assert [each.fate for each in outcomes] == [Fate.DELIVERED] * len(SIX_EVENTS)
    (asked,) = [each for each in stand_in.requests if _TOKENS in each.url]
    told = dict(urllib.parse.parse_qsl(asked.body))
    assert told == {
        "refresh_token": "refresh-1",
        "client_id": "client",
        "client_secret": "hush",
        "grant_type": "refresh_token",
    }
    assert "token-2" not in str(outcomes)


async def test_where_no_access_token_is_to_be_had_events_wait(stand_in: StandIn) -> None:
    stand_in.judge = lambda _: 401
    mappings = call_of("hubspot", HUBSPOT_CALL[0], **HUBSPOT_CALL[1])
    for given in ({}, {"access_token": "token-1"}):
        (outcome,) = await sent("hubspot", {**HUBSPOT, **given}, SIX_EVENTS[:1], mappings)
        assert (outcome.fate, outcome.code) == (Fate.RETRY, "OAUTH_REFRESH_FAILED")
        assert "No access token from the vendor" in outcome.detail
    stand_in.answers[_TOKENS] = b'{"access_token": "token-2"}'
    stand_in.judge = lambda n: 200 if _TOKENS in stand_in.requests[n - 1].url else 401
    (outcome,) = await sent("hubspot", HUBSPOT, SIX_EVENTS[:1], mappings)
    assert (outcome.fate, outcome.code) == (Fate.FAILED, "401")


async def test_addresses_are_guarded_in_the_worker(stand_in: StandIn) -> None:
    (outcome,) = await sent("amplitude", VENDORS["amplitude"][0], SIX_EVENTS[:1], allow="")
    assert (outcome.fate, outcome.code) == (Fate.RETRY, "EACCES")
    assert "egress_allow" in outcome.detail
    assert stand_in.requests == []


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "0"])
async def test_no_spelling_of_a_private_address_is_reached(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    port = stand_in.url.rpartition(":")[2]
    monkeypatch.setenv("TIFO_ACTIONS_ROUTE", f"http://{address}:{port}")
    (outcome,) = await sent("amplitude", VENDORS["amplitude"][0], SIX_EVENTS[:1], allow="")
    assert (outcome.fate, outcome.code) == (Fate.RETRY, "EACCES")
    assert stand_in.requests == []


async def test_what_no_mapping_takes_is_filtered_and_what_does_not_fit_is_rejected(stand_in: StandIn) -> None:
    identify = {**SIX_EVENTS[0], "type": "identify"}
    (filtered,) = await sent("posthog", VENDORS["posthog"][0], [identify], call_of("posthog", "event"))
    assert (filtered.fate, filtered.code) == (Fate.FILTERED, "NO_MATCHING_MAPPING")
    broken = call_of("intercom", "trackEvent", event_name=None, event_created_at=AT, user_id=USER)
    (rejected,) = await sent("intercom", {"access_token": "token-1"}, SIX_EVENTS[:1], broken)
    assert (rejected.fate, rejected.code) == (Fate.FAILED, "MESSAGE_REJECTED")
    assert "event_name" in rejected.detail
    assert stand_in.requests == []


async def test_of_several_mappings_only_what_failed_is_sent_again(stand_in: StandIn) -> None:
    one, two = call_of("slack", "postToChannel", url="https://hooks.slack.com/services/T/B/x", text=EVENT) * 2
    both = [replace(one, id="one"), replace(two, id="two")]
    stand_in.judge = lambda number: 500 if number == 2 else 200
    kind = kind_of("slack")
    async with aiohttp.ClientSession() as session:
        tools = Tools(session, read_allowed("127.0.0.1"), system_clock, Path())
        destination = await kind.open(Configured("d", "d", {}, both), tools)
        (event,) = events(SIX_EVENTS[:1])
        (first,) = await destination.send([event])
        assert (first.fate, json.loads(first.left or b"")) == (Fate.RETRY, ["two"])
        (second,) = await destination.send([msgspec.structs.replace(event, left=first.left)])
        await destination.close()
    assert second.fate is Fate.DELIVERED
    assert len(stand_in.requests) == 3


async def test_batches_where_the_action_has_them(stand_in: StandIn) -> None:
    messages = [{**SIX_EVENTS[0], "messageId": f"m{number}"} for number in range(40)]
    outcomes = await sent("mixpanel", VENDORS["mixpanel"][0], messages)
    assert {each.fate for each in outcomes} == {Fate.DELIVERED}
    assert len(stand_in.requests) == 1
    assert len(stand_in.requests[0].body) == 40


def test_settings_are_checked_by_what_the_library_declares() -> None:
    with pytest.raises(Rejected) as refused:
        kind_of("amplitude").check({"apiKey": "k"})
    assert refused.value.field == "secretKey"
    with pytest.raises(Rejected, match="Known are north_america, europe") as refused:
        kind_of("amplitude").check({"apiKey": "k", "secretKey": "s", "endpoint": "moon"})
    with pytest.raises(Rejected, match="allow_unseen=true"):
        kind_of("aws-s3").check({})
    vendors = [kind for kind in kinds() if isinstance(kind, ActionsKind)]
    assert len(vendors) > 200
    assert len({kind.id for kind in kinds()}) == len(kinds())


def until(told: Callable[[], Any], wanted: Any) -> None:
    deadline = time.monotonic() + WITHIN_S
    while (found := told()) != wanted:
        assert time.monotonic() < deadline, (found, wanted)
        time.sleep(0.05)


@pytest.mark.kill
def test_a_worker_that_is_killed_costs_no_event(
    tmp_path: Path, call: Call, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way, by the command line; each event is delivered, and its fate known."""
    monkeypatch.setenv("TIFO_ACTIONS_ROUTE", stand_in.url)
    tifo = LocalTifo(tmp_path / "data", {"TIFO_EGRESS_ALLOW": "127.0.0.0/8"})
    settings = Settings(data=tifo.data)
    key = command(settings, "source", "create", "shop", "--type", "http")["write_key"]
    asked = ["--set", "apiKey=key-1", "--set", "secretKey=secret-1"]
    made = tifo.command("destination", "add", "amplitude", "--source", "shop", "--name", "amp", *asked)
    assert made["kind"] == "amplitude"
    assert "secret-1" not in json.dumps(tifo.command("destination", "list"))
    names = [each["name"] for each in tifo.command("destination", "mapping", "list", "amp")]
    assert "Track Calls" in names
    for name in names:
        if name != "Track Calls":
            tifo.command("destination", "mapping", "disable", "amp", name)
    tried = tifo.command("destination", "test", "amp")
    assert (tried["outcome"], tried["code"]) == ("delivered", "")
    stand_in.requests.clear()
    stand_in.judge = lambda number: 503 if number % 13 == 0 else 200
    kills = 20
    chance = random.Random(11)
    with tifo.up() as process:
        for round_ in range(kills):
            ids = [f"m{round_}-{number}" for number in range(20)]
            batch = [
                {"type": "track", "event": "Seen", "userId": "ada", "messageId": each, "properties": {"id": each}}
                for each in ids
            ]
            before = len(stand_in.requests)
            assert call("POST", f"{tifo.address}/v1/batch", {"batch": batch}, write_key=key).status == 200
            until(partial(_has_more, stand_in, before), True)
            time.sleep(chance.uniform(0, 0.3))  # the moment of death, not a wait for something
            _kill_worker(process.pid)

        def parts() -> dict[str, int]:
            row, _warehouse = command(settings, "delivery", "overview")["connections"]
            told = {name: row[name] for name in ("filtered_at_destination", "waiting", "failed", "delivered")}
            assert sum(told.values()) == row["received"], row
            return {name: number for name, number in told.items() if number}

        # What was under way at several kills waits for minutes by now, but most is through.
        until(lambda: parts().get("delivered", 0) >= 10 * kills, True)
        told = parts()
    assert told.keys() <= {"delivered", "waiting"}
    assert sum(told.values()) == 20 * kills
    taken = {
        request.body["events"][0]["event_properties"]["id"]
        for number, request in enumerate(stand_in.requests, 1)
        if stand_in.judge(number) == 200
    }
    assert len(taken) >= told["delivered"]


def _has_more(stand_in: StandIn, before: int) -> bool:
    return len(stand_in.requests) > before


def _kill_worker(supervisor: int) -> None:
    for child in psutil.Process(supervisor).children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if "worker.cjs" in " ".join(child.cmdline()):
                child.send_signal(signal.SIGKILL)


@pytest.mark.kill
async def test_a_worker_that_hangs_is_replaced(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = kind_of("amplitude")
    async with aiohttp.ClientSession() as session:
        tools = Tools(session, read_allowed("127.0.0.1"), system_clock, Path())
        configured = Configured("d", "d", kind.check(VENDORS["amplitude"][0]), kind.automatic)
        destination = await kind.open(configured, tools)
        try:
            (well,) = await destination.send(events(SIX_EVENTS[:1]))  # its library is loaded then
            assert well.fate is Fate.DELIVERED
            monkeypatch.setattr("tifo.destinations.actions.sending.TIMEOUT_S", 1.0)
            monkeypatch.setattr("tifo.destinations.workers.HANGS_AFTER_S", 4.0)
            stand_in.hangs = True
            (slow,) = await destination.send(events(SIX_EVENTS[:1]))
            assert (slow.fate, slow.code) == (Fate.RETRY, "ETIMEDOUT")  # the request's own timeout
            stand_in.hangs = False
            found = [each for each in psutil.Process().children() if "worker.cjs" in " ".join(each.cmdline())]
            found[0].send_signal(signal.SIGSTOP)
            (hung,) = await destination.send(events(SIX_EVENTS[:1]))
            assert (hung.fate, hung.code) == (Fate.RETRY, "INTERNAL")
            monkeypatch.setattr("tifo.destinations.workers.HANGS_AFTER_S", 20.0)
            (well,) = await destination.send(events(SIX_EVENTS[:1]))
            assert well.fate is Fate.DELIVERED
        finally:
            await destination.close()
