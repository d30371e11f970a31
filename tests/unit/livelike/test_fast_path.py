"""The hottest routes before Litestar's router answer as Litestar does, byte for byte."""

import json
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import httpx
import pytest
from litestar import Litestar

from tifo.livelike.batched_reads import BatchedReads
from tifo.livelike.fast_path import FastPath

PROGRESS, INVOKE = "/api/v1/user-quest-task-progress/", "/api/v1/invoked-actions/"
_PREFLIGHT = {b"access-control-allow-headers", b"access-control-allow-methods", b"access-control-max-age"}


class Counting:
    """The Litestar application, and how many requests reached it as such."""

    def __init__(self, app: Litestar) -> None:
        self.app = app
        self.reached = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.app, name)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached += 1
        await self.app(scope, receive, send)


@pytest.fixture
async def quick(stage: Any, app: Litestar) -> AsyncIterator[Any]:
    """Sends each request to both; the answers must be the same. `reached` counts the requests that reached Litestar."""
    counting = Counting(app)
    # Litestar's client runs the app in an event loop of its own, and reads gather on one loop.
    own = BatchedReads(stage.world.twin)
    clients = [
        httpx.AsyncClient(transport=httpx.ASGITransport(app=each), base_url="http://tifo")  # type: ignore[arg-type]
        for each in (FastPath(counting), app)  # type: ignore[arg-type]
    ]

    class Asked:
        reached = 0

        async def __call__(self, method: str, path: str, *, token: str | None = None, **more: Any) -> httpx.Response:
            headers = {"authorization": f"Bearer {stage.world.producer if token is None else token}"}
            headers |= more.pop("headers", {})
            before = counting.reached
            theirs = app.state["services"]
            app.state["services"] = theirs._replace(reads=own)
            first, second = [await each.request(method, path, headers=headers, **more) for each in clients]
            app.state["services"] = theirs
            self.reached = counting.reached - before
            assert first.status_code == second.status_code
            extra = set(second.headers.raw) - set(first.headers.raw)
            assert set(first.headers.raw) <= set(second.headers.raw)
            # Litestar sends what belongs to preflights with errors too, which no browser reads there.
            assert {name for name, _ in extra} <= _PREFLIGHT
            assert _known(first) == _known(second)
            return first

    yield Asked()
    await own.close()
    for client in clients:
        await client.aclose()


def _known(answer: httpx.Response) -> object:
    body: object = answer.json()
    if isinstance(body, MutableMapping):
        # Two actions are two, and their moments differ.
        body = {name: value for name, value in body.items() if name not in {"id", "created_at"}}
    return body


async def test_balances(stage: Any, quick: Any) -> None:
    fan = await stage.world.fan()
    path = f"/api/v1/profiles/{fan['id']}/reward-item-balances/"
    answer = await quick("GET", path, token=fan["access_token"])
    assert (answer.status_code, answer.json()["count"], quick.reached) == (200, 1, 0)
    filtered = await quick("GET", path, params={"reward_item_id": "none", "page_size": 5})
    assert (filtered.json()["count"], quick.reached) == (0, 0)


async def test_an_invoked_action_and_a_step(stage: Any, quick: Any) -> None:
    fan = await stage.world.fan()
    body = {"program_id": stage.world.program_id, "profile_id": fan["id"], "reward_action_key": "vote"}
    answer = await quick("POST", INVOKE, json=body)
    assert (answer.status_code, answer.json()["rewards"][0]["reward_item_amount"], quick.reached) == (201, 5, 0)
    run = await stage.world.make(
        "user-quests/", quest_id=stage.quest["id"], profile_id=fan["id"], token=fan["access_token"]
    )
    step = {"user_quest_task_id": run["user_quest_tasks"][1]["id"], "custom_progress": 0.5}
    answer = await quick("POST", PROGRESS, json=step)
    assert (answer.status_code, answer.json()["user_quest_task"]["progress"], quick.reached) == (201, 0.5, 0)


@pytest.mark.parametrize(
    ("token", "content", "status"),
    [
        ("", b"{}", 401),
        ("nobody's", b"{}", 401),
        (None, b"{", 400),
        (None, b"{}", 400),
        (None, b'{"reward_action_key": "\\u0000"}', 400),
        (None, json.dumps({"program_id": "p", "profile_id": "x", "reward_action_key": "vote"}).encode(), 404),
        (None, b" " * 1_100_000, 413),
    ],
)
async def test_what_is_refused(quick: Any, token: str | None, content: bytes, status: int) -> None:
    answer = await quick("POST", INVOKE, token=token, content=content)
    assert (answer.status_code, quick.reached) == (status, 0)


async def test_another_fans_balances_are_refused_and_an_unknown_fan_is_not_found(stage: Any, quick: Any) -> None:
    one, other = await stage.world.fan(), await stage.world.fan()
    path = f"/api/v1/profiles/{other['id']}/reward-item-balances/"
    assert (await quick("GET", path, token=one["access_token"])).status_code == 403
    assert (await quick("GET", "/api/v1/profiles/nobody/reward-item-balances/")).status_code == 404
    assert (await quick("GET", "/api/v1/profiles/a%00b/reward-item-balances/")).status_code == 404
    assert quick.reached == 0


async def test_browsers_are_answered_too(stage: Any, quick: Any) -> None:
    fan = await stage.world.fan()
    path = f"/api/v1/profiles/{fan['id']}/reward-item-balances/"
    answer = await quick("GET", path, headers={"origin": "https://club.example"})
    assert (answer.headers["access-control-allow-origin"], quick.reached) == ("*", 0)
    refused = await quick("GET", path, headers={"origin": "https://club.example"}, token="")
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "*")


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", INVOKE, {}),
        ("OPTIONS", INVOKE, {"origin": "https://club.example", "access-control-request-method": "POST"}),
        ("GET", "/api/v1/profiles/a/b/reward-item-balances/", {}),
        ("GET", "/api/v1/profiles//reward-item-balances/", {}),
        ("GET", "/api/v1/profiles/x/reward-item-balances/", {"cookie": "a=b", "origin": "https://club.example"}),
        ("POST", INVOKE.rstrip("/"), {}),
    ],
)
async def test_what_is_unusual_goes_to_litestar(quick: Any, method: str, path: str, headers: dict[str, str]) -> None:
    if method == "OPTIONS":
        with pytest.raises(json.JSONDecodeError):  # a preflight's answer is no JSON
            await quick(method, path, headers=headers)
    else:
        await quick(method, path, headers=headers)
        assert quick.reached == 1
