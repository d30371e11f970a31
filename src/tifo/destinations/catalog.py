"""Lists the kinds of destinations: Tifo's own, and vendors' where their library is installed."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tifo.destinations.actions import installing
from tifo.destinations.ports import Kind
from tifo.kernel.errors import NotFound


def kinds() -> Sequence[Kind]:
    vendors = _vendors(installing.folder()) if installing.is_installed() else ()
    return (*_own(), *vendors)


def kind_of(kind_id: str) -> Kind:
    """Raises `NotFound`."""
    for kind in kinds():
        if kind.id == kind_id:
            return kind
    own = ", ".join(kind.id for kind in _own())
    more = (
        "`tifo destination kinds` lists all."
        if installing.is_installed()
        else "Vendors' kinds come with `tifo destination install-actions`."
    )
    raise NotFound(f"There is no kind of destination {kind_id!r:.100}. Known are {own}. {more}", field="kind")


def is_own(kind_id: str) -> bool:
    return any(kind.id == kind_id for kind in _own())


def _own() -> Sequence[Kind]:
    # Imported late: most commands need no kind, and the client libraries take their time to load.
    from tifo.destinations.kinds.own import OWN_KINDS

    return OWN_KINDS


# By folder: it is another one after an update of the library, and the catalog of one never changes.
@cache
def _vendors(place: Path) -> Sequence[Kind]:
    """Reads vendors' kinds from the catalog that was written when the library was installed."""
    # A vendor's kind is named by the library's folder. Where an own kind has that name, it begins with `actions-`.
    from tifo.destinations.actions.kind import ActionsKind

    entries = json.loads((place / installing.CATALOG).read_text())
    used = {kind.id for kind in _own()}
    return tuple(
        ActionsKind(entry, f"actions-{entry['slug']}" if entry["slug"] in used else entry["slug"]) for entry in entries
    )
