"""Handlers are described in place: the callers of the route, its body and its filters.

The shape of the answer is not written: it is the type of the handler's `JsonResponse`.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar, cast, get_args, get_origin

import msgspec
from litestar.response.base import ASGIResponse

from tifo.livelike.lists.paging import Listed
from tifo.livelike.openapi.filters import QueryParameter
from tifo.livelike.responses import JsonResponse

F = TypeVar("F", bound=Callable[..., Any])


class Credential(StrEnum):
    """A kind of token. The values name the document's security schemes."""

    NOTHING = ""
    FAN = "fan"
    PRODUCER = "producer"
    ORGANISATION = "organisation"


Callers = Sequence[Credential]
"""Any one of them suffices."""
ANYONE: Callers = (Credential.NOTHING,)
FAN_ONLY: Callers = (Credential.FAN,)
FAN_OR_PRODUCER: Callers = (Credential.FAN, Credential.PRODUCER)
PRODUCER: Callers = (Credential.PRODUCER,)
ORGANISATION: Callers = (Credential.ORGANISATION,)


class BodyDescription(NamedTuple):
    type: type[msgspec.Struct]
    required: bool = True
    image: bool = False
    """Whether the body may be a form with an uploaded picture."""


class RouteDescription(NamedTuple):
    answer: Any
    """The type of the answer's JSON; None for an empty answer."""
    callers: Callers
    body: BodyDescription | None
    filters: Sequence[QueryParameter]

    @property
    def is_paged(self) -> bool:
        return get_origin(self.answer) is Listed


def describe(
    *filters: QueryParameter,
    callers: Callers = FAN_OR_PRODUCER,
    body: type[msgspec.Struct] | None = None,
    body_required: bool = True,
    image: bool = False,
) -> Callable[[F], F]:
    """Describes a handler. The decorator goes below Litestar's, which must see the annotation that it leaves."""

    def decorate(handler: F) -> F:
        described = None if body is None else BodyDescription(body, body_required, image)
        answer = _answer_type(handler.__annotations__["return"])
        # Litestar passes a response through only where the annotation is a class; of a generic alias it makes JSON.
        handler.__annotations__["return"] = None if answer is None else ASGIResponse
        cast("Any", handler).description = RouteDescription(answer, callers, described, filters)
        return handler

    return decorate


def description_of(handler: Callable[..., Any]) -> RouteDescription:
    """Raises `AttributeError` for a handler without `@describe`."""
    description: RouteDescription = cast("Any", handler).description
    return description


def _answer_type(returned: Any) -> Any:
    if returned is None:
        return None
    if get_origin(returned) is not JsonResponse:
        raise TypeError(f"A route handler must return JsonResponse[...] or None, not {returned!r}.")
    (answer,) = get_args(returned)
    return answer
