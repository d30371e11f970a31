"""The real `tifo up` on a disk that fills up and is given space again, with nothing restarted."""

import os
import resource
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands import command
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import Settings

Call = Callable[..., Any]
_FULL_AT = 1_000_000
_ROUNDS = 300


def processes(root: int) -> list[int]:
    """The supervisor and its roles."""
    return [root, *map(int, Path(f"/proc/{root}/task/{root}/children").read_text().split())]


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux: limits set on processes that run already")
def test_a_full_disk_costs_nothing_that_was_answered_and_heals_without_a_restart(tmp_path: Path, call: Call) -> None:
    tifo = LocalTifo(tmp_path / "data")
    settings = Settings(data=tifo.data)
    app = command(settings, "app", "create", "Club")
    source = command(settings, "source", "create", "LiveLike_Demo", "--type", "livelike")
    client_id = app["client_id"]
    command(settings, "app", "connect", client_id, "--write-key", source["write_key"])
    with (tmp_path / "log").open("wb") as log, _stderr_to(log.fileno()), tifo.up("--flush-s", "0.3") as up:

        def create(path: str, **body: object) -> Any:
            answer = call("POST", f"{tifo.address}/api/v1/{path}", {"client_id": client_id, **body}, token=token)
            assert answer.status == 201, answer
            return answer.body

        def play() -> tuple[Counter[int], Counter[int]]:
            """An event and an action in turn: their statuses."""
            events, actions = Counter[int](), Counter[int]()
            for number in range(_ROUNDS):
                event = {"messageId": f"m-{number}", "userId": "u", "event": "Filler", "properties": {"x": "y" * 8_000}}
                answer = call("POST", f"{tifo.address}/v1/track", event, write_key=source["write_key"])
                events[answer.status] += 1
                assert answer.status == 200 or int(answer.headers["retry-after"]) >= 1
                action = {"program_id": app["program_id"], "custom_profile_id": "fan-1", "reward_action_key": "vote"}
                code = {"client_id": client_id, **action, "code": f"c-{number}"}
                answer = call("POST", f"{tifo.address}/api/v1/invoked-actions/", code, token=token)
                actions[answer.status] += 1
            return events, actions

        token = app["producer_token"]
        item = create("reward-items/", name="Points")["id"]
        create("reward-actions/", key="vote", name="Vote")
        entry = {"reward_item_id": item, "reward_item_amount": 5, "action": "vote"}
        create("reward-tables/", name="Match", entries=[entry])
        create(f"profile-by-custom-id/{client_id}/fan-1/", nickname="Zoë")
        running = processes(up.pid)
        for process in running:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (_FULL_AT, resource.RLIM_INFINITY))
        events, actions = play()
        assert events.keys() == {200, 503}
        assert actions.keys() == {201, 503}
        for process in running:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert play() == ({200: _ROUNDS}, {201: actions[503], 409: actions[201]})
        expected = {"filler": _ROUNDS, "reward_item_rewarded": _ROUNDS}
        deadline = time.monotonic() + 60
        while tifo.rows(source["schema"], list(expected)) != expected or not tifo.audit()["ok"]:
            assert time.monotonic() < deadline, (tifo.rows(source["schema"], list(expected)), tifo.audit())
            time.sleep(0.2)
        assert processes(up.pid) == running, "no role was started again"


class _stderr_to:  # noqa: N801 (reads as a function)
    """What is started in the block writes its log there: on the full disk, too."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __enter__(self) -> None:
        self.before = os.dup(2)
        os.dup2(self.descriptor, 2)

    def __exit__(self, *_: object) -> None:
        os.dup2(self.before, 2)
        os.close(self.before)
