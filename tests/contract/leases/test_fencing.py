"""What a holder stores is refused once its lease is another's: in every store that has progress of shared work."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert

from tests.conftest import NewState
from tifo.engagement.access import create_application
from tifo.engagement.facts import AnyFact, RewardItemRewarded
from tifo.engagement.memory import InMemoryAccess, InMemoryQueries, InMemoryState
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import ClientId, FactId, ProfileId, RewardItemId, SourceId, TransactionId, uuid7
from tifo.leases.memory import InMemoryLeases
from tifo.leases.ports import Lease, LeaseLost, Leases
from tifo.source.memory import InMemoryFactFeed
from tifo.source.ports import FactFeed, RelayReport, Trouble
from tifo.source.webhooks.inbox import ReceivedWebhook, WebhookInbox, WebhookOutcome, WebhookState
from tifo.source.webhooks.memory import InMemoryWebhookInbox, InMemoryWebhookOutbox
from tifo.source.webhooks.outbox import WebhookOutbox
from tifo.store.engagement import rows
from tifo.store.engagement.access import SqlAccess
from tifo.store.leases import SqlLeases
from tifo.store.source.facts import SqlFactFeed
from tifo.store.source.webhooks_in import SqlWebhookInbox
from tifo.store.source.webhooks_out import SqlWebhookOutbox
from tifo.store.sql import tables as t
from tifo.store.workspace.alerts import SqlAlerts
from tifo.workspace.alerts import Alert, AlertKind, Alerts, AlertState
from tifo.workspace.memory import InMemoryAlerts

AT = datetime(2026, 11, 24, 10, tzinfo=UTC)
SOURCE = SourceId("s")
ALERT = Alert(
    id="a1",
    name="Rate",
    kind=AlertKind.DELIVERY_RATE,
    target="d",
    threshold=95.0,
    window_s=60.0,
    quiet_s=60.0,
    url="https://a",
    email="",
    created_at=AT,
)


class Rig:
    """Every fenced store over one state, with one application's two facts in it."""

    leases: Leases
    feed: FactFeed
    outbox: WebhookOutbox
    inbox: WebhookInbox
    alerts: Alerts
    client_id: ClientId

    def fill(self) -> None:
        self.inbox.add([ReceivedWebhook(SOURCE, "1", "badge-awarded", b"{}", AT)])
        self.alerts.add(ALERT)
        self.subscriber = self.outbox.subscribe(self.client_id, "https://example.com", (), None)

    def changes(self) -> Mapping[str, Callable[[Lease], object]]:
        trouble = Trouble(held=False, since=AT, tried_at=AT, attempts=1, error="503")
        number = self.inbox.due(SOURCE, AT, 1)[0].number
        return {
            "advance": lambda lease: self.feed.advance(self.client_id, [FactId("1")], AT, under=lease),
            "dead_letter": lambda lease: self.feed.dead_letter(self.client_id, FactId("2"), 400, "no", AT, under=lease),
            "note": lambda lease: self.feed.note(self.client_id, trouble, under=lease),
            "settle outgoing": lambda lease: self.outbox.settle(
                self.subscriber, through=99, failed_in_a_row=3, at=AT, under=lease
            ),
            "settle incoming": lambda lease: self.inbox.settle(
                [WebhookOutcome(number, WebhookState.SENT)], under=lease
            ),
            "note alert": lambda lease: self.alerts.note("a1", AlertState(bad=2), under=lease),
        }

    def stored(self) -> tuple[object, ...]:
        return (
            self.feed.report(self.client_id),
            self.feed.dead_letters(self.client_id),
            self.outbox.report(self.client_id, self.subscriber.id),
            self.inbox.counts(SOURCE),
            self.alerts.all(),
        )


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def rig(request: pytest.FixtureRequest, new_state: NewState) -> Rig:
    made = Rig()
    if request.param == "memory":
        _in_memory(made)
    else:
        _on_sql(made, new_state, request.param)
    made.fill()
    return made


def _in_memory(made: Rig) -> None:
    made.leases = leases = InMemoryLeases()
    state = InMemoryState()
    made.client_id = create_application(InMemoryAccess(state), "Club").application.id
    made.feed = feed = InMemoryFactFeed(leases.require)
    made.outbox = InMemoryWebhookOutbox(secret_of=InMemoryQueries(state).client_secret, require=leases.require)
    made.inbox, made.alerts = InMemoryWebhookInbox(leases.require), InMemoryAlerts(leases.require)
    feed.commit(*_facts(made.client_id))


def _on_sql(made: Rig, new_state: NewState, kind: str) -> None:
    database = new_state(kind)
    made.leases = SqlLeases(database)
    made.client_id = create_application(SqlAccess(database, system_clock, uuid7), "Club").application.id
    made.feed, made.outbox = SqlFactFeed(database), SqlWebhookOutbox(database, system_clock, uuid7)
    made.inbox, made.alerts = SqlWebhookInbox(database), SqlAlerts(database)
    with database.writing() as connection:
        connection.execute(insert(t.facts), [rows.fact_row(each) for each in _facts(made.client_id)])


def _facts(client_id: ClientId) -> list[AnyFact]:
    return [
        RewardItemRewarded(
            id=FactId(str(number)),
            client_id=client_id,
            profile_id=ProfileId("fan-1"),
            custom_id="ada",
            happened_at=AT,
            reward_item_id=RewardItemId("item-1"),
            reward_item_name="Points",
            reward_item_amount=10,
            reward_item_balance=10 * number,
            reward_item_transaction_id=TransactionId(f"transaction-{number}"),
        )
        for number in (1, 2)
    ]


def test_a_holder_stores_its_progress_also_when_its_lease_has_expired_and_nobody_took_it(rig: Rig) -> None:
    (lease,) = rig.leases.acquire(["work/1"], "a", for_s=0.0)
    for name, change in rig.changes().items():
        before = rig.stored()
        change(lease)
        assert rig.stored() != before, name


def test_progress_under_a_lease_that_another_process_took_is_refused(rig: Rig) -> None:
    (lease,) = rig.leases.acquire(["work/1"], "a", for_s=0.0)
    (taken,) = rig.leases.acquire(["work/1"], "b", for_s=60.0)
    for name, change in rig.changes().items():
        before = rig.stored()
        with pytest.raises(LeaseLost, match="work/1"):
            change(lease)
        assert rig.stored() == before, name
        change(taken)
        assert rig.stored() != before, name


def test_progress_of_before_a_pause_is_refused_also_if_the_lease_came_back_to_its_holder(rig: Rig) -> None:
    (lease,) = rig.leases.acquire(["work/1"], "a", for_s=0.0)
    rig.leases.acquire(["work/1"], "b", for_s=0.0)
    rig.leases.acquire(["work/1"], "a", for_s=60.0)
    before = rig.stored()
    for change in rig.changes().values():
        with pytest.raises(LeaseLost):
            change(lease)
    assert rig.stored() == before


def test_progress_under_a_lease_that_was_given_back_or_never_was_is_refused(rig: Rig) -> None:
    (lease,) = rig.leases.acquire(["work/1"], "a", for_s=60.0)
    rig.leases.release("a")
    for change in rig.changes().values():
        for refused in (lease, Lease("work/2", "a", 1)):
            with pytest.raises(LeaseLost):
                change(refused)
    assert rig.feed.report(rig.client_id) == RelayReport(waiting=2)
