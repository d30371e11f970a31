"""Clients of the routes under test: of the in-memory twin (`World`, `Stage`) and of the engine on SQLite (`Match`)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import jwt

from tifo.engagement.ports import NewApplication
from tifo.kernel.ids import ClientId
from tifo.store.engagement.access import SqlAccess


def client_secret(client_id: str) -> str:
    return f"the client secret of application {client_id}"


def producer_token(client_id: str) -> str:
    return f"producer-token-of-{client_id}"


class Answer:
    def __init__(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.status = status
        self.headers = headers
        self.body: Any = json.loads(content, parse_float=Decimal) if content else None


@dataclass
class World:
    """One application (`client_id`) and a rival, over HTTP."""

    http: Any
    twin: Any
    clock: Any
    client_id: ClientId
    rival_id: ClientId

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`token` defaults to the producer's; "" is the empty Bearer that the SDK signs up with."""
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        sent = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self.producer if token is None else token}",
        }
        url = path if path.startswith("/") else f"/api/v1/{path}"
        answer = await self.http.request(method, url, content=content, headers={**sent, **(headers or {})})
        return Answer(answer.status_code, answer.content, answer.headers)

    async def make(self, path: str, token: str | None = None, **body: object) -> Any:
        """Returns the resource that a POST made."""
        answer = await self.call("POST", path, body, token=token)
        assert answer.status == 201, answer.body
        return answer.body

    async def get(self, path: str, token: str | None = None) -> Any:
        answer = await self.call("GET", path, token=token)
        assert answer.status == 200, answer.body
        return answer.body

    @property
    def producer(self) -> str:
        return producer_token(self.client_id)

    @property
    def rival(self) -> str:
        return producer_token(self.rival_id)

    @property
    def program_id(self) -> str:
        program_id: str = self.twin.game(self.client_id).application.default_program_id
        return program_id

    async def fan(self, nickname: str = "Zoë", client_id: str | None = None) -> Any:
        return await self.make(f"applications/{client_id or self.client_id}/profile/", token="", nickname=nickname)

    def signed(self, *, client_id: str | None = None, secret: str | None = None, **claims: object) -> str:
        """A token as an integrator makes it."""
        issuer = client_id or self.client_id
        key = secret or client_secret(issuer)
        given = {"iss": issuer, "iat": int(self.clock().timestamp()), **claims}
        return jwt.encode({k: v for k, v in given.items() if v is not None}, key, algorithm="HS256")


class Stage:
    """A world with one of each definition: an item, an action, a table that pays 5, badges, a quest."""

    world: World
    item: Any
    action: Any
    table: Any
    badge: Any
    plain_badge: Any
    quest: Any
    vote_task: Any
    watch_task: Any


class Match:
    def __init__(self, http: Any, made: NewApplication, access: SqlAccess) -> None:
        self.access = access
        self.http = http
        self.made = made
        self.client_id = made.application.id

    async def call(self, method: str, path: str, body: Any = None, token: str | None = None, **headers: str) -> Any:
        sent = {"Authorization": f"Bearer {self.made.producer_token if token is None else token}", **headers}
        return await self.http.request(method, f"/api/v1/{path}", json=body, headers=sent)

    async def make(self, path: str, token: str | None = None, **body: object) -> Any:
        answer = await self.call("POST", path, body, token)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def get(self, path: str, token: str | None = None) -> Any:
        answer = await self.call("GET", path, token=token)
        assert answer.status_code == 200, answer.text
        return answer.json()


class Club(Match):
    """A match with an item, an action and a fan."""

    points: str
    action: str
    fan: str
    program_id: str

    def entry(self, amount: int = 5, **more: Any) -> dict[str, Any]:
        """The body of an entry that pays for a vote."""
        return {"reward_item_id": self.points, "reward_item_amount": amount, "action": "vote", **more}

    async def vote(self) -> list[int]:
        """Invokes the action, and returns the amounts that it paid."""
        body = {"program_id": self.program_id, "profile_id": self.fan, "reward_action_key": "vote"}
        invoked = await self.make("invoked-actions/", **body)
        return [reward["reward_item_amount"] for reward in invoked["rewards"]]
