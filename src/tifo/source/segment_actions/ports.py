"""Specifies the state of reading events as actions: the active triggers, a cursor over the log, and counts of skips."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from tifo.engagement.model import RewardAction, SegmentTrigger
from tifo.kernel.ids import ClientId, Position, ProgramId


class TriggeredAction(NamedTuple):
    """Pairs an application's reward action with the trigger that invokes it."""

    client_id: ClientId
    program_id: ProgramId
    action: RewardAction
    trigger: SegmentTrigger


class ActionsView(NamedTuple):
    triggered: Sequence[TriggeredAction]
    """Every live action that has a trigger."""
    applications: Collection[str]
    """The ids of all applications of this Tifo."""


class Skipped(NamedTuple):
    """Messages that matched a trigger and invoked nothing, counted for one action and one reason."""

    client_id: ClientId
    reward_action_key: str
    reason: str
    total: int
    message_id: str
    """The id of the newest message."""
    detail: str


class SkippedAt(NamedTuple):
    skipped: Skipped
    at: datetime
    """When the newest message was skipped."""


class ActionsState(Protocol):
    """Stores how far one log was read. Methods block; all raise `Transient` where the store is out of reach."""

    def view(self) -> ActionsView: ...

    def position(self) -> Position:
        """Returns the last position that was read; `START` before the first `advance`."""

    def advance(self, through: Position, skipped: Sequence[Skipped]) -> None:
        """Stores the position and adds to the counts, in one transaction: a crash counts no message twice."""

    def skipped(self, client_id: ClientId) -> Sequence[SkippedAt]:
        """Returns the application's counts, by action and reason."""
