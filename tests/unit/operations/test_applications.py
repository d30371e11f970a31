from datetime import timedelta

import pytest

from tests.twins import TwinBackend
from tests.unit.operations.conftest import NOW, earn
from tifo.app.cli.applications import as_data, in_words
from tifo.engagement.facts import RewardItemRewarded
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, FactId, ProfileId, RewardItemId, TransactionId
from tifo.operations import applications
from tifo.operations.applications import ApplicationStatus, ConnectedEndpoint, FeedState
from tifo.source.ports import Trouble
from tifo.workspace.model import SourceType


class Club:
    """An application with as many queued facts as `commit` was given."""

    def __init__(self, backend: TwinBackend) -> None:
        self.backend = backend
        self.app = applications.create(self.backend, "Club").application

    def commit(self, *ids: str) -> None:
        facts = [
            RewardItemRewarded(
                id=FactId(each),
                client_id=self.app.id,
                profile_id=ProfileId("fan-1"),
                custom_id=None,
                happened_at=NOW,
                reward_item_id=RewardItemId("item-1"),
                reward_item_name="Points",
                reward_item_amount=1,
                reward_item_balance=1,
                reward_item_transaction_id=TransactionId(each),
            )
            for each in ids
        ]
        self.backend.commit(facts)

    def status(self) -> ApplicationStatus:
        return applications.status(self.backend, self.app.id)


@pytest.fixture
def club(backend: TwinBackend) -> Club:
    return Club(backend)


def test_an_application_that_is_not_connected_shows_what_waits(club: Club) -> None:
    club.commit("1", "2")
    assert as_data(club.status()) == {
        "client_id": club.app.id,
        "name": "Club",
        "program_id": club.app.default_program_id,
        "state": "not connected",
        "sources": [],
        "waiting": 2,
        "last_sent": None,
        "trouble": None,
        "set_aside": {"count": 0, "answers": []},
    }


def test_the_feed_is_shown_with_its_source_trouble_and_dead_letters(club: Club) -> None:
    backend = club.backend
    source = backend.catalog.create_source("LiveLike_Demo", SourceType.LIVELIKE)
    applications.connect(backend, club.app.id, source.write_key, None)
    club.commit(*"123456")
    assert club.status().state is FeedState.SENDING
    backend.facts.advance(club.app.id, [FactId("1")], NOW)
    for number, answer in (("2", "no"), ("3", "bad\nevent"), ("4", "bad\nevent")):
        at = NOW + timedelta(seconds=int(number))
        backend.facts.dead_letter(club.app.id, FactId(number), 400, answer, at)
    later = NOW + timedelta(minutes=5)
    backend.facts.note(club.app.id, Trouble(held=True, since=NOW, tried_at=later, attempts=7, error="401: who?"))
    shown = as_data(club.status())
    assert (shown["state"], shown["waiting"]) == ("held", 2)
    assert shown["sources"] == [{"source": "livelike_demo", "endpoint": "Tifo"}]
    assert shown["last_sent"] == {"id": "1", "at": "2026-11-24T10:00:00.000Z"}
    assert shown["trouble"] == {
        "state": "held",
        "since": "2026-11-24T10:00:00.000Z",
        "tried_at": "2026-11-24T10:05:00.000Z",
        "attempts": 7,
        "error": "401: who?",
    }
    assert shown["set_aside"]["count"] == 3
    first, second = shown["set_aside"]["answers"]
    assert (first["status"], first["answer"], first["count"], first["fact_id"]) == (400, "bad\nevent", 2, "4")
    assert first["newest_at"] == "2026-11-24T10:00:04.000Z"
    assert (second["answer"], second["count"]) == ("no", 1)
    assert source.write_key not in str(shown)
    words = in_words(shown)
    assert words["connected to"] == "livelike_demo at Tifo"
    assert words["trouble"] == (
        "held since 2026-11-24T10:00:00.000Z, tried 7 times, newest at 2026-11-24T10:05:00.000Z: 401: who?"
    )
    assert applications.resend(backend, club.app.id) == 3
    backend.facts.note(club.app.id, Trouble(held=False, since=NOW, tried_at=later, attempts=1, error="503"))
    assert club.status().state is FeedState.RETRYING
    backend.facts.advance(club.app.id, [FactId(each) for each in "23456"], later)
    assert (club.status().state, as_data(club.status())["trouble"]) == (FeedState.IDLE, None)


def test_an_endpoint_of_someone_elses_is_shown_without_its_key(club: Club) -> None:
    applications.connect(club.backend, club.app.id, "their-key", "https://api.segment.io")
    assert club.status().endpoints == [ConnectedEndpoint(None, "https://api.segment.io")]
    assert "their-key" not in str(club.status()) + str(in_words(as_data(club.status())))


def test_an_unknown_application_is_not_found(club: Club) -> None:
    with pytest.raises(NotFound):
        applications.status(club.backend, ClientId("nothing"))


def test_what_a_fan_earns_waits_for_the_endpoint(club: Club) -> None:
    applications.connect(club.backend, club.app.id, "their-key", "https://api.segment.io")
    earn(club.backend, club.app)
    assert (club.status().state, club.status().report.waiting) == (FeedState.SENDING, 1)
