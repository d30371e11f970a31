"""Makes the refusals of the Tracking API and its neighbours, in the shape that all official clients read."""

from collections.abc import Iterable

import msgspec

from tifo.web.asgi import Header, HttpResponse


def failure(status: int, code: str, message: str, headers: Iterable[Header] = ()) -> HttpResponse:
    # RudderStack's Python client reads `code` and `message` unguarded: without them it takes a refusal for an error of
    # the network, and sends the request again.
    body = msgspec.json.encode({"success": False, "code": code, "message": message})
    return HttpResponse(status, body, headers)
