"""Undelivered webhooks, as the routes and the command line show them."""

from datetime import UTC, datetime

import msgspec

from tifo.kernel.ids import FactId, ProfileId
from tifo.livelike.resources.webhooks import WebhookAttemptResource
from tifo.source.webhooks.outbox import UndeliveredWebhook


def test_an_undelivered_webhook_shows_its_newest_attempt_and_null_for_times_that_have_not_come() -> None:
    undelivered = UndeliveredWebhook(
        position=7,
        fact_id=FactId("fact"),
        profile_id=ProfileId("ann"),
        event="quest-completed",
        attempts=2,
        first_at=datetime(2026, 11, 24, 10, tzinfo=UTC),
        status=500,
        answer="no",
    )
    assert msgspec.to_builtins(WebhookAttemptResource.of(undelivered)) == {
        "id": "fact",
        "profile_id": "ann",
        "event": "quest-completed",
        "state": "waiting",
        "attempts": 2,
        "first_at": "2026-11-24T10:00:00.000Z",
        "tried_at": None,
        "next_at": None,
        "status": 500,
        "answer": "no",
    }
