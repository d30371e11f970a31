"""Rules of sources: names, slugs, schemas, write keys, and which connections are sound. Pure."""

import hmac
import re
import secrets
import string
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from urllib.parse import SplitResult, urlsplit

from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import ClientId, SourceId
from tifo.workspace.model import Connection, Source, SourceChange, SourceType, WriteKey

MAX_NAME = 200
WRITE_KEY_LENGTH = 32
MAX_WRITE_KEYS = 20
"""Write keys of one source. Ours: rotation needs two."""

MIN_BROUGHT_KEY = 16
"""Ours: a shorter one can be guessed."""
_MAX_SLUG = 48
"""With a suffix and a prefix it stays below 63 bytes, PostgreSQL's limit for a schema's name."""
_FALLBACK_SLUG = "source"
# PostgreSQL's and DuckDB's own. `warehouse` is DuckDB's name for the file, which it confuses with a schema. `_tifo`,
# our own book-keeping, must not become reachable: no slug begins with an underscore, and `tifo` is not reserved.
_RESERVED_SCHEMAS = frozenset(("main", "temp", "system", "public", "information_schema", "warehouse"))
"""Schemas that warehouses have already."""
# PostgreSQL stores neither NUL nor half a surrogate pair; the others steer the terminals that print names.
_UNSTORABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_BOOK_KEEPING = "_tifo"
_SLUG = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,{_MAX_SLUG - 1}}}")
_SCHEMA = re.compile(rf"[a-z_][a-z0-9_]{{0,{_MAX_SLUG - 1}}}")
_WRITE_KEY_LETTERS = string.ascii_letters + string.digits
# Segment's and RudderStack's keys differ in form, so only what HTTP can carry is checked.
_FOREIGN_KEY = re.compile(r"[!-9;-~]{1,200}")
"""Visible ASCII without the colon, which ends the user in Basic auth."""


@dataclass(frozen=True)
class UsedNames:
    """Slugs and schemas in use. Schemas of deleted sources stay in use."""

    slugs: AbstractSet[str]
    schemas: AbstractSet[str]


def new_source(
    name: str,
    source_type: SourceType,
    *,
    source_id: SourceId,
    at: datetime,
    used: UsedNames,
    enabled: bool = True,
    slug: str | None = None,
) -> Source:
    """Raises `Rejected` for a name that is empty or too long or a slug that is none, `Conflict` for one in use."""
    if slug is not None:
        # A chosen slug is used as it is; only its schema makes way for one that a deleted source has.
        schema = free_schema(checked_slug(slug, used.slugs), used.schemas)
        name = checked_name(name)
    else:
        name = checked_name(name)
        slug = free_slug(slug_of(name), used.slugs, used.schemas)
        schema = schema_of(slug)
    return Source(
        id=source_id,
        name=name,
        slug=slug,
        schema=schema,
        type=source_type,
        enabled=enabled,
        created_at=at,
        keys=(WriteKey(new_write_key(), at),),
    )


def changed(source: Source, change: SourceChange, others: UsedNames) -> Source:
    """Applies a change. `others` are the names of all other sources. A new name changes neither slug nor schema."""
    # An enabled source that no client can reach would look as if it were idle.
    if change.enabled and not source.keys:
        raise Rejected(
            f"The source {source.slug} has no write key. Make one first: tifo source key create {source.slug}.",
            field="enabled",
        )
    return replace(
        source,
        name=source.name if change.name is None else checked_name(change.name),
        enabled=source.enabled if change.enabled is None else change.enabled,
        slug=source.slug if change.slug is None else checked_slug(change.slug, others.slugs),
        schema=source.schema if change.schema is None else checked_schema(change.schema, others.schemas),
    )


def with_new_key(source: Source, at: datetime) -> Source:
    if len(source.keys) >= MAX_WRITE_KEYS:
        raise Rejected(
            f"The source {source.slug} has {MAX_WRITE_KEYS} write keys. Remove one that is not used any more.",
            field="write_key",
        )
    return replace(source, keys=(*source.keys, WriteKey(new_write_key(), at)))


def checked_new_key(key: str, field: str) -> str:
    """Checks a write key that was made elsewhere. Messages do not repeat it."""
    if len(key) < MIN_BROUGHT_KEY or not _FOREIGN_KEY.fullmatch(key):
        raise Rejected(
            f"{field} has a key that is no write key: {MIN_BROUGHT_KEY} to 200 visible ASCII characters, no colon.",
            field=field,
        )
    return key


def without_key(source: Source, write_key: str, connections: Iterable[Connection]) -> Source:
    """Removes a write key. Messages do not repeat it."""
    # In constant time, like every comparison of keys.
    left = tuple(each for each in source.keys if not hmac.compare_digest(each.key.encode(), write_key.encode()))
    if len(left) == len(source.keys):
        raise NotFound(f"The source {source.slug} has no such write key.", field="write_key")
    if not left and source.enabled:
        raise Conflict(
            f"This is the last write key of the source {source.slug}, which is enabled. Make another first, or disable"
            " the source.",
            field="write_key",
        )
    # The application's relay would be refused with 401, and its facts would wait.
    users = [each.client_id for each in connections if each.endpoint is None and each.write_key == write_key]
    if users:
        raise Conflict(
            f"The application {users[0]} sends with this write key. Connect it with another first: tifo app connect.",
            field="write_key",
        )
    return replace(source, keys=left)


def connected_to(source: Source, connections: Iterable[Connection]) -> list[Connection]:
    return [each for each in connections if each.endpoint is None and each.write_key in source.write_keys]


