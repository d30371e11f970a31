"""The refusals of the Tracking API and its neighbours, in the shape that Segment's clients read."""

from collections.abc import Iterable

import msgspec

from tifo.web.asgi import Header, HttpResponse


def failure(status: int, code: str, message: str, headers: Iterable[Header] = ()) -> HttpResponse:
    body = msgspec.json.encode({"success": False, "code": code, "message": message})
    return HttpResponse(status, body, headers)
