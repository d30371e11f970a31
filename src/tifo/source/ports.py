"""What the relay needs from outside.

Each application has a line of facts. Its front holds set-aside facts that someone asked to send again, its rest
the facts after the application's cursor, in the order in which their transactions committed. A fact leaves the
line by being sent (`advance`) or by being refused for good (`set_aside`); what left it never comes back but by
`resend`. The relay takes from the front, so it sends in order; a crash between sending and `advance` sends again,
under the same message ids.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from tifo.engagement.facts import AnyFact
from tifo.kernel.ids import ClientId, FactId


class SetAside(NamedTuple):
    """A fact that was refused for good, with the refusal. `answer` is the start of the answer's body."""

    fact: AnyFact
    status: int
    """The HTTP status of the refusal; 0 where the relay itself refused (the message is larger than Segment takes)."""
    answer: str
    at: datetime

    @property
    def fact_id(self) -> FactId:
        return self.fact.id


class Trouble(NamedTuple):
    """What keeps the front of a line from being sent."""

    held: bool
    """Someone has to act: the endpoint refuses the write key, the address, or everything that it is sent."""
    since: datetime
    """When the first attempt failed after a fact had last left the line."""
    tried_at: datetime
    """When the newest attempt failed."""
    attempts: int
    """Of the batch in hand."""
    error: str
    """The endpoint's status and the start of its answer, or what went wrong with the network."""


class RelayReport(NamedTuple):
    """One application's line, as it stands in the store."""

    waiting: int = 0
    last_sent: FactId | None = None
    """The fact that the endpoint accepted last."""
    last_sent_at: datetime | None = None
    refused_in_a_row: int = 0
    """So many did the endpoint refuse, and the relay set aside, since it accepted one."""
    trouble: Trouble | None = None
    """None where the line moves, and where nobody tries to move it."""


class FactFeed(Protocol):
    """The lines of all applications. Methods block; call them off the event loop, from any thread.

    Every change is durable on return. An application's line and cursor belong to the application: connecting it
    anew neither moves nor empties them, and the line of one that was never connected starts at its first fact.
    All methods raise `Transient` where the store is out of reach, with nothing changed.
    """

    def waiting(self) -> set[ClientId]:
        """The applications, connected or not, whose line is not empty. One cheap query: it is asked every 50 ms."""

    def pending(self, client_id: ClientId, limit: int) -> Sequence[AnyFact]:
        """The first `limit` facts of the line; fewer where it ends, none for an unknown application.

        Facts to send again come before all others, among themselves in the order in which they were asked for
        (those of one `resend` in commit order). No fact is passed over because a slower transaction with a lower
        number commits later.
        """

    def advance(self, client_id: ClientId, sent: Sequence[FactId], at: datetime) -> None:
        """The facts `sent` (one or more, the first that `pending` gave) were accepted: they leave the line, in one
        transaction, which ends the line's trouble too.

        The cursor moves to the last of those that stand after it and never back; the set-aside record of one that
        was accepted after all is removed. Facts that are not in the line any more are ignored; facts that `resend` put
        before them in the meantime stay.
        """

    def set_aside(self, client_id: ClientId, fact_id: FactId, status: int, answer: str, at: datetime) -> None:
        """The first fact that `pending` gave was refused for good: it leaves the line and is recorded, and the
        cursor moves past it if it stands after it, in one transaction, which ends the line's trouble too. Refused
        once more after `resend`: it stands aside again, with the newer refusal.

        A `status` of 0 is not the endpoint's, and not counted among its refusals in a row.
        """

    def set_aside_facts(self, client_id: ClientId) -> Sequence[SetAside]:
        """Those that stand aside now (not those back in the line), in commit order."""

    def resend(self, client_id: ClientId, fact_ids: Sequence[FactId] | None = None) -> int:
        """Put set-aside facts back to the front of the line: all of them, or those given. Returns how many.

        One that is back already, or was never set aside, is not counted.
        """

    def note(self, client_id: ClientId, trouble: Trouble | None) -> None:
        """What stands in the way now, for whoever asks with `report`; None for nothing."""

    def report(self, client_id: ClientId) -> RelayReport:
        """An application that is not known has an empty line. Counts the line: for people, not for each batch."""
