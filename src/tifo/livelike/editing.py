"""Handlers that make, change or archive a definition share these steps."""

from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec

from tifo.engagement.commands import Archivable, Archive, Command
from tifo.kernel.ids import ClientId
from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.resources.context import ResourceContext
from tifo.livelike.responses import JsonResponse, respond
from tifo.livelike.tokens import Caller

D = TypeVar("D")
R = TypeVar("R")
T = TypeVar("T")


class NamesApplication(Protocol):
    """A body of LiveLike's that makes a definition: it may repeat the application, which the token names already."""

    @property
    def client_id(self) -> ClientId | None: ...


N = TypeVar("N", bound=NamesApplication)


async def new_definition(request: LiveLikeRequest, decoder: msgspec.json.Decoder[N]) -> tuple[Caller, N]:
    """Reads the body of a new definition. Raises `Forbidden` where it names another application than the token's."""
    caller, body = await body_of_producer(request, decoder)
    caller.must_be_of(body.client_id)
    return caller, body


async def body_of_producer(request: LiveLikeRequest, decoder: msgspec.json.Decoder[T]) -> tuple[Caller, T]:
    """Checks the caller before the body, so that a fan learns nothing about bodies."""
    caller = await request.producer()
    return caller, await request.decoded(decoder)


async def apply_change(
    request: LiveLikeRequest,
    caller: Caller,
    command: Command[D],
    resource: Callable[[D, ResourceContext], R],
    *,
    status: int = 200,
) -> JsonResponse[R]:
    """Handles the command and answers with what it made or changed."""
    definition = await request.handle(caller, command)
    # The game is read after the command, so that it holds the definition's new references.
    return respond(resource(definition, await request.context(caller.client_id)), status)


async def archive(request: LiveLikeRequest, kind: Archivable, definition_id: str) -> None:
    caller = await request.producer()
    await request.handle(caller, Archive(client_id=caller.client_id, kind=kind, id=definition_id))
