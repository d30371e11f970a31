"""Names the log that tests take positions from."""

from tifo.kernel.ids import LogPosition, Position, Shard

SHARD = Shard("memory")
"""The shard of a `MemoryEventLog` that was given none."""


def at(position: int) -> LogPosition:
    return LogPosition(SHARD, Position(position))
