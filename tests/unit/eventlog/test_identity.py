"""A log in a folder has an identity, which says whether a position can be of it, and whether the folder is a copy."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from tifo.eventlog import identity
from tifo.eventlog.identity import as_copy, begin, read_identity, succeed
from tifo.eventlog.ports import Append, Lineage, read_on
from tifo.eventlog.sqlite import SqliteEventLog
from tifo.kernel.ids import NO_SHARD, START, MessageId, Position, SourceId
from tifo.tracking.envelope import Message

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SOURCE = SourceId("one")


class Openings:
    """Opens logs, each opening a minute after the one before."""

    def __init__(self) -> None:
        self.now = NOW
        self._open: list[SqliteEventLog] = []

    def open(self, folder: Path) -> SqliteEventLog:
        self.now += timedelta(minutes=1)
        log = SqliteEventLog(folder, clock=lambda: self.now)
        self._open.append(log)
        return log

    def append(self, folder: Path, *names: str) -> Position:
        """Opens the log for these messages alone. Returns its end."""
        log = self.open(folder)
        log.append([Append(SOURCE, self.now, [Message(MessageId(name), b'{"messageId":"x"}') for name in names])])
        end = log.end()
        log.close()
        return end

    def close(self) -> None:
        for log in self._open:
            log.close()


@pytest.fixture
def openings() -> Iterator[Openings]:
    made = Openings()
    yield made
    made.close()


def test_a_new_log_has_an_identity_of_its_own_and_keeps_it(tmp_path: Path, openings: Openings) -> None:
    openings.append(tmp_path / "a", "1")
    first = read_identity(tmp_path / "a")
    openings.append(tmp_path / "a", "2")
    openings.append(tmp_path / "b", "1")
    again, other = (read_identity(tmp_path / name) for name in "ab")
    assert first
    assert again
    assert other
    assert first.shard == again.shard != other.shard
    assert identity.shard_of(tmp_path / "none") == NO_SHARD


def test_each_opening_numbers_its_events_beyond_all_before_and_reading_goes_over_the_gap(
    tmp_path: Path, openings: Openings
) -> None:
    ends = [openings.append(tmp_path, str(number)) for number in range(4)]
    assert ends[0] == 1
    assert sorted(ends) == ends
    assert ends[3] < 2**53, "JSON shows it exactly"
    log = openings.open(tmp_path)
    assert [block.last for block in log.read(START, max_events=9)] == ends
    assert [log.behind(each) for each in (START, *ends)] == [4, 3, 2, 1, 0]
    assert [log.lineage(each) for each in ends] == [Lineage.OWN] * 4
    assert log.lineage(Position(ends[1] + 1)) is Lineage.FORKED


def test_what_a_restored_log_receives_lies_behind_every_position_that_the_lost_one_gave(
    tmp_path: Path, openings: Openings
) -> None:
    live, backup = tmp_path / "live", tmp_path / "backup"
    kept = openings.append(live, "1", "2")
    shutil.copytree(live, backup)
    lost = openings.append(live, "3", "4", "5")
    shutil.rmtree(live)
    backup.rename(live)
    log = openings.open(live)
    assert log.lineage(kept) is Lineage.OWN
    assert log.lineage(lost) is Lineage.FORKED
    log.append([Append(SOURCE, openings.now, [Message(MessageId("6"), b"{}")])])
    assert log.behind(read_on(log, lost)) == 1, "a reader of the lost log gets all that came since, and nothing twice"
    assert log.lineage(lost) is Lineage.FORKED


def test_a_clock_that_was_set_back_is_noticed_and_nothing_is_passed_over(tmp_path: Path, openings: Openings) -> None:
    live, backup = tmp_path / "live", tmp_path / "backup"
    openings.append(live, "1")
    shutil.copytree(live, backup)
    lost = openings.append(live, "2")
    shutil.rmtree(live)
    backup.rename(live)
    openings.now -= timedelta(hours=1)
    log = openings.open(live)
    assert log.lineage(lost) is Lineage.AHEAD
    assert read_on(log, lost) == START


def test_a_copy_beside_its_original_is_held_until_somebody_says_what_it_is(tmp_path: Path) -> None:
    live, copy = tmp_path / "live", tmp_path / "copy"
    made = begin(live, NOW)
    shutil.copytree(live, copy)
    assert begin(live, NOW).held == ""
    held = begin(copy, NOW)
    assert (held.shard, held.held) == (made.shard, f"It is a copy of {live}, which is there too.")
    assert begin(copy, NOW).held, "held also at its next start, where it knows its own place"
    freed = as_copy(copy)
    assert (freed.held, freed.copied_from) == ("", made.shard)
    assert freed.shard != made.shard
    assert begin(copy, NOW).held == ""


def test_a_copy_that_takes_its_originals_place_goes_on_under_its_name(tmp_path: Path) -> None:
    live, copy = tmp_path / "live", tmp_path / "copy"
    made = begin(live, NOW)
    shutil.copytree(live, copy)
    assert begin(copy, NOW).held
    freed = succeed(copy)
    assert (freed.shard, freed.held) == (made.shard, "")


def test_a_folder_that_was_moved_or_put_back_in_its_place_is_not_held(tmp_path: Path) -> None:
    live, moved, backup = tmp_path / "live", tmp_path / "moved", tmp_path / "backup"
    begin(live, NOW)
    live.rename(moved)
    assert begin(moved, NOW).held == ""
    shutil.copytree(moved, backup)
    shutil.rmtree(moved)
    shutil.copytree(backup, moved)
    assert begin(moved, NOW).held == ""


def test_a_copy_from_another_machine_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live, copy = tmp_path / "live", tmp_path / "copy"
    machine = tmp_path / "machine-id"
    machine.write_text("one\n")
    monkeypatch.setattr(identity, "_MACHINE", machine)
    begin(live, NOW)
    shutil.copytree(live, copy)
    shutil.rmtree(live)
    machine.write_text("two\n")
    assert "another machine" not in (held := begin(copy, NOW).held)
    assert held.startswith(f"It was copied from {live} on the machine ")
    machine.unlink()
    assert begin(live, NOW).held == "", "machines without an id cannot be told apart"


def test_a_log_of_before_the_names_claims_the_positions_that_have_none(tmp_path: Path, openings: Openings) -> None:
    openings.append(tmp_path, "1")
    (tmp_path / identity.FILE).unlink()
    log = openings.open(tmp_path)
    assert log.names_old_positions
    log.close()
    assert openings.append(tmp_path, "2") > 2, "its next opening leaves a gap too"


def test_the_identity_is_readable_and_whole(tmp_path: Path) -> None:
    made = begin(tmp_path, NOW)
    shown = msgspec.json.decode((tmp_path / identity.FILE).read_bytes())
    assert shown["shard"] == made.shard
    assert shown["place"]["path"] == str(tmp_path.resolve())
    assert not list(tmp_path.glob("*.part"))
