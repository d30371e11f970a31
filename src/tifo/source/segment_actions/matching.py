"""Finds the messages of a block that trigger a reward action. Pure.

An event that Tifo made itself triggers nothing, whatever source it comes by, so no action can trigger itself
(docs/decisions/0004). Such events come from the relay, and from webhooks that an application of this Tifo sent.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tifo.engagement.model import Game, is_live
from tifo.engagement.triggers import matches
from tifo.eventlog.ports import Block
from tifo.source.segment_actions.ports import ActionsView, Skipped, TriggeredAction

NO_USER_ID, UNKNOWN_USER, MADE_BY_TIFO, UNUSABLE_ID = "no_user_id", "unknown_user", "made_by_tifo", "unusable_id"


class TriggerHit(NamedTuple):
    """Pairs a message with a trigger that it matched."""

    triggered: TriggeredAction
    message_id: str
    user_id: str
    reason: str | None = None
    """Why it invokes nothing; None as long as it may."""
    detail: str = ""

    def skipped(self, reason: str, detail: str) -> "TriggerHit":
        return self._replace(reason=reason, detail=detail)


class _Message(msgspec.Struct, rename="camel"):
    type: Any
    message_id: Any
    event: Any = None
    user_id: Any = None
    properties: msgspec.Raw = msgspec.Raw(b"{}")
    context: msgspec.Raw = msgspec.Raw(b"{}")


def view_of(games: Iterable[Game]) -> ActionsView:
    """Picks the live actions that have a trigger. An action without a program is invoked in the default one."""
    known = list(games)
    triggered = [
        TriggeredAction(
            client_id=game.application.id,
            program_id=action.trigger.program_id or game.application.default_program_id,
            action=action,
            trigger=action.trigger,
        )
        for game in known
        for action in game.reward_actions.values()
        if action.trigger is not None and is_live(action)
    ]
    return ActionsView(triggered, {game.application.id for game in known})


def hits_in(block: Block, view: ActionsView) -> Iterator[TriggerHit]:
    """Yields each match, in the order of the messages; one message may match several actions' triggers."""
    by_event = _by_event(view, block)
    if not by_event:  # most blocks: their messages are not even decoded
        return
    for body in block.bodies.split(b"\n")[:-1]:
        message = msgspec.json.decode(body, type=_Message)
        found = by_event.get(message.event, ()) if isinstance(message.event, str) and message.type == "track" else ()
        if not found:
            continue
        properties = msgspec.json.decode(message.properties, type=dict[str, Any] | None) or {}
        for triggered in found:
            if matches(triggered.trigger, properties):
                yield _hit(triggered, message, view)


def counted(skipped: Sequence[TriggerHit]) -> list[Skipped]:
    """Counts skips by action and reason. Each count names its newest message."""
    newest = {_key(hit): hit for hit in skipped}
    totals = Counter(map(_key, skipped))
    return [
        Skipped(
            client_id=hit.triggered.client_id,
            reward_action_key=hit.triggered.action.key,
            reason=hit.reason or "",
            total=totals[key],
            message_id=hit.message_id,
            detail=hit.detail,
        )
        for key, hit in newest.items()
    ]


def _key(hit: TriggerHit) -> tuple[str, str, str]:
    return hit.triggered.client_id, hit.triggered.action.key, hit.reason or ""


def _by_event(view: ActionsView, block: Block) -> Mapping[str, Sequence[TriggeredAction]]:
    """Returns the actions that this block's events may invoke, by the event's name."""
    # An action acts on what was received after it was made: a new one must not pay for the whole log.
    found: dict[str, list[TriggeredAction]] = {}
    for triggered in view.triggered:
        if triggered.trigger.source_id == block.source_id and triggered.action.created_at <= block.received_at:
            found.setdefault(triggered.trigger.event, []).append(triggered)
    return found


def _hit(triggered: TriggeredAction, message: _Message, view: ActionsView) -> TriggerHit:
    hit = TriggerHit(triggered, str(message.message_id), str(message.user_id or ""))
    if _is_of_tifo(message, view):
        return hit.skipped(MADE_BY_TIFO, "Tifo made this event itself. It triggers nothing, so that no action loops.")
    if not hit.user_id:
        return hit.skipped(NO_USER_ID, "The event has no userId, so no profile can be found for it.")
    if "\0" in hit.user_id + hit.message_id:
        return hit.skipped(UNUSABLE_ID, "userId or messageId holds a NUL character, which no profile's id can.")
    return hit


def _is_of_tifo(message: _Message, view: ActionsView) -> bool:
    context = msgspec.json.decode(message.context)
    # Events that the intake makes of webhooks name the sender: those of LiveLike's own applications do trigger.
    library, livelike = _object(_object(context).get("library")), _object(_object(context).get("livelike"))
    if library.get("name") != "tifo":
        return False
    sender = livelike.get("client_id")
    return not isinstance(sender, str) or sender in view.applications


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
