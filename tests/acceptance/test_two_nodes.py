"""Two whole nodes on one PostgreSQL state do its common work one at a time, also when one is killed or paused."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.postgres import PostgresServer
from tifo.app import compose
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import Settings
from tifo.kernel.errors import Transient
from tifo.kernel.ids import Position

Call = Callable[..., Any]
FACTS = 400
IN_FLIGHT = 200
"""Webhooks whose outcome a sender stores together: so many may come again after a kill."""
WITHIN_S = 60.0
FLAGS = ("--flush-s", "0.5", "--egress-allow", "127.0.0.0/8")


class Receiver:
    """A subscriber that accepts everything, and counts how often each webhook came."""

    def __init__(self) -> None:
        self.came: Counter[str] = Counter()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.came[json.loads(self.rfile.read(int(self.headers["Content-Length"])))["id"]] += 1
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Not to the test's output."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Node:
    """A whole `tifo up`, with a data folder and a port of its own."""

    def __init__(self, data: Path, url: str) -> None:
        self.local = LocalTifo(data, {"TIFO_DATABASE_URL": url})
        self.process: subprocess.Popen[bytes] | None = None

    def processes(self) -> list[psutil.Process]:
        assert self.process is not None
        supervisor = psutil.Process(self.process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def signal(self, number: signal.Signals) -> None:
        """Sends it to all of the node's processes; the supervisor first, as it would start a killed role again."""
        for process in self.processes():
            os.kill(process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(10)
        self.process = None

    def start(self) -> None:
        self.process = self.local.start(*FLAGS)
        try:
            self.local.wait_until_healthy(self.process)
        except Transient:  # two whole nodes on a machine that is busy: once more
            self.local.wait_until_healthy(self.process)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
            self.process = None

    def holds(self, holder: str) -> bool:
        name = (self.local.data / "leases" / "relay").read_text()
        return holder.startswith(f"{name}/")

    def facts(self) -> list[str]:
        """The message ids in this node's event log, in its order."""
        with contextlib.closing(compose.open_log_reader(Settings(data=self.local.data))) as log:
            blocks = log.read(Position(0), max_events=100_000)
        return [json.loads(line)["messageId"] for block in blocks for line in block.bodies.splitlines()]


class Club:
    """An application that is connected to its own source, with a subscriber of its webhooks."""

    def __init__(self, pair: "Pair", call: Call) -> None:
        self.call = call
        self.receiver = Receiver()
        self.pair = pair
        tifo = pair.nodes[0].local
        self.app = tifo.command("app", "create", "Club")
        self.client_id = self.app["client_id"]
        source = tifo.command("source", "create", f"Play {self.client_id[-12:]}", "--type", "livelike")
        tifo.command("app", "connect", self.client_id, "--write-key", source["write_key"])
        self.hook = tifo.command("app", "webhook", "add", self.client_id, self.receiver.address)["id"]
        self.codes = 0
        item = self._make("reward-items/", name="Points")
        self._make("reward-actions/", name="Vote", key="vote")
        entry = {"reward_item_id": item["id"], "reward_item_amount": 1, "action": "vote"}
        self._make("reward-tables/", name="Match", entries=[entry])
        for number in range(10):
            self._make(f"profile-by-custom-id/{self.client_id}/fan-{number}/")

    def _make(self, path: str, **body: object) -> Any:
        url = f"{self.pair.nodes[0].local.address}/api/v1/{path}"
        answer = self.call("POST", url, {"client_id": self.client_id, **body}, token=self.app["producer_token"])
        assert answer.status == 201, answer
        return answer.body

    def vote(self, votes: int, *, at: "Sequence[Node]") -> None:
        """Pays so many rewards, each by one of the nodes in turn: each is one fact."""
        first, self.codes = self.codes, self.codes + votes
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda code: self._vote(code, at[code % len(at)]), range(first, self.codes)))

    def _vote(self, code: int, node: Node) -> None:
        body = {
            "program_id": self.app["program_id"],
            "custom_profile_id": f"fan-{code % 10}",
            "reward_action_key": "vote",
            "code": str(code),
        }
        url = f"{node.local.address}/api/v1/invoked-actions/"
        answer = self.call("POST", url, body, token=self.app["producer_token"])
        assert answer.status == 201, answer

    def paid(self) -> set[str]:
        """The ids of all facts."""
        return set(self.pair.sql(f"SELECT id FROM facts WHERE client_id = '{self.client_id}'"))

    def relayed(self, node: Node) -> list[str]:
        paid = self.paid()
        return [message_id for message_id in node.facts() if message_id in paid]

    def settle(self, through: Node) -> None:
        """Until every fact has left both queues."""
        deadline = time.monotonic() + WITHIN_S
        while self.waiting() != (0, 0):
            assert time.monotonic() < deadline, (self.waiting(), through.local.command("app", "show", self.client_id))
            time.sleep(0.2)

    def waiting(self) -> tuple[int, int]:
        """Facts that the relay and the sender of webhooks have not finished with."""
        unsent = self.pair.sql(
            "SELECT (SELECT count(*) FROM facts f WHERE f.client_id = a.id AND f.position >"
            " coalesce((SELECT position FROM relay_cursors c WHERE c.client_id = a.id), 0)) || ' ' ||"
            f" (SELECT {len(self.paid())} - delivered FROM webhook_subscribers WHERE id = '{self.hook}')"
            f" FROM applications a WHERE id = '{self.client_id}'"
        )[0].split()
        return int(unsent[0]), int(unsent[1])

    def holder(self, group: str = "relay") -> Node:
        piece = self.client_id if group == "relay" else self.hook
        deadline = time.monotonic() + WITHIN_S
        while True:
            held = f"SELECT holder FROM leases WHERE name = '{group}/{piece}' AND holder <> ''"
            found = [node for node in self.pair.nodes for holder in self.pair.sql(held) if node.holds(holder)]
            if found:
                return found[0]
            assert time.monotonic() < deadline, "no node relays the application"
            time.sleep(0.1)


