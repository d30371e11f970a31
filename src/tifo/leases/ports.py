"""Specifies leases: each says for a limited time which process does a piece of work that several could do.

Processes that share one state, on one machine or on several, do its common work one at a time: the relay of an
application's facts, a subscriber's webhooks, the alerts. A process takes a lease before it works, renews it well before
it expires, and stops at once when it has lost it. What it stores is *fenced*: the transaction refuses it (`LeaseLost`)
where the lease is no longer its own. So a process that was paused, and does not know what happened meanwhile, changes
nothing that its successor did.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tifo.kernel.errors import Conflict


class Lease(NamedTuple):
    """Holds a piece of work for one process."""

    name: str
    """The work, as `<group>/<piece>`: `relay/<client id>`."""
    holder: str
    number: int
    """The fencing number: it grows with each holder. Nobody else ever held this work under the same number."""


class LeaseLost(Conflict):
    """The lease is not the caller's any more. Nothing was stored; the caller stops this work."""

    code = "lease_lost"


class Leases(Protocol):
    """Methods block; every change is durable on return. Times are those of the database's clock alone, so clocks of
    machines may differ. All raise `Transient` where the store is out of reach, with nothing changed.

    A lease is *held* from `acquire` until it expires, and by its holder still longer: until another process acquires
    it. `renew` works as long, and so does what is fenced with it.
    """

    def acquire(self, names: Sequence[str], holder: str, *, for_s: float) -> list[Lease]:
        """Acquires the works that nobody holds, for `for_s` seconds; returns those.

        One that somebody holds is left out, also where it is this holder. Of several processes that ask for a work at
        the same time one gets it.
        """

    def renew(self, holder: str, *, for_s: float) -> list[Lease]:
        """Lets all leases of the holder expire `for_s` seconds from now, and returns them."""

    def release(self, holder: str, names: Sequence[str] | None = None) -> None:
        """Gives these works of the holder back, or all: another process can acquire them at once."""

    def held(self, group: str) -> list[Lease]:
        """Returns the group's leases that have not expired, whoever holds them."""

    def forget(self) -> None:
        """Deletes leases that expired or were given back more than a day ago. Their numbers begin anew."""


def lease_lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"Another process does {lease.name} by now. This one stores nothing for it, and stops.")
