"""The catalog of kinds. They are imported when somebody asks: most commands need none, and HTTP takes its time."""

import json
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

from tifo.destinations.actions import installing
from tifo.destinations.ports import Kind, Settings
from tifo.kernel.errors import NotFound


def kinds() -> Sequence[Kind]:
    """Those that are written here; and vendors', where their library is installed."""
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


def handled(kind: Kind, settings: Settings) -> Collection[str]:
    """The types of calls that it takes as it is set up: of a function, those that its file has functions for."""
    from tifo.destinations.kinds.function import Function

    return kind.handles & Function.named_in(settings["file"]) if isinstance(kind, Function) else kind.handles


def is_own(kind_id: str) -> bool:
    return any(kind.id == kind_id for kind in _own())


@cache
def _own() -> Sequence[Kind]:
    from tifo.destinations.kinds.files import Files
    from tifo.destinations.kinds.function import Function
    from tifo.destinations.kinds.kafka import Kafka
    from tifo.destinations.kinds.segment import Forwarder
    from tifo.destinations.kinds.webhook import Webhook

    return (Webhook(), Forwarder(), Files(), Kafka(), Function())


@cache
def _vendors(place: Path) -> Sequence[Kind]:
    """By the names of the library's folders; where one of ours has that name, `actions-` stands before theirs."""
    from tifo.destinations.actions.kind import ActionsKind

    entries = json.loads((place / installing.CATALOG).read_text())
    taken = {kind.id for kind in _own()}
    return tuple(
        ActionsKind(entry, f"actions-{entry['slug']}" if entry["slug"] in taken else entry["slug"]) for entry in entries
    )
