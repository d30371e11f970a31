"""Measures one loader's backlog: how many events of the log it has not read, and since when."""

from typing import NamedTuple

from prometheus_client import Gauge

from tifo.eventlog.ports import EventLog
from tifo.kernel.ids import START, Position

_LAG = Gauge(
    "tifo_loader_lag_seconds",
    "How long events have been waiting in the log; 0 where none waits",
    ["warehouse"],
    multiprocess_mode="livemostrecent",
)


class Backlog(NamedTuple):
    """Counts the events in the log beyond those that were read."""

    events: int
    seconds: float
    """Since the loader first saw them."""


def should_flush(waiting: Backlog, *, flush_s: float, flush_events: int) -> bool:
    return waiting.events > 0 and (waiting.seconds >= flush_s or waiting.events >= flush_events)


class BacklogMeter:
    """Measures how long events have been waiting for the loader of the warehouse `name`, and shows it as a metric."""

    def __init__(self, name: str, log: EventLog) -> None:
        self._name = name
        self._log = log
        self.read_to = START
        """The position up to which every source's events were loaded."""
        self._misses_sources = False
        self._waiting_since_s: float | None = None

    def measure(self, now_s: float) -> Backlog:
        events = self._log.behind(self.read_to) if self._log.end() > self.read_to else int(self._misses_sources)
        if not events:
            self._waiting_since_s = None
        elif self._waiting_since_s is None:
            self._waiting_since_s = now_s
        seconds = 0.0 if self._waiting_since_s is None else now_s - self._waiting_since_s
        _LAG.labels(self._name).set(seconds)
        return Backlog(events, seconds)

    def loaded(self, read_to: Position, *, misses_sources: bool = False) -> None:
        """Notes a flush. Events that came during it begin to wait at the next measurement.

        `misses_sources`: events wait for a source that may yet appear in the catalog.
        """
        self.read_to = read_to
        self._misses_sources = misses_sources
        self._waiting_since_s = None
