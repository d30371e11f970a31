"""Replay: events are sent to a destination again because somebody asks for it. A running deliverer sends them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tifo.delivery.ports import ReplaySelection
from tifo.delivery.sending.replay import LogReplay, ReplayProgress
from tifo.kernel.durations import read_moment
from tifo.kernel.errors import Rejected
from tifo.operations import destinations
from tifo.operations.backend import Backend


class ReplayedEvents(NamedTuple):
    queued: int
    filtered: int
    """Selected events that are not meant for the destination: its filters hold for replays too."""
    replay: str
    """The id of the replay."""


def selection(
    backend: Backend,
    *,
    since: str | None = None,
    until: str | None = None,
    names: Sequence[str] = (),
    users: Sequence[str] = (),
    message_ids: Sequence[str] = (),
) -> ReplaySelection:
    """Selects events by when they were received (a time, or how long ago) and by what they are. Raises `Rejected`."""
    now = backend.clock()
    return ReplaySelection(
        since=None if since is None else read_moment(since, "since", now),
        until=None if until is None else read_moment(until, "until", now),
        names=tuple(names),
        users=tuple(users),
        message_ids=tuple(message_ids),
    )


def redrive(backend: Backend, destination: str, chosen: ReplaySelection) -> int:
    """Makes the selected dead letters wait for another attempt. Returns how many."""
    found = destinations.find(backend, destination)
    return backend.deliveries.redrive(found.id, chosen, backend.clock())


def replay(
    backend: Backend,
    destination: str,
    chosen: ReplaySelection,
    *,
    rate: float | None = None,
    on_progress: Callable[[ReplayProgress], None] = lambda _: None,
) -> ReplayedEvents:
    """Queues selected events of the log, whatever became of them before; at most `rate` events a second.

    Blocks until all are queued, and reports progress to `on_progress`. See `LogReplay.run`.
    """
    if rate is not None and rate <= 0:
        raise Rejected(f"rate is {rate:g}. Give events a second, above 0.", field="rate")
    found = destinations.find(backend, destination)
    replay_id = backend.new_id()
    with backend.read_log() as log:
        work = LogReplay(log, backend.deliveries, replay_id, rate=rate, on_progress=on_progress, clock=backend.clock)
        done = work.run(found.id, found.source_id, destinations.filter_of(found), chosen)
    return ReplayedEvents(done.queued, done.filtered, replay_id)
