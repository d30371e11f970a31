"""Keeps a `SourceNaming` for each source that one loader loads."""

from collections.abc import Callable, Collection, Mapping

from tifo.delivery.loading.progress import SourceProgress
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.ids import SourceId
from tifo.warehouses.memory.names import InMemorySchemaNames
from tifo.warehouses.names import UNPLANNED, Planned, SchemaNames
from tifo.warehouses.source_naming import SourceNaming

PlannedOf = Callable[[SourceId], Planned]
ColumnsOf = Callable[[str], Mapping[str, Collection[str]]]


def nothing_planned(_: SourceId) -> Planned:
    return UNPLANNED


def no_columns(_: str) -> Mapping[str, Collection[str]]:
    return {}


class SourceNamings:
    """Reads a source's names once; `SourceNaming` asks for what is new. `columns_of` asks the warehouse for a schema's.

    Without `names` they are settled in memory, for this loader alone.
    """

    def __init__(
        self,
        names: SchemaNames | None = None,
        *,
        planned: PlannedOf = nothing_planned,
        columns_of: ColumnsOf = no_columns,
        clock: Clock = system_clock,
    ) -> None:
        self._names = names or InMemorySchemaNames(clock)
        self._planned = planned
        self._columns_of = columns_of
        self._clock = clock
        self._by_source: dict[SourceId, SourceNaming] = {}

    def of(self, progress: SourceProgress) -> SourceNaming:
        """Raises `Transient` where state or warehouse cannot be asked."""
        source_id = progress.source_id
        if source_id not in self._by_source:
            self._by_source[source_id] = SourceNaming(
                lambda wishes: self._names.settle(source_id, wishes),
                self._names.read(source_id),
                # A warehouse that was loaded before names were settled has columns whose keys nobody has asked for yet.
                existing=self._columns_of(progress.schema) if progress.tables else {},
                planned=lambda: self._planned(source_id),
                clock=self._clock,
            )
        return self._by_source[source_id]
