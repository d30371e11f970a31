"""Defines the registry of event logs: which logs the nodes on one state have, and how much is behind their readers.

Every node has a log of its own, which the others cannot read. What they know of it is what its node notes here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from tifo.kernel.ids import DestinationId, Shard, SourceId

MAX_NOTICES = 1_000
"""The registry holds the newest notices."""
STALE_S = 30.0
"""A log that was not noted for so long is not open anywhere."""


def destination_reader(destination_id: DestinationId) -> str:
    return f"destination/{destination_id}"


def warehouse_reader(warehouse: str, source_id: SourceId) -> str:
    return f"warehouse/{warehouse}/{source_id}"


class NotedLog(NamedTuple):
    """Says what a node notes of its log."""

    shard: Shard
    host: str
    path: str
    """The folder of the log on that host."""
    seen_at: datetime
    complete_since: datetime | None
    """The log holds every event received since then; None where it holds all that it ever had."""
    backlog: Mapping[str, int]
    """Events that a reader (`destination_reader`, `warehouse_reader`) has before it; readers with none are left out."""


class LogNotice(NamedTuple):
    shard: Shard
    at: datetime
    text: str
    """What happened to the log, and what may be there twice or missing."""


class KnownLogs(Protocol):
    """Stores what nodes note of their logs. Methods block."""

    def claim(self, shard: Shard) -> None:
        """Gives the log everything that an earlier version stored without naming a log, where there is any."""

    def note(self, seen: NotedLog) -> None:
        """Takes the place of the earlier note of this log."""

    def all(self) -> Sequence[NotedLog]:
        """Returns the logs, the one that was seen last first."""

    def notify(self, notice: LogNotice) -> None:
        """Adds a notice, unless the newest of its log says the same."""

    def notices(self) -> Sequence[LogNotice]:
        """Returns the newest first."""

    def forget(self, shard: Shard) -> None:
        """Deletes what a log that is gone has left: its backlog, and the events that wait for its deliverer. Totals of
        what was delivered and loaded stay, and so does when it was seen last; its path becomes empty. Raises
        `NotFound`.
        """
