"""A warehouse in memory, and pieces to load into it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import cast

from tests.shards import SHARD
from tifo.delivery.loading.progress import SourceProgress
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import Position, Shard, SourceId
from tifo.warehouses.ports import Cursor, Load, Loaded, Warehouse
from tifo.workspace.model import Source, SourceType, WriteKey

NOW = datetime(2026, 11, 24, 10, 0, 1, tzinfo=UTC)


def source(name: str, *, schema: str | None = None) -> Source:
    return Source(
        id=SourceId(name),
        name=name,
        slug=name,
        schema=schema or name,
        type=SourceType.HTTP,
        enabled=True,
        created_at=NOW,
        keys=(WriteKey("k", NOW),),
    )


def progress_of(name: str, read: int = 0) -> SourceProgress:
    return SourceProgress(
        source_id=SourceId(name), shard=SHARD, schema=name, committed=Position(read), read=Position(read)
    )


class FakeWarehouse:
    """The part of a warehouse that loading uses. It refuses loads that hold one of the ids in `poison`."""

    def __init__(self) -> None:
        self.cursors: dict[str, Cursor] = {}
        self.names: dict[str, frozenset[str]] = {}
        self.failures: list[Exception] = []
        self.poison: set[str] = set()
        self.refuses_all = False
        self.loads: list[list[str]] = []
        self.discards: list[str] = []
        self.published: list[bool] = []

    @property
    def contract(self) -> Warehouse:
        return cast("Warehouse", self)

    def committed_positions(self, shard: Shard) -> dict[str, Cursor]:
        assert shard == SHARD
        if self.failures:
            raise self.failures.pop(0)
        return dict(self.cursors)

    def publish(self, *, at_end: bool = False) -> None:
        self.published.append(at_end)

    def table_names(self, schema: str) -> frozenset[str]:
        return self.names.get(schema, frozenset())

    def load(self, loads: Sequence[Load], meanwhile: Callable[[], None] | None = None) -> list[Loaded]:
        if self.failures:
            raise self.failures.pop(0)
        ids = [i for load in loads if "tracks" in load.tables for i in load.tables["tracks"].rows["id"].to_pylist()]
        if self.refuses_all or self.poison & set(ids):
            raise Rejected("poison")
        if meanwhile is not None:
            meanwhile()
        self.loads.append(ids)
        self.discards += [str(each.message_id) for load in loads for each in load.discards]
        return [
            Loaded(
                connection=load.connection,
                rows={"tracks": len(ids)},
                duplicates=0,
                discarded=len(load.discards),
                notices=(),
            )
            for load in loads
        ]
