"""JSON responses carry the type of their body, from which the document describes the answer."""

from typing import Generic, TypeVar

import msgspec
from litestar.response.base import ASGIResponse

T = TypeVar("T")


class JsonResponse(ASGIResponse, Generic[T]):
    """A response whose JSON body is a `T`."""

    __slots__ = ()  # without slots each response would carry a dictionary


def respond(body: T, status: int = 200) -> JsonResponse[T]:
    # LiveLike's SDK parses an answer only where its media type is JSON; lists throw a TypeError otherwise.
    return JsonResponse(body=_ENCODER.encode(body), status_code=status, media_type="application/json")


# LiveLike's clients read amounts of progress as numbers; the encoder writes a decimal digit for digit.
_ENCODER = msgspec.json.Encoder(decimal_format="number")
