"""Committing pieces, and finding a message that the warehouse refuses."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.unit.delivery.loading.fakes import FakeWarehouse, progress_of
from tifo.delivery.loading.ahead import PieceConverter, PieceReader
from tifo.delivery.loading.commits import PieceCommitter
from tifo.delivery.loading.pieces import Piece, Prepared, Wanted
from tifo.kernel.errors import Conflict, Transient
from tifo.kernel.ids import Position
from tifo.warehouses.ports import Loaded

Message = Callable[..., bytes]


class Rig:
    def __init__(self, log: Any, message: Message) -> None:
        self.warehouse = FakeWarehouse()
        self.committed: list[int] = []
        converter = PieceConverter(lambda _: Wanted())
        self.committer = PieceCommitter(self.warehouse.contract, converter, self.note)
        log.add("one", *(message(f"a{n}") for n in range(4)))
        log.add("two", message("b0"))
        self.sources = [progress_of("one"), progress_of("two")]
        self.pieces: Sequence[Piece] = PieceReader(log, 1_000).read(self.sources, log.end())

    def note(self, ready: Sequence[Prepared], _: Sequence[Loaded]) -> None:
        self.committed.append(sum(each.piece.events for each in ready))


@pytest.fixture
def rig(log: Any, message: Message) -> Rig:
    return Rig(log, message)


def test_all_pieces_are_one_transaction_and_their_positions_move_after_it(rig: Rig) -> None:
    called: list[list[int]] = []
    rig.committer.commit(rig.pieces, meanwhile=lambda: called.append([each.committed for each in rig.sources]))
    assert rig.warehouse.loads == [["a0", "a1", "a2", "a3", "b0"]]
    assert called == [[0, 0]], "not before it"
    assert [each.committed for each in rig.sources] == [5, 5]
    assert rig.committed == [5]


def test_a_refused_message_is_discarded_alone_and_its_neighbours_are_loaded(rig: Rig) -> None:
    rig.warehouse.poison = {"a2"}
    rig.committer.commit(rig.pieces)
    assert sorted(i for ids in rig.warehouse.loads for i in ids) == ["a0", "a1", "a3", "b0"]
    assert rig.warehouse.discards == ["a2"]
    assert [each.committed for each in rig.sources] == [5, 5]
    assert sum(rig.committed) == 5


def test_a_half_moves_the_position_no_further_than_its_last_event(rig: Rig) -> None:
    rig.warehouse.poison = {"a0"}
    positions: list[int] = []
    rig.committer = PieceCommitter(
        rig.warehouse.contract,
        PieceConverter(lambda _: Wanted()),
        lambda ready, _: positions.extend(each.piece.position for each in ready),
    )
    rig.committer.commit(rig.pieces[:1])
    assert positions == [1, 2, 5]


@pytest.mark.parametrize("error", [Transient("away"), Conflict("another loads")])
def test_a_warehouse_that_is_away_says_nothing_about_the_messages(rig: Rig, error: Exception) -> None:
    rig.warehouse.failures = [error]
    with pytest.raises(type(error)):
        rig.committer.commit(rig.pieces)
    assert (rig.warehouse.loads, rig.warehouse.discards, rig.committed) == ([], [], [])
    assert [each.committed for each in rig.sources] == [0, 0]


def test_a_warehouse_that_refuses_even_discards_or_positions_is_tried_again_later(rig: Rig) -> None:
    rig.warehouse.refuses_all = True
    with pytest.raises(Transient, match="discarded message"):
        rig.committer.commit(rig.pieces)
    with pytest.raises(Transient, match="move a position"):
        rig.committer.commit([Piece(rig.sources[0], [], Position(5))])
