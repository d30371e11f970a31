"""The opened contracts that every operation works on."""

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

from tifo.delivery.logs import KnownLogs
from tifo.delivery.ports import DeliveryNumbers, DeliveryState, IngestNumbers
from tifo.destinations.ports import Tools
from tifo.engagement.access import Access
from tifo.engagement.ports import Engine, LedgerAudit, LedgerTrace, Queries
from tifo.engagement.replay import RecordedActions
from tifo.eventlog.ports import EventLog
from tifo.kernel.clock import Clock
from tifo.kernel.ids import LogPosition, NewId
from tifo.operations.notifying import Notifier
from tifo.source.ports import FactFeed
from tifo.source.segment_actions.ports import ActionsState
from tifo.source.webhooks.inbox import WebhookInbox
from tifo.source.webhooks.outbox import WebhookOutbox
from tifo.tracking.plans.ports import TrackingPlans
from tifo.warehouses.names import SchemaNames
from tifo.warehouses.ports import Warehouse
from tifo.workspace.alerts import Alerts
from tifo.workspace.destinations import Destinations
from tifo.workspace.model import Catalog
from tifo.workspace.ports import WorkspaceState
from tifo.workspace.tokens import WorkspaceTokens
from tifo.workspace.warehouses import Warehouses


class Backend(Protocol):
    """Holds every contract of one installation, opened. `app/compose.py` makes one for a process and closes it once.

    A contract is opened when it is first asked for, so that a command imports only what it uses. All of them block:
    callers on an event loop use a thread.
    """

    @property
    def clock(self) -> Clock: ...
    @property
    def new_id(self) -> NewId: ...

    # The workspace.
    @property
    def catalog(self) -> Catalog: ...
    @property
    def destinations(self) -> Destinations: ...
    @property
    def warehouses(self) -> Warehouses: ...
    @property
    def schema_names(self) -> SchemaNames: ...
    @property
    def plans(self) -> TrackingPlans: ...
    @property
    def alerts(self) -> Alerts: ...
    @property
    def workspace(self) -> WorkspaceState: ...
    @property
    def workspace_tokens(self) -> WorkspaceTokens: ...

    # Delivery.
    @property
    def deliveries(self) -> DeliveryState: ...
    @property
    def delivery_numbers(self) -> DeliveryNumbers: ...
    @property
    def ingest_numbers(self) -> IngestNumbers: ...
    @property
    def logs(self) -> KnownLogs: ...

    # Engagement, and the source that streams its facts.
    @property
    def queries(self) -> Queries: ...
    @property
    def ledger_trace(self) -> LedgerTrace: ...
    @property
    def ledger_audit(self) -> LedgerAudit: ...
    @property
    def recorded(self) -> RecordedActions: ...
    @property
    def access(self) -> Access: ...
    @property
    def facts(self) -> FactFeed: ...
    @property
    def inbox(self) -> WebhookInbox: ...
    @property
    def outbox(self) -> WebhookOutbox: ...

    @property
    def segment_actions(self) -> ActionsState: ...

    def public_address(self) -> str:
        """Returns the base address that clients reach this Tifo at, without a slash at its end.

        Raises `Transient` while the api's port is not chosen yet.
        """

    def open_engine(self) -> AbstractAsyncContextManager[Engine]:
        """Opens the engine on the running event loop; leaving the block closes it, when its last commit is durable."""

    def read_log(self) -> AbstractContextManager[EventLog]:
        """Opens the event log for reading; leaving the block closes it."""

    def log_end(self) -> LogPosition:
        """Returns the position of the log's last durable event; `BEFORE_EVERY_LOG` where there is no log yet."""

    def open_warehouse(self, name: str) -> Warehouse:
        """Returns the driver of the warehouse with this name; nothing is connected to before it is used.

        Raises `NotFound` for an unknown name.
        """

    def check_warehouse(self, kind: str, url: str) -> None:
        """Connects to the warehouse of a kind at this address.

        Raises `Rejected` for what is no address, `Transient` where the warehouse cannot be reached.
        """

    def destination_tools(self) -> AbstractAsyncContextManager[Tools]:
        """Gives what destinations send with, on the event loop that enters the block; leaving it closes the session."""

    def notifier(self) -> AbstractAsyncContextManager[Notifier]:
        """Gives whoever sends notices of alerts, on the event loop that enters the block."""

    @property
    def can_mail(self) -> bool:
        """Whether notices may go by mail: there is a mail server."""
