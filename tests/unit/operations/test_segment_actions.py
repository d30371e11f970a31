import asyncio

from tests.twins import TwinBackend
from tests.unit.operations.conftest import NOW, receive
from tifo.engagement.commands import CreateRewardAction
from tifo.engagement.model import Application, SegmentTrigger
from tifo.kernel.ids import Position, SourceId
from tifo.operations import applications, segment_actions, sources
from tifo.operations.segment_actions import ActionTrigger
from tifo.source.segment_actions.ports import Skipped, SkippedAt


def trigger(backend: TwinBackend, application: Application, source_id: SourceId) -> None:
    async def run() -> None:
        async with backend.open_engine() as engine:
            watched = SegmentTrigger(source_id=source_id, event="Video Watched")
            await engine.handle(
                CreateRewardAction(client_id=application.id, name="Watch", key="watch", trigger=watched)
            )

    asyncio.run(run())


def test_an_application_without_a_trigger_has_no_status(backend: TwinBackend) -> None:
    club, rival = (applications.create(backend, name).application for name in ("Club", "Rival"))
    trigger(backend, rival, sources.create(backend, "Video", "http").id)
    assert segment_actions.status(backend, club.id) is None


def test_triggers_are_shown_with_what_was_skipped_and_how_far_behind_they_are(backend: TwinBackend) -> None:
    club = applications.create(backend, "Club").application
    video = sources.create(backend, "Video", "http").id
    trigger(backend, club, video)
    receive(backend, video, "m1", "m2", "m3")
    skipped = Skipped(club.id, "watch", "no user", 2, "m2", "userId is missing")
    backend.segment_actions.advance(Position(2), [skipped])
    found = segment_actions.status(backend, club.id)
    assert found is not None
    assert found.behind_events == 1
    assert found.actions == [ActionTrigger("watch", "video", "Video Watched")]
    assert found.skipped == [SkippedAt(skipped, NOW)]
    sources.delete(backend, "video")
    shown = segment_actions.status(backend, club.id)
    assert shown is not None
    assert shown.actions == [ActionTrigger("watch", video, "Video Watched")]
