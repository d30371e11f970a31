"""Reward actions that tracked events trigger."""

from collections.abc import Sequence
from dataclasses import dataclass

from tifo.eventlog.ports import read_on
from tifo.kernel.ids import ClientId
from tifo.operations import sources
from tifo.operations.backend import Backend
from tifo.source.segment_actions.ports import SkippedAt


@dataclass(frozen=True)
class ActionTrigger:
    """Names a reward action and what triggers it."""

    key: str
    source: str
    """The source's slug; its id where the source is deleted."""
    event: str


@dataclass(frozen=True)
class SegmentActionsStatus:
    """Tells how one application's triggered actions fare."""

    behind_events: int
    """Number of events, of all sources, that the consumer has not read yet."""
    actions: Sequence[ActionTrigger]
    skipped: Sequence[SkippedAt]


def status(backend: Backend, client_id: ClientId) -> SegmentActionsStatus | None:
    """Returns None where no tracked event triggers an action of the application."""
    state = backend.segment_actions
    triggered = [each for each in state.view().triggered if each.client_id == client_id]
    if not triggered:
        return None
    slugs = sources.slugs(backend)
    actions = [
        ActionTrigger(each.action.key, slugs.get(each.trigger.source_id, each.trigger.source_id), each.trigger.event)
        for each in triggered
    ]
    with backend.read_log() as log:
        behind = log.behind(read_on(log, state.position()))
    return SegmentActionsStatus(behind, actions, state.skipped(client_id))
