"""Makes the answers to browsers' preflights: which page may send what to the Tracking API and its neighbours."""

import re

from tifo.web.asgi import Header, HttpResponse, Scope

CORS: Header = (b"access-control-allow-origin", b"*")
_KNOWN = (
    b"authorization, content-type, content-encoding, x-retry-count, anonymousid, sentat, rsa-recovered,"
    b" rsa-retry-attempt, rsa-since-last-attempt, rsa-since-first-attempt, rsa-retry-reason"
)
"""The headers that Segment's and RudderStack's browser clients send."""
_NAMES = re.compile(rb"[\w!#$%&'*+.^`|~-]+(?:[ \t]*,[ \t]*[\w!#$%&'*+.^`|~-]+)*")
_MAX_ASKED = 1_000
"""Bytes of asked header names that are answered; a longer list gets the known ones only."""


def preflight(scope: Scope, methods: bytes) -> HttpResponse:
    """Allows any page the methods, and all headers that it asks for."""
    # A wildcard would not allow `authorization`, and the next version of a client may send headers of its own.
    asked = next((value for name, value in scope["headers"] if name == b"access-control-request-headers"), b"")
    known = b"%s, %s" % (_KNOWN, asked) if len(asked) <= _MAX_ASKED and _NAMES.fullmatch(asked) else _KNOWN
    headers = [
        (b"access-control-allow-methods", methods),
        (b"access-control-allow-headers", known),
        (b"access-control-max-age", b"86400"),
        (b"vary", b"access-control-request-headers"),
    ]
    return HttpResponse(204, b"", headers)
