"""Finds ledger rows by an id, in memory."""

from collections.abc import Sequence

from tifo.engagement.memory.state import InMemoryState
from tifo.engagement.model import Transaction


class InMemoryLedgerTrace:
    """Implements `engagement.ports.LedgerTrace`."""

    def __init__(self, state: InMemoryState) -> None:
        self._state = state

    def about(self, wanted: str, *, limit: int) -> Sequence[Transaction]:
        # A profile belongs to one application, so the order of one application's ledger is the order of the answer.
        rows = [row for each in self._state.applications.values() for row in each.transactions]
        return [row for row in rows if wanted in {row.id, row.profile_id}][-limit:]