def check_unused(source: Source, connected: Sequence[Connection], *, force: bool) -> None:
    # The application's events would have nowhere to go.
    if connected and not force:
        raise Conflict(
            f"The application {connected[0].client_id} sends to the source {source.slug}. Connect it elsewhere first"
            " (tifo app connect), or force this: its events then wait until it is connected again.",
            field="source",
        )


def check_no_circle(client_id: ClientId, source: Source, connections: Iterable[Connection]) -> None:
    """Raises `Rejected` for a source that receives the application's own events: an action there could trigger itself.

    The consumer skips such events, so the action would wait for events that never invoke it.
    """
    for each in connections:
        own = each.client_id == client_id and each.endpoint is None
        if own and each.write_key in source.write_keys:
            raise Rejected(
                f"The application's own events go to the source {source.slug}: an action there could trigger itself."
                " Name another source.",
                field="source",
            )


def checked_client_id(client_id: str) -> str:
    """Returns the client id of an application that a file makes. It stands in addresses and tokens."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", client_id):
        raise Rejected(
            f"applications.{client_id:.100}: the key is no client id. Write letters, digits, _ and -, at most 64.",
            field="applications",
        )
    return client_id


def no_source(name: str) -> NotFound:
    return NotFound(f"There is no source {name!r:.100}. See `tifo source list`.", field="source")


def write_key_in_use() -> Conflict:
    """Makes the error for a key in use. The message does not repeat the key."""
    return Conflict("A source has one of these write keys already. Give another.", field="write_keys")


def checked_name(name: str) -> str:
    name = name.strip()
    if not name:
        raise Rejected("A source needs a name: it was empty.", field="name")
    if _UNSTORABLE.search(name):
        raise Rejected(f"The name {name!a:.100} holds control characters. Remove them.", field="name")
    if len(name) > MAX_NAME:
        raise Rejected(f"The name has {len(name)} characters; give one of at most {MAX_NAME}.", field="name")
    return name


def checked_slug(slug: str, used: AbstractSet[str]) -> str:
    if not _SLUG.fullmatch(slug):
        raise Rejected(
            f"The slug {slug!r:.100} is none: give 1 to {_MAX_SLUG} small letters, digits, _ and -.", field="slug"
        )
    if slug in used:
        raise Conflict(f"There is a source with the slug {slug} already. Give another.", field="slug")
    return slug


def checked_schema(schema: str, used: AbstractSet[str]) -> str:
    if not _SCHEMA.fullmatch(schema) or schema_of(schema) != schema or schema == _BOOK_KEEPING:
        raise Rejected(
            f"The schema {schema!r:.100} will not do: give 1 to {_MAX_SLUG} small letters, digits and _, not a digit"
            " first, and no name that warehouses use themselves.",
            field="schema",
        )
    if schema in used:
        raise Conflict(f"The schema {schema} belongs to another source, which may be deleted.", field="schema")
    return schema


def free_schema(slug: str, schemas: AbstractSet[str]) -> str:
    """Makes a free schema for a chosen slug. A deleted source may have the schema of the same name."""
    plain = slug_of(slug)
    candidates = (schema_of(plain if number == 1 else f"{plain}_{number}") for number in count(1))
    return next(free for free in candidates if free not in schemas)


def slug_of(name: str) -> str:
    """Makes `livelike_demo` of `LiveLike_Demo`: small letters and digits, `_` for every run of anything else.

    `source` where nothing is left (a name in another script).
    """
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:_MAX_SLUG].rstrip("_")
    return slug or _FALLBACK_SLUG


def free_slug(slug: str, slugs: AbstractSet[str], schemas: AbstractSet[str]) -> str:
    """Returns the slug, or the first of `…_2`, `…_3`, … that is free and gives a free schema."""
    candidates = (slug if number == 1 else f"{slug}_{number}" for number in count(1))
    return next(free for free in candidates if free not in slugs and schema_of(free) not in schemas)


def schema_of(slug: str) -> str:
    """Returns the slug, behind an underscore where it begins with a digit or warehouses use the name themselves."""
    # PostgreSQL reserves names that begin with pg_.
    reserved = slug in _RESERVED_SCHEMAS or slug == "pg" or slug.startswith("pg_")
    return f"_{slug}" if reserved or slug[0].isdigit() else slug


def new_write_key() -> str:
    return "".join(secrets.choice(_WRITE_KEY_LETTERS) for _ in range(WRITE_KEY_LENGTH))


def checked_write_key(write_key: str, endpoint: str | None, known: AbstractSet[str]) -> str:
    """Checks a connection's write key. `known` are those of Tifo's own sources.

    Raises `Rejected`; the message does not repeat the key.
    """
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
    """Returns the endpoint without a slash at its end. Raises `Rejected` for anything but an http(s) base address."""
    if endpoint is None:
        return None
    # First, because later messages repeat the endpoint: a password must not be printed.
    if "@" in endpoint:
        raise Rejected("The endpoint holds a user or password. Give the address alone.", field="endpoint")
    if _web_address(endpoint) is None:
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
    """Checks an http(s) address with any path and query. Raises `Rejected`, naming the field, for anything else."""
    parts = _web_address(address)
    if parts is None or parts.username is not None or parts.fragment:
        raise Rejected(
            f"{field} {address!r:.200} is no http(s) address. Give one such as https://example.com/hook, without user,"
            " password and fragment.",
            field=field,
        )
    return address


def _web_address(address: str) -> SplitResult | None:
    """Returns the parts of an http(s) address with a host that can be resolved; None for anything else."""
    # urlsplit drops some of these, and clients read a backslash as a slash: they would reach another host.
    if re.search(r"[\s\x00-\x20\\]", address):
        return None
    try:
        parts = urlsplit(address)
        # Both raise ValueError: an impossible port, and a host that is no internationalised domain name.
        is_sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:
        return None
    return parts if is_sound else None
