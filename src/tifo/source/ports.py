"""Specifies the queues of facts that the relay sends.

Each application has a queue of facts. Its front holds dead letters that someone asked to resend; behind them stand the
facts after the application's cursor, in the order in which their transactions committed. A fact leaves the queue when
it was sent (`advance`) or refused for good (`dead_letter`), and comes back only by `resend`. The relay sends from the
front, so it sends in order. A crash between sending and `advance` sends again, under the same message ids.

Processes that share the state take turns at a queue by leases. A change that is made `under` a lease is stored only
while the lease is its holder's; else `LeaseLost` is raised, and nothing changes.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from tifo.engagement.facts import AnyFact
from tifo.kernel.ids import ClientId, FactId
from tifo.leases.ports import Lease


class DeadLetter(NamedTuple):
    """Holds a fact that was refused for good, with the refusal."""

    fact: AnyFact
    status: int
    """The refusal's HTTP status; 0 where the relay itself refused (the message is larger than Segment accepts)."""
    answer: str
    """The start of the answer's body."""
    at: datetime

    @property
    def fact_id(self) -> FactId:
        return self.fact.id


class Trouble(NamedTuple):
    """Describes the failure that keeps the front of a queue from being sent."""

    held: bool
    """Someone has to act: the endpoint refuses the write key, the address, or everything that it is sent."""
    since: datetime
    """When the first attempt failed after a fact had last left the queue."""
    tried_at: datetime
    """When the newest attempt failed."""
    attempts: int
    """Failed attempts of the batch in hand."""
    error: str
    """The endpoint's status and the start of its answer, or what went wrong with the network."""


class RelayReport(NamedTuple):
    """Describes one application's queue, as the store knows it."""

    waiting: int = 0
    last_sent: FactId | None = None
    """The fact that the endpoint accepted last."""
    last_sent_at: datetime | None = None
    refused_in_a_row: int = 0
    """Facts that the endpoint refused, and the relay dead-lettered, since one was accepted."""
    trouble: Trouble | None = None
    """None where the queue moves, and where nobody tries to move it."""


class FactFeed(Protocol):
    """Stores the queues of all applications. Methods block; call them off the event loop, from any thread.

    Every change is durable on return. A queue and its cursor belong to the application: connecting the application to
    another endpoint neither moves nor empties them, and the queue of one that was never connected starts at its first
    fact. All methods raise `Transient` where the store is out of reach, with nothing changed.
    """

    def waiting(self) -> set[ClientId]:
        """Returns the applications, connected or not, whose queue is not empty. Must be cheap: it runs every 50 ms."""

    def pending(self, client_id: ClientId, limit: int) -> Sequence[AnyFact]:
        """Returns the first `limit` facts of the queue; fewer where it ends, none for an unknown application.

        Facts to resend come before all others, in the order in which they were asked for (those of one `resend` in
        commit order). No fact is skipped because a slower transaction with a lower number commits later.
        """

    def advance(self, client_id: ClientId, sent: Sequence[FactId], at: datetime, *, under: Lease | None = None) -> None:
        """Removes accepted facts from the queue and ends its trouble, in one transaction.

        `sent` are one or more facts, the first that `pending` gave. The cursor moves to the last of them that stands
        after it, and never back. A dead letter that was accepted after all is removed. Facts that are not in the queue
        any more are ignored; facts that `resend` put before them in the meantime stay.
        """

    def dead_letter(
        self,
        client_id: ClientId,
        fact_id: FactId,
        status: int,
        answer: str,
        at: datetime,
        *,
        under: Lease | None = None,
    ) -> None:
        """Removes a fact that was refused for good from the queue, stores the refusal, and ends the queue's trouble.

        One transaction. The fact is the first that `pending` gave; the cursor moves past it if it stands after it. A
        fact that is refused again after `resend` is a dead letter again, with the newer refusal. A `status` of 0 is
        not the endpoint's, and not counted among its refusals in a row.
        """

    def dead_letters(self, client_id: ClientId) -> Sequence[DeadLetter]:
        """Returns the dead letters (not those back in the queue), in commit order."""

    def resend(self, client_id: ClientId, fact_ids: Sequence[FactId] | None = None) -> int:
        """Puts dead letters back to the front of the queue: all of them, or those given. Returns how many.

        A fact that is in the queue already, or was never a dead letter, is not counted.
        """

    def note(self, client_id: ClientId, trouble: Trouble | None, *, under: Lease | None = None) -> None:
        """Stores the queue's trouble for `report`; None for none."""

    def report(self, client_id: ClientId) -> RelayReport:
        """Counts the queue, so it is for people and not for each batch. An unknown application has an empty one."""
