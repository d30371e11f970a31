"""Handlers receive this request: it finds the caller, decodes the body and calls the engine and the queries."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar
from uuid import NAMESPACE_URL, uuid5

import msgspec
from litestar import Request
from litestar.datastructures import State

from tifo.engagement.access import Access
from tifo.engagement.commands import Command
from tifo.engagement.model import Game
from tifo.engagement.ports import Idempotency, Page
from tifo.kernel.errors import NotFound, Rejected, Unauthorized
from tifo.kernel.ids import ClientId, uuid7
from tifo.livelike.blocking import in_thread
from tifo.livelike.errors import invalid_field
from tifo.livelike.links import Links
from tifo.livelike.lists.paging import Listed, listed
from tifo.livelike.lists.query import Query
from tifo.livelike.resources.context import ResourceContext
from tifo.livelike.responses import JsonResponse, respond
from tifo.livelike.services import LiveLikeServices
from tifo.livelike.tokens import Caller

MAX_KEY_LENGTH = 255
MIN_ANONYMOUS_KEY_LENGTH = 16
"""A sign-up's key must not be guessable: whoever repeats it gets the fan's token."""

A = TypeVar("A")
R = TypeVar("R")
T = TypeVar("T")
P = ParamSpec("P")


class LiveLikeRequest(Request[Any, Any, State]):
    """A request to a LiveLike route."""

    @property
    def services(self) -> LiveLikeServices:
        services: LiveLikeServices = self.app.state["services"]
        return services

    @property
    def links(self) -> Links:
        return Links(self.services.public_url or f"{self.scope['scheme']}://{self.header(b'host') or 'localhost'}")

    @property
    def query(self) -> Query:
        return Query(self.scope["query_string"])

    def header(self, name: bytes) -> str | None:
        # Building Litestar's map of headers costs more than a search of the raw ones.
        return next((value.decode("latin-1") for key, value in self.scope["headers"] if key == name), None)

    def part(self, name: str) -> str:
        """Returns a path parameter. Raises `NotFound` for a text that no id can be and that a database would refuse."""
        value: str = self.path_params[name]
        if "\0" in value or _SURROGATE.search(value):
            raise NotFound("There is nothing at this address.")
        return value

    @property
    def token(self) -> str:
        """Returns the token after any scheme (LiveLike's are `Bearer` and `Token`), or an empty text."""
        return (self.header(b"authorization") or "").strip().partition(" ")[2].strip()

    async def caller_or_none(self) -> Caller | None:
        """Returns None without a token, and for the empty `Bearer` that LiveLike's SDK signs up with."""
        token = self.token
        return await self.services.tokens.caller(token) if token else None

    async def caller(self, client_id: str | None = None) -> Caller:
        """Returns the caller. Raises `Forbidden` where `client_id` names another application."""
        caller = await self.caller_or_none()
        if caller is None:
            raise Unauthorized("Authentication credentials were not provided: send Authorization: Bearer <token>.")
        caller.must_be_of(client_id)
        return caller

    async def producer(self, client_id: str | None = None) -> Caller:
        caller = await self.caller(client_id)
        caller.must_be_producer()
        return caller

    async def organisation(self) -> Access:
        """Opens applications and tokens to a request with the organisation's token; raises `Forbidden` for others."""
        if self.services.access is None:
            raise NotFound("There is nothing at this address.")
        if not self.token:
            raise Unauthorized("Authentication credentials were not provided: send Authorization: Token <token>.")
        await self.services.tokens.must_be_organisation(self.token)
        return self.services.access

    async def is_organisation(self) -> bool:
        return bool(self.token) and await self.services.tokens.is_organisation(self.token)

    async def once(self) -> Idempotency | None:
        """Returns the idempotency of a write by the organisation, or None without an Idempotency-Key."""
        key = self.header(b"idempotency-key")
        # Two of the organisation's tokens do not share keys: a secret in an answer belongs to one of them.
        return None if key is None else await self.idempotency(f"organisation {self.token}", key)

    def new_secret(self, purpose: str) -> str:
        """Makes a secret to show once. With an Idempotency-Key it is derived from the key and the caller's token."""
        key = self.header(b"idempotency-key")
        if key is None:
            return secrets.token_urlsafe(32)
        # The store has digests only, so a repeated request can show the same secret only by deriving it again. The
        # token is stored nowhere, so nobody but its holder can derive it.
        derived = hmac.digest(self.token.encode(), f"{purpose}\0{self.scope['path']}\0{key}".encode(), "sha256")
        return base64.urlsafe_b64encode(derived).decode().rstrip("=")

    def new_id(self, caller: Caller) -> str:
        """Makes an id that is not stored. A request repeated with its Idempotency-Key gets the same id again."""
        key = self.header(b"idempotency-key")
        if key is None:
            return uuid7()
        return str(uuid5(NAMESPACE_URL, f"{caller.client_id}/{caller.subject}/{self.scope['path']}/{key}"))

    async def decoded(self, decoder: msgspec.json.Decoder[T], *, empty_is: bytes = b"") -> T:
        body = await self.body() or empty_is
        # PostgreSQL stores no NUL character. The regular expression is slow, so the plain search goes first.
        if b"\\u0000" in body and _NUL.search(body):
            raise Rejected("The body holds a NUL character (\\u0000); leave it out.")
        try:
            return decoder.decode(body)
        except msgspec.ValidationError as exc:
            raise invalid_field(exc) from exc
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise Rejected(f"The body is not valid JSON in UTF-8: {exc}.") from exc
        except RecursionError as exc:
            raise Rejected("The body is nested too deeply.") from exc

    async def handle(self, caller: Caller, command: Command[A]) -> A:
        key = self.header(b"idempotency-key")
        if key is None:
            return await self.services.engine.handle(command)
        return await self.services.engine.handle(command, await self.idempotency(caller.subject, key))

    async def idempotency(self, subject: str, key: str) -> Idempotency:
        """Hashes the key with its subject, so that two fans with the same key do not collide."""
        if not 0 < len(key) <= MAX_KEY_LENGTH:
            raise Rejected(f"Idempotency-Key must have 1 to {MAX_KEY_LENGTH} characters.")
        scoped = hashlib.sha256(f"{subject}\0{key}".encode()).hexdigest()
        # One key with two addresses is two requests, and the second is refused. The last slash is optional.
        head = f"{self.scope['method']} {self.scope['path'].rstrip('/')}\n".encode("utf-8", "surrogateescape")
        return Idempotency(scoped, hashlib.sha256(head + await self.body()).digest())

    async def in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a blocking call in a thread, and repeats it where the connection to the state was lost."""
        return await in_thread(call, *args, **kwargs)

    async def context(self, client_id: ClientId) -> ResourceContext:
        return self.context_of(await self.services.reads.game(client_id))

    def context_of(self, game: Game) -> ResourceContext:
        return ResourceContext(self.links, game, self.services.clock())

    def page(self, page: Page[T], resource: Callable[[T], R]) -> JsonResponse[Listed[R]]:
        return respond(listed(page, resource, self.links, self.scope["path"], self.query))


_SURROGATE = re.compile("[\ud800-\udfff]")
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
