"""Holds one process's share of a group's work, as leases that it renews, gives back and acquires."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import structlog

from tifo.kernel.errors import Transient
from tifo.leases.ports import Lease, Leases, lease_lost
from tifo.leases.rules import divided

HELD_FOR_S = 8.0
"""Time after which a process that does not renew its leases has lost them."""
LOOK_EVERY_S = 2.0
"""Time between two renewals, and between two looks for work that is free: a killed process's work goes on within
`HELD_FOR_S` and this time.
"""
_TRY_AGAIN_S = 0.5
_TURN_S = 60.0

_log = structlog.get_logger("tifo.leases")


class Holder(NamedTuple):
    """Names a process, as the holder of leases."""

    name: str
    inherits: bool = False
    """Earlier processes of this name have ended for sure: what they held is free at once."""


@dataclass(frozen=True, kw_only=True)
class _Standing:
    """Holds what one look found."""

    mine: Mapping[str, Lease] = field(default_factory=dict)
    """By piece."""
    leaving: frozenset[str] = frozenset()
    """Pieces that this process still works at and must stop."""
    members: int = 0
    until: float = float("-inf")
    """The moment after which somebody else may hold them all."""


class WorkShare:
    """Takes turns with other processes at a group's pieces of work. Used on one event loop.

    Processes that want the same pieces hold about the same number of them. Each one makes itself known by a lease of
    its own, `<group>/@<holder>`.
    """

    def __init__(
        self,
        leases: Leases,
        group: str,
        holder: Holder,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        held_for_s: float = HELD_FOR_S,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._leases = leases
        self._group = group
        self._holder = f"{holder.name}/{group}"
        self._member = f"@{self._holder}"
        self._inherits = holder.inherits
        self._monotonic = monotonic
        self._held_for_s = held_for_s
        self._look_every_s = look_every_s
        self._wanted: frozenset[str] = frozenset()
        self._look_at = float("-inf")
        self._standing = _Standing()

    @property
    def is_alone(self) -> bool:
        """Whether no other process shared the group at the last look."""
        return self._standing.members <= 1

    async def has_others(self) -> bool:
        """Asks the store whether another process shares the group now."""
        held = await asyncio.to_thread(self._leases.held, self._group)
        return any(piece.startswith("@") and piece != self._member for piece in map(self._piece, held))

    def lease(self, piece: str) -> Lease | None:
        """Returns the lease under which this process may work at the piece now; None if it must not begin or go on."""
        standing = self._standing
        # The own clock counts while a process is paused: one that wakes up after the leases' time stops by this.
        if self._monotonic() >= standing.until or piece in standing.leaving:
            return None
        return standing.mine.get(piece)

    def check(self, piece: str, lease: Lease) -> None:
        """Raises `LeaseLost` if work at the piece that began under this lease must not go on."""
        if self.lease(piece) != lease:
            raise lease_lost(lease)

    async def look(self, wanted: Collection[str], busy: Collection[str] = ()) -> None:
        """Brings the leases up to date, if it is time for that; cheap, if not.

        `wanted` are all pieces of the group, `busy` those that this process is at work at: they are not given back
        before that has ended. Raises `Transient` where the store is out of reach.
        """
        now, asked = self._monotonic(), frozenset(wanted)
        is_due = now >= self._look_at or asked != self._wanted or self._standing.leaving - frozenset(busy)
        if not is_due or not (asked or self._standing.mine):
            return
        self._wanted, self._look_at = asked, now + _TRY_AGAIN_S
        self._standing = await asyncio.to_thread(self._found, self._standing, asked, frozenset(busy), now)
        self._look_at = now + self._look_every_s

    def lost(self, lease: Lease) -> None:
        """Stops work under a lease that the store refused. Where it was not lost after all, the next look frees it."""
        _log.warning("lease lost", name=lease.name, holder=lease.holder)
        mine = {piece: each for piece, each in self._standing.mine.items() if each != lease}
        self._standing = replace(self._standing, mine=mine)

    async def close(self) -> None:
        """Gives everything back, so that others need not wait. Call it when the work has ended."""
        if self._standing.mine:
            with suppress(Transient):  # then the leases expire
                await asyncio.to_thread(self._leases.release, self._holder)
        self._standing = _Standing()

    @contextmanager
    def turn(self, piece: str) -> Iterator[bool]:
        """Says whether this process may do a short work now; no other does it until the block ends. Blocks.

        For work that harms nothing where it is done twice after all, as when the process was paused.
        """
        name, holder = f"{self._group}/{piece}", f"{self._holder}/turn"
        acquired = self._leases.acquire([name], holder, for_s=_TURN_S)
        try:
            yield bool(acquired)
        finally:
            if acquired:
                self._leases.release(holder, [name])

    def _found(self, before: _Standing, wanted: frozenset[str], busy: frozenset[str], began: float) -> _Standing:
        mine = self._renewed(before)
        if self._member not in mine:
            mine |= self._acquired([self._member])
        taken = set(map(self._piece, self._leases.held(self._group)))
        members = sum(piece.startswith("@") for piece in taken)
        division = divided(mine.keys() - {self._member}, wanted, busy, max(1, members))
        given_back = division.leave - busy
        if not wanted and not division.leave & busy:
            given_back |= {self._member}  # nothing is left to share
        self._release(given_back)
        mine = {piece: lease for piece, lease in mine.items() if piece not in given_back}
        mine |= self._acquired_of(sorted(wanted - taken), division.missing)
        leaving = division.leave & busy
        return _Standing(mine=mine, leaving=leaving, members=members, until=began + self._held_for_s)

    def _renewed(self, before: _Standing) -> dict[str, Lease]:
        if self._inherits:
            self._leases.release(self._holder)
            self._inherits = False
        # By number: a lease that was lost and taken anew meanwhile is not the one that its work began under.
        still = frozenset(self._leases.renew(self._holder, for_s=self._held_for_s))
        mine = {piece: lease for piece, lease in before.mine.items() if lease in still}
        # An answer of the store that never came, or `lost`: nobody works under these, and nobody else could.
        self._release([self._piece(lease) for lease in still.difference(mine.values())])
        return mine

    def _acquired_of(self, free: list[str], missing: int) -> dict[str, Lease]:
        """Acquires `missing` of the free pieces. Another process may be quicker: then the next ones are tried."""
        found: dict[str, Lease] = {}
        while free and len(found) < missing:
            tried, free = free[: missing - len(found)], free[missing - len(found) :]
            found |= self._acquired(tried)
        return found

    def _acquired(self, pieces: list[str]) -> dict[str, Lease]:
        names = [f"{self._group}/{piece}" for piece in pieces]
        acquired = self._leases.acquire(names, self._holder, for_s=self._held_for_s)
        return {self._piece(lease): lease for lease in acquired}

    def _piece(self, lease: Lease) -> str:
        return lease.name.removeprefix(f"{self._group}/")

    def _release(self, pieces: Collection[str]) -> None:
        if pieces:
            self._leases.release(self._holder, sorted(f"{self._group}/{piece}" for piece in pieces))
