"""Holds the actions' state in memory, for tests and short-lived processes."""

import threading
from collections.abc import Callable, Iterable, Sequence

from tifo.engagement.model import Game
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.ids import START, ClientId, Position
from tifo.source.segment_actions.matching import view_of
from tifo.source.segment_actions.ports import ActionsView, Skipped, SkippedAt


class InMemoryActionsState:
    """Implements `ActionsState`. `games` returns the definitions of every application."""

    def __init__(self, games: Callable[[], Iterable[Game]], clock: Clock = system_clock) -> None:
        self._games = games
        self._clock = clock
        self._lock = threading.Lock()
        self._position = START
        self._skipped: dict[tuple[ClientId, str, str], SkippedAt] = {}

    def view(self) -> ActionsView:
        return view_of(self._games())

    def position(self) -> Position:
        with self._lock:
            return self._position

    def advance(self, through: Position, skipped: Sequence[Skipped]) -> None:
        now = self._clock()
        with self._lock:
            self._position = through
            for each in skipped:
                key = (each.client_id, each.reward_action_key, each.reason)
                before = self._skipped[key].skipped.total if key in self._skipped else 0
                self._skipped[key] = SkippedAt(each._replace(total=before + each.total), now)

    def skipped(self, client_id: ClientId) -> Sequence[SkippedAt]:
        with self._lock:
            return [each for key, each in sorted(self._skipped.items()) if key[0] == client_id]
