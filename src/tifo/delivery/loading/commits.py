"""Loads pieces in one transaction of the warehouse, and finds the message that it refuses."""

from collections.abc import Callable, Sequence

import structlog

from tifo.delivery.loading.ahead import PieceConverter
from tifo.delivery.loading.pieces import Piece, Prepared, discarded, halves
from tifo.kernel.errors import Conflict, Transient
from tifo.warehouses.ports import Loaded, Warehouse

_log = structlog.get_logger("tifo.loader")


class PieceCommitter:
    """Loads pieces, each exactly once: rows and position commit together. `on_commit` is called after each commit."""

    def __init__(
        self,
        warehouse: Warehouse,
        converter: PieceConverter,
        on_commit: Callable[[Sequence[Prepared], Sequence[Loaded]], None],
    ) -> None:
        self._warehouse = warehouse
        self._converter = converter
        self._on_commit = on_commit

    def commit(
        self, pieces: Sequence[Piece], ready: Sequence[Prepared] = (), meanwhile: Callable[[], None] | None = None
    ) -> None:
        """Commits all pieces in one transaction. `ready` are the pieces converted, where they are already. `meanwhile`
        is called while the warehouse commits.

        A warehouse that refuses them gets them one by one, then halved, until the culprit is alone: it alone is
        discarded. Raises `Transient` or `Conflict` where the warehouse cannot take anything now.
        """
        try:
            converted = ready or self._converter.convert(pieces)
            loaded = self._warehouse.load([each.load for each in converted], meanwhile)
        # The warehouse is away or its position has moved: no single message is at fault, so nothing is halved.
        except (Transient, Conflict):
            raise
        except Exception as error:  # noqa: BLE001 (no message may stop the others, whatever it breaks)
            self._commit_apart(pieces, error)
        else:
            self._committed(converted, loaded)

    def _commit_apart(self, pieces: Sequence[Piece], error: Exception) -> None:
        if len(pieces) > 1:
            for piece in pieces:
                self.commit([piece])
        elif pieces[0].events > 1:
            for half in halves(pieces[0]):
                self.commit([half])
        else:
            self._discard(pieces[0], error)

    def _discard(self, piece: Piece, error: Exception) -> None:
        if not piece.events:
            raise Transient(f"The warehouse refuses to move a position: {error}") from error
        _log.warning(
            "loader.message_set_aside", position=piece.position, schema=piece.progress.schema, error=str(error)
        )
        ready = discarded(piece, f"refused by the warehouse: {error}")
        try:
            loaded = self._warehouse.load([ready.load])
        except (Transient, Conflict):
            raise
        except Exception as second:
            raise Transient(f"The warehouse does not even take a discarded message: {second}") from second
        self._committed([ready], loaded)

    def _committed(self, ready: Sequence[Prepared], loaded: Sequence[Loaded]) -> None:
        for each in ready:
            # The next load says that it goes on from here, and the warehouse refuses one that does not fit its own
            # position.
            each.piece.progress.committed = each.piece.position
            each.piece.progress.tables |= each.tables.keys()
        self._on_commit(ready, loaded)
