"""What a source is called, which schema and write key it has, and which connections are sound."""

import re
import secrets
import string
from collections.abc import Set as AbstractSet
from datetime import datetime
from itertools import count
from urllib.parse import urlsplit

from tifo.kernel.errors import Rejected
from tifo.kernel.ids import SourceId
from tifo.workspace.model import Source, SourceType

MAX_NAME = 200
WRITE_KEY_LENGTH = 32

_MAX_SLUG = 48
"""With a suffix and a prefix it stays below 63 bytes, PostgreSQL's limit for a schema's name."""
_FALLBACK_SLUG = "source"
_RESERVED_SCHEMAS = frozenset(("main", "temp", "system", "public", "information_schema", "warehouse"))
"""Schemas that warehouses have already; `warehouse` is DuckDB's name for the file, which it confuses with a schema.
`_tifo`, our own book-keeping, cannot come about: no slug begins with an underscore, and `tifo` is not reserved."""
_WRITE_KEY_LETTERS = string.ascii_letters + string.digits
_FOREIGN_KEY = re.compile(r"[!-9;-~]{1,200}")
"""Visible ASCII without the colon, which ends the user in Basic auth."""


def new_source(
    name: str,
    source_type: SourceType,
    *,
    source_id: SourceId,
    at: datetime,
    slugs: AbstractSet[str],
    schemas: AbstractSet[str],
) -> Source:
    """`slugs` and `schemas` are those in use. Raises `Rejected` for an empty name, or one that is too long."""
    name = name.strip()
    if not name:
        raise Rejected("A source needs a name: it was empty.", field="name")
    if len(name) > MAX_NAME:
        raise Rejected(f"The name has {len(name)} characters; give one of at most {MAX_NAME}.", field="name")
    slug = free_slug(slug_of(name), slugs, schemas)
    return Source(
        id=source_id,
        name=name,
        slug=slug,
        schema=schema_of(slug),
        type=source_type,
        enabled=True,
        created_at=at,
        write_key=new_write_key(),
    )


def slug_of(name: str) -> str:
    """`LiveLike_Demo` → `livelike_demo`: small letters and digits, `_` for every run of anything else.

    `source` where nothing is left (a name in another script).
    """
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:_MAX_SLUG].rstrip("_")
    return slug or _FALLBACK_SLUG


def free_slug(slug: str, slugs: AbstractSet[str], schemas: AbstractSet[str]) -> str:
    """The slug, or else the first of `…_2`, `…_3`, … that is free, as is the schema that it gives."""
    candidates = (slug if number == 1 else f"{slug}_{number}" for number in count(1))
    return next(free for free in candidates if free not in slugs and schema_of(free) not in schemas)


def schema_of(slug: str) -> str:
    """The slug; behind an underscore where it begins with a digit, or where warehouses use the name themselves."""
    reserved = slug in _RESERVED_SCHEMAS or slug == "pg" or slug.startswith("pg_")
    return f"_{slug}" if reserved or slug[0].isdigit() else slug


def new_write_key() -> str:
    return "".join(secrets.choice(_WRITE_KEY_LETTERS) for _ in range(WRITE_KEY_LENGTH))


def checked_write_key(write_key: str, endpoint: str | None, known: AbstractSet[str]) -> str:
    """`known` are the write keys of Tifo's own sources. Raises `Rejected`; the message does not repeat the key."""
    if endpoint is None and write_key not in known:
        raise Rejected(
            "No source of this Tifo has this write key. Make one with `tifo source create`, or give the endpoint that"
            " the key belongs to.",
            field="write_key",
        )
    if not _FOREIGN_KEY.fullmatch(write_key):
        raise Rejected(
            "The write key must be 1 to 200 visible ASCII characters without a colon, which Basic auth cannot carry.",
            field="write_key",
        )
    return write_key


def checked_endpoint(endpoint: str | None) -> str | None:
    """Without a slash at its end. Raises `Rejected` for what is no base address over http or https."""
    if endpoint is None:
        return None
    if "@" in endpoint:
        raise Rejected("The endpoint holds a user or password. Give the address alone.", field="endpoint")
    try:
        parts = urlsplit(endpoint)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:
        sound = False
    if not sound or re.search(r"[\s\x00-\x20\\]", endpoint):
        raise Rejected(
            f"The endpoint {endpoint!r} is no http(s) address. Give one such as https://api.segment.io.",
            field="endpoint",
        )
    if "?" in endpoint or "#" in endpoint:
        raise Rejected(f"The endpoint {endpoint!r} has a query or fragment. Leave it out.", field="endpoint")
    base = endpoint.rstrip("/")
    if base.endswith(("/v1", "/v1/batch")):
        raise Rejected(f"Give the endpoint {endpoint!r} without /v1: Tifo adds /v1/batch itself.", field="endpoint")
    return base


def checked_address(address: str, field: str) -> str:
    """An http(s) address with any path and query. Raises `Rejected` naming the field for anything else."""
    try:
        parts = urlsplit(address)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:
        sound = False
    if not sound or re.search(r"[\s\x00-\x20\\]", address) or parts.username is not None or parts.fragment:
        raise Rejected(
            f"{field} {address!r:.200} is no http(s) address. Give one such as https://example.com/hook, without user,"
            " password and fragment.",
            field=field,
        )
    return address