class Pair:
    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self.server = server
        self.url = server.new_database()
        self.nodes = [Node(folder / name, self.url) for name in ("a", "b")]

    def sql(self, query: str) -> list[str]:
        return self.server.run(query, self.url).splitlines()

    def other(self, node: Node) -> Node:
        return next(each for each in self.nodes if each is not node)

    def until_member(self, node: Node) -> None:
        """Until the node's relay takes part again: it has looked, and has stopped what is not its own."""
        deadline = time.monotonic() + WITHIN_S
        live = "SELECT holder FROM leases WHERE name LIKE 'relay/@%' AND expires_at > extract(epoch FROM now()) * 1e6"
        while not any(map(node.holds, self.sql(live))):
            assert time.monotonic() < deadline, "the node's relay does not come back"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def pair(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair(postgres, tmp_path_factory.mktemp("pair"))
    try:
        for node in made.nodes:
            node.start()
        yield made
    finally:
        # Without a look at the exit codes: eight roles on a busy machine need longer to stop than one node's four may.
        for node in made.nodes:
            node.stop()


def test_two_nodes_relay_each_fact_once_and_send_each_webhook_once(pair: Pair, call: Call) -> None:
    clubs = [Club(pair, call), Club(pair, call)]
    for club in clubs:
        club.vote(FACTS, at=pair.nodes)
    for club in clubs:
        club.settle(pair.nodes[0])
        relayed = [*club.relayed(pair.nodes[0]), *club.relayed(pair.nodes[1])]
        assert len(relayed) == FACTS
        assert set(relayed) == club.paid()
        assert club.receiver.came == dict.fromkeys(club.paid(), 1)
    assert {clubs[0].holder(), clubs[1].holder()} == set(pair.nodes), "each node relays one of the two applications"


def test_a_killed_nodes_work_goes_on_at_the_other_and_only_what_was_in_flight_comes_twice(
    pair: Pair, call: Call
) -> None:
    club = Club(pair, call)
    club.vote(50, at=pair.nodes)
    victim = club.holder()
    other = pair.other(victim)
    voting = threading.Thread(target=club.vote, args=(FACTS,), kwargs={"at": [other]})
    voting.start()
    _until(lambda: len(victim.facts()) > 0 and len(club.receiver.came) > 80)
    victim.kill()
    voting.join()
    # The victim may have sent all that there was: these are the other's to send.
    club.vote(20, at=[other])
    club.settle(other)
    _check_remainder(club, victim, other)
    assert club.holder() is other
    victim.start()
    club.vote(100, at=pair.nodes)
    club.settle(other)
    _check_remainder(club, victim, other)


def test_a_node_that_is_started_after_a_kill_does_not_wait_for_its_own_leases(pair: Pair, call: Call) -> None:
    club = Club(pair, call)
    club.vote(20, at=pair.nodes)
    club.settle(pair.nodes[0])
    victim = club.holder()
    other = pair.other(victim)
    other.stop()  # now the victim is alone
    before = pair.sql("SELECT count(*) FROM leases WHERE holder <> ''")
    assert before != ["0"]
    victim.kill()
    # Far in the future: only the name of the folder's process before can free them.
    pair.sql("UPDATE leases SET expires_at = expires_at + 3600000000 WHERE holder <> ''")
    victim.start()
    club.vote(20, at=[victim])
    club.settle(victim)
    assert club.receiver.came == dict.fromkeys(club.paid(), 1)
    other.start()


def test_a_node_that_was_paused_moves_nothing_and_only_what_was_in_flight_comes_twice(pair: Pair, call: Call) -> None:
    club = Club(pair, call)
    club.vote(50, at=pair.nodes)
    paused = club.holder()
    other = pair.other(paused)
    voting = threading.Thread(target=club.vote, args=(FACTS,), kwargs={"at": [other]})
    voting.start()
    _until(lambda: len(club.receiver.came) > 80)
    paused.signal(signal.SIGSTOP)
    voting.join()
    # The paused one may have sent all that there was: these are the other's to send.
    club.vote(20, at=[other])
    club.settle(other)
    assert club.holder() is other
    before = pair.sql(f"SELECT position FROM relay_cursors WHERE client_id = '{club.client_id}'")
    paused.signal(signal.SIGCONT)
    pair.until_member(paused)
    assert pair.sql(f"SELECT position FROM relay_cursors WHERE client_id = '{club.client_id}'") == before
    club.vote(100, at=pair.nodes)
    club.settle(other)
    _check_remainder(club, paused, other)


def _check_remainder(club: Club, first: Node, then: Node) -> None:
    """Nothing is lost; what came twice is the end of what the first node sent."""
    paid = club.paid()
    assert len(paid) == club.codes
    logs = Counter([*club.relayed(first), *club.relayed(then)])
    assert set(logs) == paid
    twice = {message_id for message_id, times in logs.items() if times > 1}
    assert max(logs.values()) <= 2
    assert len(twice) <= IN_FLIGHT * 3, "no more than one batch of the relay"
    assert set(club.receiver.came) == paid
    again = [times for times in club.receiver.came.values() if times > 1]
    assert len(again) <= IN_FLIGHT
    assert max(club.receiver.came.values()) <= 2


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
