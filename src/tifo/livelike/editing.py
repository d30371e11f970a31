"""Handlers that change or archive a definition share these steps."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from tifo.engagement.commands import Archivable, Archive, Command
from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.resources.context import ResourceContext
from tifo.livelike.responses import JsonResponse, respond
from tifo.livelike.tokens import Caller

D = TypeVar("D")
R = TypeVar("R")
T = TypeVar("T")


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
    """Handles the command and answers with the definition as it is now."""
    definition = await request.handle(caller, command)
    # The game is read after the command, so that it holds the definition's new references.
    return respond(resource(definition, await request.context(caller.client_id)), status)


async def archive(request: LiveLikeRequest, kind: Archivable, definition_id: str) -> None:
    caller = await request.producer()
    await request.handle(caller, Archive(client_id=caller.client_id, kind=kind, id=definition_id))
