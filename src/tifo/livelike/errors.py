"""Answers errors as Django REST framework writes them: `{"field": ["…"]}` or `{"detail": "…"}`."""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import structlog
from litestar import Request
from litestar.exceptions import HTTPException
from litestar.response import Response

from tifo.kernel.errors import (
    Conflict,
    Forbidden,
    NotFound,
    Overloaded,
    Rejected,
    TifoError,
    TooLarge,
    Transient,
    Unauthorized,
)

STATUS: Mapping[type[TifoError], int] = {
    Rejected: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    Overloaded: 429,
    Transient: 503,
}


class Detail(msgspec.Struct, frozen=True):
    detail: str


FieldErrors = Annotated[dict[str, list[str]], msgspec.Meta(min_length=1)]

_log = structlog.get_logger(__name__)
# msgspec's messages are: "Object missing required field `name` - at `$.rewards[0]`". It offers no parts of them.
_MISSING = re.compile(r"Object missing required field `([^`]+)`")
_PLACE = re.compile(r"(.*) - at `\$\.?([^.\[`]*)([^`]*)`", re.DOTALL)


def invalid_field(error: msgspec.ValidationError) -> Rejected:
    """Translates msgspec's error: `field` is the outermost field at fault, the message names the place within it."""
    text, outer, inner = str(error), "", ""
    if place := _PLACE.match(text):
        text, outer, inner = place.groups()
    if missing := _MISSING.search(text):
        text = "This field is required"
        outer, inner = (outer, f"{inner}.{missing[1]}") if outer else (missing[1], "")
    return Rejected(f"{inner}: {text}." if inner else f"{text}.", field=outer or None)


def on_tifo_error(_: Request[Any, Any, Any], error: TifoError) -> Response[bytes]:
    # The nearest class decides: a KeyReused is a Conflict, and that a Rejected.
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    headers = {}
    if isinstance(error, Transient):
        # The header takes whole seconds, and 0 would invite a retry at once.
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    # Clients read field names of a 400 only; every other error of Django REST framework is a detail.
    named = error.field is not None and status == STATUS[Rejected]
    body = {error.field or "": [error.message]} if named else Detail(error.message)
    return _answer(body, status, headers)


def on_http_exception(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answers Litestar's own errors: an unknown path, a wrong method, a body that is too large, a client that left."""
    return _answer(Detail(error.detail or "Error."), error.status_code, dict(error.headers or {}))


def on_crash(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    _log.error("livelike request failed", method=request.method, path=request.url.path, exc_info=error)
    # The error's own text may hold what a client must not see.
    return _answer(Detail("Something failed here. It was logged."), 500, {})


def _answer(body: Detail | FieldErrors, status: int, headers: dict[str, str]) -> Response[bytes]:
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json", headers=headers)
