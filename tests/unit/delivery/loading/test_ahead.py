"""Reading the log ahead of the warehouse."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.delivery.loading.fakes import progress_of
from tifo.delivery.loading import ahead as module
from tifo.delivery.loading.ahead import PieceConverter, PieceReader, ReadAhead
from tifo.delivery.loading.pieces import Wanted
from tifo.kernel.ids import Position

Message = Callable[..., bytes]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_EVENTS", 1)


def fill(log: Any, message: Message, **counts: int) -> None:
    for name, count in counts.items():
        for number in range(count):
            log.add(name, message(f"{name}{number}"))


def test_a_flush_is_bounded_over_all_sources_and_the_furthest_behind_comes_first(log: Any, message: Message) -> None:
    fill(log, message, one=6, two=6)
    ahead, behind = progress_of("one", read=2), progress_of("two")
    pieces = PieceReader(log, flush_events=8).read([ahead, behind], log.end())
    assert [(piece.progress.source_id, piece.events) for piece in pieces] == [("two", 6), ("one", 2)]
    assert (behind.read, ahead.read) == (12, 4)


def test_each_failure_in_a_row_halves_the_flush(log: Any, message: Message) -> None:
    fill(log, message, one=16)
    reader = PieceReader(log, flush_events=8)
    assert [reader.read([progress_of("one")], log.end(), failures=n)[0].events for n in (0, 1, 2, 99)] == [8, 4, 2, 1]


def test_a_flush_is_bounded_by_bytes(log: Any, message: Message, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_BYTES", 1)
    monkeypatch.setattr(module, "READ_EVENTS", 2)
    fill(log, message, one=6, two=2)
    pieces = PieceReader(log, flush_events=8).read([progress_of("one"), progress_of("two")], log.end())
    assert [piece.events for piece in pieces] == [2, 0], "one read, then no more"


def test_a_source_without_events_is_read_to_the_end(log: Any, message: Message) -> None:
    fill(log, message, one=3)
    quiet = progress_of("quiet")
    (piece,) = PieceReader(log, flush_events=8).read([quiet], log.end())
    assert (piece.events, piece.position, quiet.read) == (0, 3, 3)


def test_tables_that_a_piece_will_make_count_for_the_next_piece(log: Any, message: Message) -> None:
    fill(log, message, one=1)
    progress = progress_of("one")
    (ready,) = PieceConverter(lambda _: Wanted()).convert(PieceReader(log, 8).read([progress], log.end()))
    assert progress.tables == ready.tables.keys() == {"tracks", "badge_rewarded"}


def test_the_next_flush_is_prepared_once_and_read_again_when_it_is_dropped(log: Any, message: Message) -> None:
    fill(log, message, one=4)
    progress = progress_of("one")
    ahead = ReadAhead(log, PieceReader(log, flush_events=2), PieceConverter(lambda _: Wanted()))
    ahead.prepare([progress])
    ahead.prepare([progress])
    assert progress.read == 2
    assert [each.piece.events for each in ahead.take()] == [2]
    assert not ahead
    ahead.prepare([progress])
    ahead.drop()
    assert ahead.take() == []
    assert progress.read == Position(4)
