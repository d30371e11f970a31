"""Plays the script over HTTP: the producer sets the game up and reports actions, fans start, watch and claim."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp

from tifo.app.demo.script import (
    BADGES,
    PAYS,
    PREDICT,
    PREDICT_TARGET,
    QUEST_COINS,
    QUEST_POINTS,
    VOTE,
    VOTE_TARGET,
    WATCH,
    FanScript,
)

PLAYING_AT_ONCE = 32


class UnexpectedAnswer(Exception):
    """The server answered otherwise than LiveLike's API says."""


@dataclass(frozen=True)
class Match:
    """The game as set up, and the way to reach it."""

    session: aiohttp.ClientSession
    base: str
    client_id: str
    program_id: str
    producer_token: str
    quest_id: str
    watch_task_id: str

    async def call(
        self, method: str, path: str, token: str, body: Mapping[str, Any] | None = None, *, expect: int
    ) -> Any:
        return await _call(self.session, method, f"{self.base}{path}", token, body, expect=expect)


async def set_up(session: aiohttp.ClientSession, base: str, app: Mapping[str, str]) -> Match:
    """`app` is what `tifo app create --json` printed."""
    client_id, token = app["client_id"], app["producer_token"]

    async def create(path: str, **body: object) -> Any:
        return await _call(session, "POST", f"{base}{path}", token, {"client_id": client_id, **body}, expect=201)

    points = await create("reward-items/", name="Points")
    coins = await create("reward-items/", name="Coins")
    for key in (VOTE, PREDICT):
        await create("reward-actions/", key=key, name=key.title())
    entries = [
        {"reward_item_id": points["id"], "reward_item_amount": amount, "action": key} for key, amount in PAYS.items()
    ]
    await create("reward-tables/", name="Match", entries=entries)
    for name, needed in BADGES.items():
        await create("badges/", name=name, reward_item_id=points["id"], reward_item_threshold=needed)
    await create("badges/", name="Champion", reward_item_id=coins["id"], reward_item_threshold=1)
    quest = await create("quests/", name="Matchday")

    async def add_task(name: str, **more: object) -> Any:
        return await create("quest-tasks/", quest_id=quest["id"], name=name, **more)

    await add_task("Vote twice", target_value=VOTE_TARGET, reward_action_key=VOTE)
    await add_task("Predict", target_value=PREDICT_TARGET, reward_action_key=PREDICT)
    watch = await add_task("Watch both halves", target_value=1, default_progress_increment=0.5)
    rewards = [
        {"reward_item_id": points["id"], "reward_item_amount": QUEST_POINTS},
        {"reward_item_id": coins["id"], "reward_item_amount": QUEST_COINS},
    ]
    await create("quest-rewards/", quest_id=quest["id"], quest_rewards=rewards)
    return Match(
        session=session,
        base=base,
        client_id=client_id,
        program_id=app["program_id"],
        producer_token=token,
        quest_id=quest["id"],
        watch_task_id=watch["id"],
    )


async def play(match: Match, script: Sequence[FanScript], on_fan_done: Callable[[], None]) -> None:
    """All fans, some at once. Raises the first fan's error."""
    gate = asyncio.Semaphore(PLAYING_AT_ONCE)

    async def one(fan: FanScript) -> None:
        async with gate:
            await _play_fan(match, fan)
            on_fan_done()

    async with asyncio.TaskGroup() as group:
        for fan in script:
            group.create_task(one(fan))


async def _play_fan(match: Match, fan: FanScript) -> None:
    profile = await _sign_up(match, fan)
    token = profile["access_token"]
    started = {"quest_id": match.quest_id, "profile_id": profile["id"]}
    user_quest = await match.call("POST", "user-quests/", token, started, expect=201)
    await match.call("POST", "user-quests/", token, started, expect=409)
    watch = next(t for t in user_quest["user_quest_tasks"] if t["quest_task"]["id"] == match.watch_task_id)
    for index, action in enumerate(fan.actions):
        if action == WATCH:
            await match.call(
                "POST", "user-quest-task-progress/", token, {"user_quest_task_id": watch["id"]}, expect=201
            )
            continue
        body = {
            "program_id": match.program_id,
            "profile_id": profile["id"],
            "reward_action_key": action,
            "code": f"{fan.number}-{index}",
        }
        await match.call("POST", "invoked-actions/", match.producer_token, body, expect=201)
        if index in fan.repeats:
            await match.call("POST", "invoked-actions/", match.producer_token, body, expect=409)
    if fan.claims:
        await _claim(match, fan, token, user_quest["id"])


async def _sign_up(match: Match, fan: FanScript) -> Any:
    if fan.custom_id is None:
        path = f"applications/{match.client_id}/profile/"
        return await match.call("POST", path, "", {"nickname": fan.nickname}, expect=201)
    path = f"profile-by-custom-id/{match.client_id}/{fan.custom_id}/"
    return await match.call("POST", path, match.producer_token, {"nickname": fan.nickname}, expect=201)


async def _claim(match: Match, fan: FanScript, token: str, user_quest_id: str) -> None:
    """Twice, as an impatient fan does: paid once."""
    expect = 200 if fan.completes_quest else 400
    for _ in range(2):
        body = {"rewards_status": "claimed"}
        await match.call("PATCH", f"user-quests/{user_quest_id}/", token, body, expect=expect)


async def _call(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    token: str,
    body: Mapping[str, Any] | None,
    *,
    expect: int,
) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    while True:
        async with session.request(method, url, json=body, headers=headers) as answer:
            if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
                await asyncio.sleep(float(answer.headers.get("Retry-After", "1")))
                continue
            if answer.status != expect:
                raise UnexpectedAnswer(
                    f"{method} {url} gave {answer.status}, not {expect}: {(await answer.text())[:500]}"
                )
            return await answer.json()
