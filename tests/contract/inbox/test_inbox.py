"""What every inbox of LiveLike's webhooks does, over each implementation."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import NewState
from tifo.kernel.ids import SourceId
from tifo.source.webhooks.inbox import Intake, ReceivedWebhook, WebhookInbox, WebhookOutcome, WebhookState
from tifo.source.webhooks.incoming import SignedForm
from tifo.source.webhooks.memory import InMemoryWebhookInbox
from tifo.store.source.webhooks_in import SqlWebhookInbox

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
A, B = SourceId("a"), SourceId("b")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def inbox(request: pytest.FixtureRequest, new_state: NewState) -> WebhookInbox:
    return InMemoryWebhookInbox() if request.param == "memory" else SqlWebhookInbox(new_state(request.param))


def arrived(webhook_id: str, source_id: SourceId = A) -> ReceivedWebhook:
    return ReceivedWebhook(source_id, webhook_id, "badge-awarded", webhook_id.encode(), NOW)


def test_an_id_is_taken_once_for_a_source_in_one_batch_or_in_several(inbox: WebhookInbox) -> None:
    assert inbox.add([arrived("1"), arrived("1"), arrived("1", B)]) == [True, False, True]
    assert inbox.add([arrived("1"), arrived("2")]) == [False, True]
    assert [each.webhook_id for each in inbox.due(A, NOW, 10)] == ["1", "2"]
    assert [each.webhook_id for each in inbox.due(B, NOW, 10)] == ["1"]


def test_a_sent_one_is_still_known_by_its_id_until_it_is_forgotten(inbox: WebhookInbox) -> None:
    inbox.add([arrived("1"), arrived("2")])
    inbox.settle([WebhookOutcome(inbox.due(A, NOW, 1)[0].number, WebhookState.SENT)])
    assert inbox.add([arrived("1")]) == [False]
    assert inbox.forget(NOW) == 0
    assert inbox.forget(NOW + timedelta(seconds=1)) == 1, "what waits is never forgotten"
    assert inbox.add([arrived("1"), arrived("2")]) == [True, False]


def test_what_is_held_back_is_due_again_when_its_time_has_come(inbox: WebhookInbox) -> None:
    inbox.add([arrived("1"), arrived("2")])
    first, second = inbox.due(A, NOW, 10)
    later = NOW + timedelta(seconds=5)
    inbox.settle([WebhookOutcome(first.number, WebhookState.WAITING, "the API is down", later)])
    assert inbox.due(A, NOW, 10) == [second]
    assert inbox.due(A, later, 10) == [first._replace(attempts=1), second]
    [held] = inbox.held(A, 10)
    assert (held.webhook_id, held.state, held.attempts) == ("1", WebhookState.WAITING, 1)
    assert (held.reason, held.next_at) == ("the API is down", later)


def test_what_is_set_aside_keeps_its_body_and_comes_back_only_when_asked_for(inbox: WebhookInbox) -> None:
    inbox.add([arrived("1"), arrived("2")])
    number = inbox.due(A, NOW, 1)[0].number
    inbox.settle([WebhookOutcome(number, WebhookState.DEAD_LETTERED, "it lacks a field")])
    assert [each.webhook_id for each in inbox.due(A, NOW + timedelta(days=1), 10)] == ["2"]
    assert inbox.counts(A) == {
        WebhookState.WAITING: 1,
        WebhookState.SENT: 0,
        WebhookState.IGNORED: 0,
        WebhookState.DEAD_LETTERED: 1,
    }
    assert inbox.retry(A, NOW) == 2
    again = inbox.due(A, NOW, 10)[0]
    assert (again.body, again.attempts) == (b"1", 0)


def test_a_source_is_configured_anew_without_losing_what_is_not_named(inbox: WebhookInbox) -> None:
    inbox.configure(
        Intake(
            source_id=A,
            client_secret="secret",
            signed_form=SignedForm.BYTES,
            api="https://api.example.com/",
            token="token",
        )
    )
    inbox.configure(Intake(A, "other", SignedForm.COMPACT))
    assert inbox.intakes() == [
        Intake(
            source_id=A,
            client_secret="other",
            signed_form=SignedForm.COMPACT,
            api="https://api.example.com/",
            token="token",
        )
    ]


def test_a_webhook_that_failed_is_held_until_it_is_sent_and_one_that_was_never_tried_is_not(
    inbox: WebhookInbox,
) -> None:
    inbox.add([arrived("1"), arrived("2"), arrived("3", B)])
    first, _ = inbox.due(A, NOW, 10)
    assert inbox.held(A, 10) == []
    inbox.settle([WebhookOutcome(first.number, WebhookState.DEAD_LETTERED, "no")])
    assert [(each.webhook_id, each.reason) for each in inbox.held(A, 10)] == [("1", "no")]
    inbox.settle([WebhookOutcome(first.number, WebhookState.SENT)])
    assert inbox.held(A, 10) == []
    assert inbox.retry(A, NOW) == 1, "what is sent is not tried again"
