import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tifo.engagement.model import Application, Game, RewardAction, SegmentTrigger
from tifo.eventlog.ports import Block, consecutive
from tifo.kernel.ids import ClientId, ProgramId, RewardActionId, SourceId
from tifo.source.segment_actions.matching import MADE_BY_TIFO, NO_USER_ID, counted, hits_in, view_of
from tifo.source.segment_actions.ports import Skipped

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
CLUB, VIDEO = ClientId("club"), SourceId("video")


def action(key: str, *, source: SourceId = VIDEO, **more: Any) -> RewardAction:
    trigger = SegmentTrigger(source_id=source, event="Video Watched")
    fields = {"id": RewardActionId(key), "key": key, "name": key, "created_at": NOW, "trigger": trigger, **more}
    return RewardAction(**fields)


def game(*actions: RewardAction) -> Game:
    application = Application(id=CLUB, name="Club", default_program_id=ProgramId("main"), created_at=NOW)
    return Game(application, actions)


def block(*messages: dict[str, Any], received_at: datetime = NOW, source: SourceId = VIDEO) -> Block:
    bodies = b"".join(
        json.dumps({"type": "track", "event": "Video Watched", **each}).encode() + b"\n" for each in messages
    )
    return Block(consecutive(1, len(messages)), source, received_at, bodies)


def test_only_live_actions_with_a_trigger_are_watched_in_their_program_or_the_default_one() -> None:
    view = view_of([game(action("watch"), action("click", trigger=None), action("old", archived_at=NOW))])
    assert [(each.action.key, each.program_id) for each in view.triggered] == [("watch", "main")]
    assert view.applications == {CLUB}


def test_a_message_is_a_hit_by_its_event_and_its_source_and_what_came_before_the_action_is_none() -> None:
    view = view_of([game(action("watch"))])
    ada = {"messageId": "m-1", "userId": "ada"}
    hits = list(hits_in(block(ada, ada | {"event": "Other"}, ada | {"type": "page"}), view))
    assert [(hit.message_id, hit.user_id, hit.reason) for hit in hits] == [("m-1", "ada", None)]
    assert not list(hits_in(block(ada, source=SourceId("other")), view))
    assert not list(hits_in(block(ada, received_at=NOW - timedelta(seconds=1)), view))


def test_skips_are_counted_by_action_and_reason_with_the_newest_message() -> None:
    view = view_of([game(action("watch"))])
    own = {"library": {"name": "tifo"}}
    made_by_tifo = {"messageId": "m-3", "userId": "ada", "context": own}
    first, second = counted(list(hits_in(block({"messageId": "m-1"}, {"messageId": "m-2"}, made_by_tifo), view)))
    assert isinstance(first, Skipped)
    assert (first.reason, first.total, first.message_id) == (NO_USER_ID, 2, "m-2")
    assert (second.reason, second.total, second.message_id) == (MADE_BY_TIFO, 1, "m-3")
