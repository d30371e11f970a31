import pytest

from tests.twins import TwinBackend
from tests.unit.operations.conftest import NOW, earn
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import ClientId
from tifo.operations import applications, incoming_webhooks, sources, webhook_subscribers
from tifo.source.webhooks.inbox import ReceivedWebhook, WebhookState
from tifo.source.webhooks.outbox import UndeliveredWebhook, UndeliveredWebhookState

URL = "https://example.com/hook"


def test_a_subscriber_signs_with_the_client_secret_unless_it_has_its_own(backend: TwinBackend) -> None:
    made = applications.create(backend, "Club")
    client_id = made.application.id
    plain = webhook_subscribers.add(backend, client_id, URL, (), None)
    own = webhook_subscribers.add(backend, client_id, URL, (), "a-secret-of-its-own")
    assert [each.secret for each in webhook_subscribers.listed(backend, client_id)] == [made.client_secret, own.secret]
    webhook_subscribers.remove(backend, client_id, plain.id)
    assert [each.id for each in webhook_subscribers.listed(backend, client_id)] == [own.id]


def test_an_empty_secret_signs_nothing_and_is_refused(backend: TwinBackend) -> None:
    client_id = applications.create(backend, "Club").application.id
    with pytest.raises(Rejected, match="secret"):
        webhook_subscribers.add(backend, client_id, URL, (), "")
    sources.create(backend, "Fans", "livelike")
    with pytest.raises(Rejected, match="secret"):
        incoming_webhooks.configure(backend, "fans", secret="", api=None, token=None, signed="bytes")


def test_an_unknown_subscriber_is_not_found(backend: TwinBackend) -> None:
    client_id = applications.create(backend, "Club").application.id
    for ask in (webhook_subscribers.status, webhook_subscribers.remove):
        with pytest.raises(NotFound):
            ask(backend, client_id, "nobody")
    with pytest.raises(NotFound):
        webhook_subscribers.add(backend, ClientId("nobody"), URL, (), None)


def test_an_api_that_is_no_address_configures_nothing(backend: TwinBackend) -> None:
    sources.create(backend, "Fans", "livelike")
    with pytest.raises(Rejected, match="api"):
        incoming_webhooks.configure(backend, "fans", secret="s", api="ftp://x", token=None, signed="bytes")
    assert backend.inbox.intakes() == []


def test_what_waits_is_counted_and_tried_again(backend: TwinBackend) -> None:
    source = sources.create(backend, "Fans", "livelike")
    made = incoming_webhooks.configure(backend, source.id, secret="s", api=None, token=None, signed="compact")
    assert backend.inbox.intakes() == [made.intake]
    backend.inbox.add([ReceivedWebhook(source.id, "1", "badge-earned", b"{}", backend.clock())])
    assert incoming_webhooks.status(backend, "fans").counts[WebhookState.WAITING] == 1
    assert incoming_webhooks.retry(backend, "fans") == 1


def test_a_subscriber_gets_what_is_earned_after_it_subscribed(backend: TwinBackend) -> None:
    club, rival = (applications.create(backend, name).application for name in ("Club", "Rival"))
    first, other = (webhook_subscribers.add(backend, each.id, URL, (), None) for each in (club, rival))
    earn(backend, club)
    later = webhook_subscribers.add(backend, club.id, URL, (), None)
    waiting = [(club, first), (club, later), (rival, other)]
    assert [webhook_subscribers.status(backend, app.id, each.id).report.to_send for app, each in waiting] == [1, 0, 0]


def test_a_webhook_that_was_not_accepted_is_sent_again(backend: TwinBackend) -> None:
    club = applications.create(backend, "Club").application
    subscriber = webhook_subscribers.add(backend, club.id, URL, (), None)
    fan = earn(backend, club)
    (placed,) = backend.outbox.new(subscriber, 10)
    dead = UndeliveredWebhook(
        placed.position, placed.fact.id, fan, "reward-table-rewards-awarded", UndeliveredWebhookState.DEAD_LETTERED, 9
    )
    backend.outbox.settle(subscriber, through=placed.position, undelivered=[dead], failed_in_a_row=9, at=NOW)
    assert webhook_subscribers.retry(backend, club.id, subscriber.id) == 1
    (late,) = webhook_subscribers.status(backend, club.id, subscriber.id).undelivered
    assert (late.state, late.attempts) == (UndeliveredWebhookState.WAITING, 0)
