"""The catalog of kinds."""

from collections.abc import Sequence

from tifo.destinations.kinds.webhook import Webhook
from tifo.destinations.ports import Kind
from tifo.kernel.errors import NotFound

_KINDS: Sequence[Kind] = (Webhook(),)


def kinds() -> Sequence[Kind]:
    return _KINDS


def kind_of(kind_id: str) -> Kind:
    """Raises `NotFound`."""
    for kind in _KINDS:
        if kind.id == kind_id:
            return kind
    known = ", ".join(kind.id for kind in _KINDS)
    raise NotFound(f"There is no kind of destination {kind_id!r:.100}. Known are {known}.", field="kind")
