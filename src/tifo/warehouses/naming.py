"""Names tables and columns in Segment's snake case, and settles the cases that it leaves open.

- A name of which snake case leaves nothing (another script) keeps its own letters: `Покупка билета` →
  `покупка_билета`. One without any letter or digit (an emoji) is `unnamed_` and 8 digits of its SHA-256. A name of
  more than 127 characters is cut and ends in such digits too.
- Two event names that give one table share it, as with Segment; `event_text` differs. An event named like
  one of the standard tables goes to `event_<name>`.
- A property named like a standard column, or `context_…`, becomes `property_<name>` (a trait `trait_<name>`); Segment
  discards it.
- A name that is a reserved SQL word gets a leading underscore (`order` → `_order`), as with Segment. Leading digits
  stay: names are quoted wherever we write SQL.

Two keys may ask for one column: `settling.py` says who gets it. A driver cuts names for a warehouse whose limit is
below `MAX_NAME`.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache

from tifo.kernel.names import snake_case

Path = tuple[str, ...]
"""Holds the keys that lead to a leaf."""
NameOf = Callable[[Path], str]
"""Returns the column that a leaf asks for."""

STANDARD_TABLES = frozenset(("tracks", "identifies", "users", "pages", "screens", "groups", "accounts", "aliases"))
MAX_NAME = 127
SHORTEST_LIMIT = 63
"""Bytes of a name in the warehouse with the lowest limit, PostgreSQL."""

_RESERVED = """
all analyse analyze and any array as asc asymmetric authorization between binary both case cast check collate collation
column concurrently constraint create cross current_catalog current_date current_role current_schema current_time
current_timestamp current_user default deferrable desc describe distinct do else end except false fetch for foreign
freeze from full grant group having ilike in initially inner intersect into is isnull join lambda lateral leading left
like limit localtime localtimestamp natural not notnull null offset on only or order outer overlaps pivot placing
primary qualify references returning right select session_user show similar some summarize symmetric system_user table
tablesample then to trailing true union unique unpivot user using variadic verbose when where window with
"""
RESERVED = frozenset(_RESERVED.split())
"""Words that PostgreSQL or DuckDB refuse as a plain name."""
SYSTEM_COLUMNS = frozenset(("ctid", "cmin", "cmax", "xmin", "xmax", "tableoid"))
"""PostgreSQL's own columns: it refuses a table with a second one of that name, quoted or not."""

_WORD = re.compile(r"[^\W_]+")


@lru_cache(maxsize=4096)
def table_name(event: str) -> str:
    # Segment: two event names that give one table share it. Ours: an event named like a standard table gets its own.
    name = _usable(event)
    return f"event_{name}" if name in STANDARD_TABLES else _plain(name, RESERVED)


def property_name(standard: Iterable[str], alternative: str) -> NameOf:
    """Names properties or traits; those named like a `standard` column are prefixed with `alternative`."""
    reserved = frozenset(standard)

    def named(path: Path) -> str:
        name = _joined(path)
        # Segment discards such a property. Ours: it gets another name, so that its values are loaded.
        if name in reserved or name.startswith("context_"):
            return _cut(f"{alternative}_{name}", path)
        return _plain(name, RESERVED | SYSTEM_COLUMNS)

    return named


def context_name(path: Path) -> str:
    return _cut(f"context_{_joined(path)}", path)


def free_name(name: str, used: Collection[str]) -> str:
    """Returns the name, or the first of `name_2`, `name_3`, … whose short form (`short_name`) is not in `used`."""
    number, candidate = 1, name
    while short_name(candidate) in used:
        number += 1
        suffix = f"_{number}"
        candidate = name[: MAX_NAME - len(suffix)] + suffix
    return candidate


def short_name(name: str) -> str:
    """Returns the name, or where it has too many bytes its beginning and 8 digits of its SHA-256."""
    # A character has at most four bytes: this spares nearly every name the encoding.
    if len(name) * 4 <= SHORTEST_LIMIT or len(encoded := name.encode()) <= SHORTEST_LIMIT:
        return name
    # `ignore`: the cut may go through a character.
    start = encoded[: SHORTEST_LIMIT - 9].decode(errors="ignore")
    return f"{start}_{hashlib.sha256(encoded).hexdigest()[:8]}"


def _plain(name: str, reserved: Collection[str]) -> str:
    # Segment: a reserved word gets a leading underscore.
    return f"_{name}" if name in reserved else name


def _joined(path: Path) -> str:
    return _cut("_".join(map(_usable, path)), path)


@lru_cache(maxsize=4096)
def _usable(name: str) -> str:
    # Segment's snake case drops every letter that is not ASCII, so that names in other scripts come out empty.
    own_letters = _WORD.findall(unicodedata.normalize("NFKC", name).casefold())
    return _cut(snake_case(name) or "_".join(own_letters) or f"unnamed_{_digest(name)}", (name,))


def _cut(name: str, path: Path) -> str:
    # The digest of the whole path: two long names that begin alike must not become one column.
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 9]}_{_digest(*path)}"


def _digest(*path: str) -> str:
    return hashlib.sha256("\0".join(path).encode()).hexdigest()[:8]
