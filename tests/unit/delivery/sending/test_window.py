"""The window of events that were read and are not committed."""

from tests.unit.delivery.sending.parts import chunk_of
from tifo.delivery.sending.window import COMMIT_EARLY_EVENTS, WINDOW_BYTES, WINDOW_EVENTS, Chunk, ReadWindow
from tifo.kernel.ids import Position


def test_the_cursor_stops_before_the_first_chunk_with_an_event_that_has_no_outcome() -> None:
    window = ReadWindow(Position(0), lambda: None)
    first, second, third = chunk_of(1, 2), chunk_of(3, 4), chunk_of(5)
    for chunk in (first, second, third):
        window.add(chunk)
    window.read_to = Position(5)
    first.unsettled = third.unsettled = 0
    window.advance()
    assert (window.cursor, window.received) == (2, 2)
    second.unsettled = 0
    window.advance()
    assert (window.cursor, window.received) == (5, 5)


def test_without_chunks_the_cursor_follows_what_was_read_of_other_sources() -> None:
    window = ReadWindow(Position(3), lambda: None)
    window.read_to = Position(9)
    window.advance()
    assert (window.cursor, window.received) == (9, 0)


def test_there_is_room_again_only_once_events_are_committed() -> None:
    window = ReadWindow(Position(0), lambda: None)
    window.add(Chunk(last=Position(WINDOW_EVENTS), events=WINDOW_EVENTS, bytes=5, unsettled=0))
    assert window.room == 0
    window.advance()
    progress = window.take()
    assert window.room == 0, "taken, and not committed"
    assert (progress.position, progress.received, progress.bytes) == (WINDOW_EVENTS, WINDOW_EVENTS, 5)
    window.committed(progress)
    assert window.room == WINDOW_EVENTS


def test_a_window_full_of_bytes_has_no_room_until_they_are_committed() -> None:
    window = ReadWindow(Position(0), lambda: None)
    window.add(Chunk(last=Position(1), events=1, bytes=WINDOW_BYTES, unsettled=0))
    assert window.room == 0
    window.advance()
    window.committed(window.take())
    assert window.room == WINDOW_EVENTS


def test_a_commit_is_asked_for_once_much_is_done() -> None:
    asked: list[bool] = []
    window = ReadWindow(Position(0), lambda: asked.append(True))
    for last, events in ((1, 1), (COMMIT_EARLY_EVENTS, COMMIT_EARLY_EVENTS - 1)):
        assert asked == []
        window.add(Chunk(last=Position(last), events=events, bytes=1, unsettled=0))
        window.advance()
    assert asked == [True]
