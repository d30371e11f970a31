"""Reads the write key that a request carries outside of its body. Pure."""

import base64
import binascii
from urllib.parse import parse_qs

from tifo.web.asgi import Scope


def basic_user(authorization: bytes) -> str | None:
    """Returns the user of HTTP Basic, which is the write key."""
    scheme, _, value = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        # Segment accepts a missing colon too.
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[0] or None
    except (binascii.Error, UnicodeDecodeError):
        return None


def key_in_query(scope: Scope) -> str | None:
    """Returns the query's `writeKey`."""
    query: bytes = scope.get("query_string", b"")
    try:
        return parse_qs(query.decode("latin-1"), max_num_fields=50).get("writeKey", [None])[0]
    except ValueError:
        return None
