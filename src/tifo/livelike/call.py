"""One request, as the routes see it: who calls, what the body holds, what to ask of the engine and the queries."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar
from uuid import NAMESPACE_URL, uuid5

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.response.base import ASGIResponse

from tifo.engagement.access import Access
from tifo.engagement.commands import Command
from tifo.engagement.images import Images
from tifo.engagement.model import Game
from tifo.engagement.ports import Engine, Idempotency, Page, Queries
from tifo.kernel.clock import Clock
from tifo.kernel.errors import NotFound, Rejected, Unauthorized
from tifo.kernel.ids import ClientId, uuid7
from tifo.livelike.asking import ask
from tifo.livelike.errors import invalid_field
from tifo.livelike.links import Links
from tifo.livelike.nicknames import Nicknames
from tifo.livelike.paging import envelope
from tifo.livelike.query import Query
from tifo.livelike.reads import Reads
from tifo.livelike.resources import Resources
from tifo.livelike.tokens import Caller, Tokens

MAX_KEY_LENGTH = 255
MIN_ANONYMOUS_KEY_LENGTH = 16

A = TypeVar("A")
T = TypeVar("T")
P = ParamSpec("P")


class LiveLikeServices(NamedTuple):
    """What all requests share."""

    engine: Engine
    queries: Queries
    tokens: Tokens
    nicknames: Nicknames
    public_url: str | None
    clock: Clock
    reads: Reads
    access: Access | None = None
    images: Images | None = None


class LiveLikeRequest(Request[Any, Any, State]):
    """A request. Headers are looked up in the raw scope: building Litestar's header map costs more than the look."""

    @property
    def desk(self) -> LiveLikeServices:
        desk: LiveLikeServices = self.app.state["desk"]
        return desk

    @property
    def links(self) -> Links:
        return Links(self.desk.public_url or f"{self.scope['scheme']}://{self.header(b'host') or 'localhost'}")

    @property
    def query(self) -> Query:
        return Query(self.scope["query_string"])

    def header(self, name: bytes) -> str | None:
        return next((value.decode("latin-1") for key, value in self.scope["headers"] if key == name), None)

    def part(self, name: str) -> str:
        """A path parameter. What no id can be (and no database takes) is not found."""
        value: str = self.path_params[name]
        if "\0" in value or _SURROGATE.search(value):
            raise NotFound("There is nothing at this address.")
        return value

    @property
    def token(self) -> str:
        """Whatever the scheme is called: LiveLike's are `Bearer` and `Token`. Empty where there is none."""
        return (self.header(b"authorization") or "").strip().partition(" ")[2].strip()

    async def caller_or_none(self) -> Caller | None:
        """None without a token; also for the empty `Bearer` that LiveLike's SDK signs up with."""
        token = self.token
        return await self.desk.tokens.caller(token) if token else None

    async def caller(self, client_id: str | None = None) -> Caller:
        """The caller, who must be of the application `client_id` where the request names one."""
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
        """What the organisation's token opens."""
        if self.desk.access is None:
            raise NotFound("There is nothing at this address.")
        if not self.token:
            raise Unauthorized("Authentication credentials were not provided: send Authorization: Token <token>.")
        await self.desk.tokens.must_be_organisation(self.token)
        return self.desk.access

    async def is_organisation(self) -> bool:
        return bool(self.token) and await self.desk.tokens.is_organisation(self.token)

    async def once(self) -> Idempotency | None:
        """Of a write by the organisation."""
        key = self.header(b"idempotency-key")
        return None if key is None else await self.idempotency(f"organisation {self.token}", key)

    def new_secret(self, purpose: str) -> str:
        """A secret to hand out. With an Idempotency-Key it follows from the key and the caller's token, which is not
        stored anywhere: a repeated request gets the first answer again, and nobody else can make it.
        """
        key = self.header(b"idempotency-key")
        if key is None:
            return secrets.token_urlsafe(32)
        derived = hmac.digest(self.token.encode(), f"{purpose}\0{self.scope['path']}\0{key}".encode(), "sha256")
        return base64.urlsafe_b64encode(derived).decode().rstrip("=")

    def new_id(self, caller: Caller) -> str:
        """Of what is made for an answer only: the same again where the request is repeated by its Idempotency-Key."""
        key = self.header(b"idempotency-key")
        if key is None:
            return uuid7()
        return str(uuid5(NAMESPACE_URL, f"{caller.client_id}/{caller.subject}/{self.scope['path']}/{key}"))

    async def decoded(self, decoder: msgspec.json.Decoder[T], *, empty_is: bytes = b"") -> T:
        body = await self.body() or empty_is
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
            return await self.desk.engine.handle(command)
        return await self.desk.engine.handle(command, await self.idempotency(caller.subject, key))

    async def idempotency(self, subject: str, key: str) -> Idempotency:
        """Hashed with the subject, so that one fan's key never meets another's."""
        if not 0 < len(key) <= MAX_KEY_LENGTH:
            raise Rejected(f"Idempotency-Key must have 1 to {MAX_KEY_LENGTH} characters.")
        scoped = hashlib.sha256(f"{subject}\0{key}".encode()).hexdigest()
        head = f"{self.scope['method']} {self.scope['path'].rstrip('/')}\n".encode("utf-8", "surrogateescape")
        return Idempotency(scoped, hashlib.sha256(head + await self.body()).digest())

    async def ask(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A blocking query, asked in a thread; asked again where it was interrupted."""
        return await ask(question, *args, **kwargs)

    async def resources(self, client_id: ClientId) -> Resources:
        return self.resources_of(await self.desk.reads.game(client_id))

    def resources_of(self, game: Game) -> Resources:
        return Resources(self.links, game, self.desk.clock())

    def page(self, page: Page[T], shape: Callable[[T], Any]) -> ASGIResponse:
        return answer(envelope(page, shape, self.links, self.scope["path"], self.query))


def answer(resource: Any, status: int = 200) -> ASGIResponse:
    """Decimals become JSON numbers, digit for digit."""
    return ASGIResponse(body=_ENCODER.encode(resource), status_code=status, media_type="application/json")


_ENCODER = msgspec.json.Encoder(decimal_format="number")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
