"""The history of syncs."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.unit.delivery.loading.fakes import NOW, progress_of
from tifo.delivery.loading.history import MAX_UNRECORDED, SyncHistory
from tifo.delivery.loading.pieces import Piece, prepared
from tifo.kernel.errors import Transient
from tifo.kernel.ids import Position, SourceId
from tifo.warehouses.ports import Loaded
from tifo.workspace.warehouses import Sync, SyncStatus


class Rig:
    def __init__(self, log: Any, recorded: Mapping[str, int] | None = None) -> None:
        self.syncs: list[Sync] = []
        self.is_away = False
        positions = None if recorded is None else {SourceId(k): Position(v) for k, v in recorded.items()}
        self.history = SyncHistory(
            "own", log, lambda: NOW, self.record, None if positions is None else lambda: positions
        )

    def record(self, syncs: Sequence[Sync]) -> None:
        if self.is_away:
            raise Transient("state out of reach")
        self.syncs += syncs


def test_a_load_is_recorded_with_its_rows_and_position(log: Any, message: Any) -> None:
    log.add("one", message("a"), b"no message")
    rig = Rig(log)
    piece = Piece(progress_of("one"), log.read(Position(0), max_events=9), Position(2))
    rig.history.committed(
        [prepared(piece)],
        [Loaded(connection="one", rows={"tracks": 1}, duplicates=0, discarded=1, notices=("table tracks made",))],
    )
    (sync,) = rig.syncs
    assert (sync.warehouse, sync.source_id) == ("own", "one")
    assert (sync.events, sync.rows, sync.discarded, sync.failed, sync.position) == (2, {"tracks": 1}, 1, 1, 2)
    assert sum(sync.latencies.values()) == 2


@pytest.mark.parametrize(("discarded", "status"), [(0, SyncStatus.SUCCESS), (1_234, SyncStatus.PARTIAL)])
def test_a_load_with_discards_is_no_plain_success_and_says_how_many(
    log: Any, message: Any, discarded: int, status: SyncStatus
) -> None:
    log.add("one", message("a"))
    rig = Rig(log)
    piece = Piece(progress_of("one"), log.read(Position(0), max_events=9), Position(1))
    loaded = Loaded(connection="one", rows={}, duplicates=0, discarded=discarded, notices=("table tracks made",))
    rig.history.committed([prepared(piece)], [loaded])
    (sync,) = rig.syncs
    assert sync.status is status
    assert sync.notices[0] == "table tracks made"
    assert [notice for notice in sync.notices if "1,234" in notice] == list(sync.notices)[1:]


def test_a_load_that_only_moves_a_position_is_not_recorded_as_a_sync(log: Any) -> None:
    rig = Rig(log)
    rig.history.committed(
        [prepared(Piece(progress_of("one"), [], Position(2)))],
        [Loaded(connection="one", rows={}, duplicates=0, discarded=0, notices=())],
    )
    assert rig.syncs == []


def test_the_same_failure_is_recorded_once_until_a_flush_succeeds(log: Any) -> None:
    rig = Rig(log)
    for error in ("away", "away", "full", "away"):
        rig.history.failed(error)
    rig.history.succeeded()
    rig.history.failed("away")
    assert [sync.error for sync in rig.syncs] == ["away", "full", "away", "away"]
    assert {sync.status for sync in rig.syncs} == {SyncStatus.FAILURE}


def test_a_history_that_is_away_is_written_later_and_within_bounds(log: Any) -> None:
    rig = Rig(log)
    rig.is_away = True
    for number in range(MAX_UNRECORDED + 5):
        rig.history.failed(str(number))
    rig.is_away = False
    rig.history.failed("last")
    assert len(rig.syncs) == MAX_UNRECORDED
    assert (rig.syncs[0].error, rig.syncs[-1].error) == ("6", "last")


def test_loads_that_were_committed_and_not_recorded_are_counted_afterwards(log: Any, message: Any) -> None:
    log.add("one", message("a"), message("b"), message("c"))
    log.add("two", message("d"))
    rig = Rig(log, recorded={"one": 1, "two": 4})
    rig.history.catch_up([progress_of("one", read=3), progress_of("two", read=4)])
    (sync,) = rig.syncs
    assert (sync.source_id, sync.events, sync.position) == ("one", 2, 3)
    assert any("afterwards" in notice for notice in sync.notices)


def test_a_load_that_waits_to_be_recorded_is_not_counted_twice(log: Any, message: Any) -> None:
    log.add("one", message("a"))
    rig = Rig(log, recorded={})
    rig.is_away = True
    piece = Piece(progress_of("one"), log.read(Position(0), max_events=9), Position(1))
    rig.history.committed(
        [prepared(piece)], [Loaded(connection="one", rows={"tracks": 1}, duplicates=0, discarded=0, notices=())]
    )
    rig.is_away = False
    rig.history.catch_up([progress_of("one", read=1)])
    rig.history.failed("flush")
    assert [sync.events for sync in rig.syncs] == [1, 0]
