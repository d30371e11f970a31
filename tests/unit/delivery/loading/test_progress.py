"""How far each source has come in a warehouse."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.delivery.loading.fakes import FakeWarehouse, source
from tifo.delivery.loading.progress import LOOK_S, MISSING_S, LoadProgress
from tifo.kernel.errors import Transient
from tifo.kernel.ids import Position, SourceId
from tifo.warehouses.ports import Cursor
from tifo.workspace.model import Source


class Rig:
    def __init__(self, log: Any) -> None:
        self.now_s = 100.0
        self.log = log
        self.warehouse = FakeWarehouse()
        self.sources: list[Source] = []
        self.takes: Callable[[SourceId], bool] = lambda _: True
        self.progress = LoadProgress(
            log, self.warehouse.contract, lambda: self.sources, self.takes_source, monotonic=lambda: self.now_s
        )

    def takes_source(self, source_id: SourceId) -> bool:
        return self.takes(source_id)

    def refreshed(self) -> dict[str, tuple[str, int]]:
        if not self.progress.is_known:
            self.progress.restore()
        return {each.source_id: (each.schema, each.read) for each in self.progress.refresh()}


@pytest.fixture
def rig(log: Any) -> Rig:
    return Rig(log)


def test_the_warehouse_says_how_far_a_source_is_and_the_catalog_adds_new_ones(rig: Rig) -> None:
    rig.log.add("one", b"{}", b"{}")
    rig.warehouse.cursors = {"one": Cursor("one", Position(1))}
    rig.sources = [source("one"), source("two")]
    assert rig.refreshed() == {"one": ("one", 1), "two": ("two", 0)}


def test_a_position_beyond_the_logs_end_belongs_to_another_log(rig: Rig) -> None:
    rig.warehouse.cursors = {"one": Cursor("one", Position(9))}
    assert rig.refreshed() == {"one": ("one", 0)}


def test_a_renamed_source_goes_on_in_its_new_schema_with_the_tables_there(rig: Rig) -> None:
    rig.sources = [source("one")]
    rig.refreshed()
    rig.sources = [source("one", schema="other")]
    rig.warehouse.names = {"other": frozenset({"tracks"})}
    assert rig.refreshed() == {"one": ("other", 0)}
    assert rig.progress.all()[0].tables == {"tracks"}


def test_a_source_that_the_catalog_lacks_gets_a_schema_of_its_own_after_a_while(rig: Rig) -> None:
    rig.log.add("0193-ab", b"{}")
    assert rig.refreshed() == {}
    assert rig.progress.misses_sources, "its event waits"
    rig.now_s += MISSING_S
    assert rig.refreshed() == {"0193-ab": ("unknown_source_0193_ab", 0)}


def test_a_source_that_left_the_catalog_goes_on_in_the_schema_that_the_warehouse_knows(rig: Rig) -> None:
    rig.log.add("one", b"{}")
    rig.warehouse.cursors = {"one": Cursor("club", Position(0))}
    for _ in range(2):
        assert rig.refreshed() == {"one": ("club", 0)}
        rig.now_s += MISSING_S


def test_sources_that_the_warehouse_is_not_connected_to_are_left_out(rig: Rig) -> None:
    rig.log.add("other", b"{}")
    rig.warehouse.cursors = {"one": Cursor("one", Position(0))}
    rig.sources = [source("one"), source("two")]
    rig.takes = lambda source_id: source_id == "two"
    rig.refreshed()
    rig.now_s += MISSING_S
    assert rig.refreshed().keys() == {"two"}


def test_a_position_that_was_taken_back_is_noticed_within_a_few_seconds(rig: Rig) -> None:
    rig.log.add("one", b"{}")
    rig.warehouse.cursors = {"one": Cursor("one", Position(1))}
    rig.refreshed()
    assert not rig.progress.is_rewound()
    rig.warehouse.cursors = {"one": Cursor("one", Position(0))}
    assert not rig.progress.is_rewound(), "it looks now and then"
    rig.now_s += LOOK_S
    assert rig.progress.is_rewound()
    rig.now_s += LOOK_S
    rig.warehouse.failures = [Transient("away")]
    assert not rig.progress.is_rewound()


def test_progress_that_was_reset_is_asked_of_the_warehouse_again(rig: Rig) -> None:
    rig.log.add("one", b"{}")
    rig.sources = [source("one")]
    rig.refreshed()
    rig.progress.all()[0].read = Position(1)
    rig.progress.reset()
    assert rig.progress.all() == []
    assert rig.refreshed() == {"one": ("one", 0)}
