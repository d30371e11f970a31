"""The catalog of kinds. They are imported when somebody asks: most commands need none, and HTTP takes its time."""

from collections.abc import Sequence
from functools import cache

from tifo.destinations.ports import Kind
from tifo.kernel.errors import NotFound


@cache
def kinds() -> Sequence[Kind]:
    from tifo.destinations.kinds.segment import Forwarder
    from tifo.destinations.kinds.webhook import Webhook

    return (Webhook(), Forwarder())


def kind_of(kind_id: str) -> Kind:
    """Raises `NotFound`."""
    for kind in kinds():
        if kind.id == kind_id:
            return kind
    known = ", ".join(kind.id for kind in kinds())
    raise NotFound(f"There is no kind of destination {kind_id!r:.100}. Known are {known}.", field="kind")
