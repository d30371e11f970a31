"""Recognises messages that came in the last day: 16 bytes each, in sorted runs on disk, looked up many at a time.

The newest fingerprints are a set in memory. When it is full it becomes a run: a file of sorted 128-bit numbers. Runs of
one hour merge, and are deleted when their hour leaves the window. Runs are derived from the log: fingerprints that no
run has are read from it again.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from tifo.eventlog.blocks import FINGERPRINT_BYTES

_log = structlog.get_logger("tifo.eventlog")

Numbers = npt.NDArray[np.uint64]
_HOUR_S = 3600
# So many runs of alike size merge into one, so their number (and the cost of a look-up) stays logarithmic.
_MERGE_AT = 8


@dataclass(frozen=True, eq=False)
class _Run:
    """A file of fingerprints. `numbers` has two rows, their high and low halves, sorted by the high one."""

    path: Path
    hour: int
    tier: int
    through: int
    """The log's position up to which this run was complete when it was made."""
    numbers: Numbers

    def holds(self, high: Numbers, low: Numbers) -> npt.NDArray[np.bool_]:
        first = np.searchsorted(self.numbers[0], high, side="left")
        after = np.searchsorted(self.numbers[0], high, side="right")
        found = np.zeros(len(high), dtype=bool)
        # Almost only true duplicates get here: two fingerprints seldom share their high half.
        for index in np.flatnonzero(after > first):
            found[index] = bool(np.any(self.numbers[1][first[index] : after[index]] == low[index]))
        return found


class DedupIndex:
    """Holds the fingerprints of one log, for its one writer. At most `max_recent` of them are in memory."""

    def __init__(self, directory: Path, *, window_s: float, max_recent: int = 200_000) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._window_s = window_s
        self._max_recent = max_recent
        self._recent: set[bytes] = set()
        self._recent_hour = 0
        self._recent_through = 0
        self._runs = sorted(map(_open, directory.glob("*.npy")), key=lambda run: run.through)

    def through(self) -> int:
        """Returns the log's position up to which every event is in a run; later events must be added again."""
        return max((run.through for run in self._runs), default=0)

    def known(self, prints: Sequence[bytes]) -> list[bytes]:
        """Returns the fingerprints, of those given, that are in the index."""
        recent = [mark for mark in prints if mark in self._recent]
        if not self._runs or not prints:
            return recent
        # The runs come after the set: `seal` may move fingerprints from the set into a run meanwhile, in the thread
        # that trims.
        high, low = _numbers(prints)
        held = np.zeros(len(prints), dtype=bool)
        for run in self._runs:
            held |= run.holds(high, low)
        return recent + [prints[int(index)] for index in np.flatnonzero(held)]

    def add(self, prints: Iterable[bytes], *, at_s: float, through: int) -> None:
        """Adds the fingerprints of events that the log stored at `at_s` (epoch seconds), up to position `through`.

        Where the disk refuses a run, nothing is raised: its fingerprints stay in memory, recognised for up to an hour
        longer than others, and the next call tries to write them again.
        """
        hour = int(at_s // _HOUR_S)
        # A run holds one hour's fingerprints, so that it can be deleted as a whole once the hour has left the window.
        if hour != self._recent_hour:
            self._try_to_seal()
        self._recent_hour = hour
        self._recent.update(prints)
        self._recent_through = through
        if len(self._recent) >= self._max_recent:
            self._try_to_seal()

    def _try_to_seal(self) -> None:
        try:
            self.seal()
        except OSError as error:
            # The log has these events already, so its caller must not fail.
            _log.warning("duplicates are known in memory only", reason=str(error), fingerprints=len(self._recent))

    def seal(self) -> None:
        """Writes the fingerprints in memory as a run."""
        if self._recent:
            numbers = _sorted(_numbers(list(self._recent)))
            self._runs.append(self._write(numbers, self._recent_hour, 0, self._recent_through))
            self._recent = set()
            self._merge()

    def forget(self, now_s: float) -> None:
        """Deletes the runs that are older than the window."""
        oldest = (now_s - self._window_s) // _HOUR_S
        # The hour in which the window begins is still needed as a whole.
        expired = [run for run in self._runs if run.hour < oldest]
        self._runs = [run for run in self._runs if run.hour >= oldest]
        for run in expired:
            run.path.unlink(missing_ok=True)

    def _merge(self) -> None:
        newest = self._runs[-1]
        # Runs of other hours stay apart: a run that holds two hours could only be deleted with the later one.
        alike = [run for run in self._runs if (run.hour, run.tier) == (newest.hour, newest.tier)]
        if len(alike) < _MERGE_AT:
            return
        numbers = _sorted(np.concatenate([run.numbers for run in alike], axis=1))
        merged = self._write(numbers, newest.hour, newest.tier + 1, newest.through)
        # The merged run is on disk before its parts go: a crash in between leaves fingerprints twice, which changes no
        # answer.
        self._runs = [run for run in self._runs if run not in alike] + [merged]
        for run in alike:
            run.path.unlink(missing_ok=True)
        self._merge()

    def _write(self, numbers: Numbers, hour: int, tier: int, through: int) -> _Run:
        # The name holds what `_open` needs, so there is no list of runs that could differ from the files.
        path = self._directory / f"{hour}-{tier}-{through}.npy"
        part = path.with_suffix(".part")
        try:
            with part.open("wb") as file:
                np.save(file, numbers)
                file.flush()
                os.fsync(file.fileno())
            # The folder is not synced: a run whose name is lost in a crash is made again from the log.
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)  # half a run on a full disk takes room and serves nobody
            raise
        # Mapped, so that only the pages in use take memory.
        return _Run(path, hour, tier, through, np.load(path, mmap_mode="r"))


def _open(path: Path) -> _Run:
    hour, tier, through = map(int, path.stem.split("-"))
    return _Run(path, hour, tier, through, np.load(path, mmap_mode="r"))


def _numbers(prints: Sequence[bytes]) -> Numbers:
    flat: Any = np.frombuffer(b"".join(prints), dtype=">u8").astype(np.uint64)
    numbers: Numbers = flat.reshape(-1, FINGERPRINT_BYTES // 8).T
    return numbers


def _sorted(numbers: Numbers) -> Numbers:
    order = np.argsort(numbers[0], kind="stable")
    return np.ascontiguousarray(numbers[:, order])
