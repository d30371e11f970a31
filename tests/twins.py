"""A backend for unit tests of operations and of those who show them: in-memory twins behind every contract."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp

from tifo.destinations.catalog import kind_of
from tifo.destinations.ports import Tools
from tifo.destinations.settings import secret_names
from tifo.egress.rules import read_allowed
from tifo.engagement.ports import Engine
from tifo.eventlog.memory import MemoryEventLog
from tifo.eventlog.ports import EventLog
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import NewId, Position, uuid7
from tifo.operations.notifying import AlertNotice, Notifier
from tifo.store.delivery.deliveries import SqlDeliveryState
from tifo.store.delivery.ingest import SqlIngestNumbers
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.audit import SqlLedgerAudit
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.ledger_trace import SqlLedgerTrace
from tifo.store.engagement.queries import SqlQueries
from tifo.store.engagement.recorded import SqlRecordedActions
from tifo.store.source.facts import SqlFactFeed
from tifo.store.source.segment_actions import SqlActionsState
from tifo.store.source.webhooks_in import SqlWebhookInbox
from tifo.store.source.webhooks_out import SqlWebhookOutbox
from tifo.store.sql.database import Database
from tifo.store.workspace.alerts import SqlAlerts
from tifo.store.workspace.as_text import SqlWorkspace
from tifo.store.workspace.destinations import SqlDestinations
from tifo.store.workspace.plans import SqlTrackingPlans
from tifo.store.workspace.tokens import SqlWorkspaceTokens
from tifo.store.workspace.vault import Vault
from tifo.store.workspace.warehouses import SqlWarehouses
from tifo.warehouses.ports import Warehouse
from tifo.workspace.alerts import Alert
from tifo.workspace.memory import InMemoryCatalog
from tifo.workspace.model import Catalog


def reachable(_kind: str, _url: str) -> None:
    """A warehouse that answers, whatever its address."""


class RecordingNotifier:
    """Implements `operations.notifying.Notifier`: keeps each notice, and says that it did not arrive where told so."""

    def __init__(self) -> None:
        self.notices: list[tuple[Alert, AlertNotice]] = []
        self.problem = ""

    async def notify(self, alert: Alert, notice: AlertNotice) -> str:
        self.notices.append((alert, notice))
        return self.problem


class TwinBackend:
    """Implements `operations.backend.Backend`."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        catalog: Catalog | None = None,
        clock: Clock = system_clock,
        new_id: NewId = uuid7,
        check_warehouse: Callable[[str, str], None] = reachable,
    ) -> None:
        self.clock, self.new_id = clock, new_id
        self._database = database
        self.catalog: Catalog = InMemoryCatalog(()) if catalog is None else catalog
        self.destinations = SqlDestinations(database, clock, new_id, Vault("", folder / "key"))
        self.warehouses = SqlWarehouses(database, clock)
        self.plans = SqlTrackingPlans(database, clock, new_id)
        self.alerts = SqlAlerts(database)
        self.workspace = SqlWorkspace(
            database,
            clock,
            new_id,
            Vault("", folder / "key"),
            secret_names=lambda kind: secret_names(kind_of(kind).settings),
            start=self.log_end,
        )
        self.workspace_tokens = SqlWorkspaceTokens(database, clock, new_id)
        self.deliveries = self.delivery_numbers = SqlDeliveryState(database)
        self.ingest_numbers = SqlIngestNumbers(database)
        self.queries = SqlQueries(database)
        self.ledger_trace = SqlLedgerTrace(database)
        self.ledger_audit = SqlLedgerAudit(database)
        self.recorded = SqlRecordedActions(database)
        self.access = SqlAccess(database, clock, new_id)
        self.facts = SqlFactFeed(database)
        self.inbox = SqlWebhookInbox(database)
        self.outbox = SqlWebhookOutbox(database, clock, new_id)
        self.segment_actions = SqlActionsState(database, clock)
        self.log = MemoryEventLog()
        self.opened: dict[str, Warehouse] = {}
        self._check_warehouse = check_warehouse
        self.folder = folder
        self.recorder = RecordingNotifier()
        self.can_mail = False

    def public_address(self) -> str:
        return "https://tifo.example"

    @asynccontextmanager
    async def open_engine(self) -> AsyncIterator[Engine]:
        engine = SqlEngine(self._database, self.clock, self.new_id)
        try:
            yield engine
        finally:
            await engine.close()

    @contextmanager
    def read_log(self) -> Iterator[EventLog]:
        yield self.log

    def log_end(self) -> Position:
        return self.log.end()

    def open_warehouse(self, name: str) -> Warehouse:
        if name not in self.opened:
            raise NotFound(f"There is no warehouse {name!r}.", field="warehouse")
        return self.opened[name]

    def check_warehouse(self, kind: str, url: str) -> None:
        self._check_warehouse(kind, url)

    @asynccontextmanager
    async def destination_tools(self) -> AsyncIterator[Tools]:
        """Reaches this machine."""
        async with aiohttp.ClientSession() as session:
            yield Tools(session, read_allowed("127.0.0.0/8"), self.clock, self.folder)

    @asynccontextmanager
    async def notifier(self) -> AsyncIterator[Notifier]:
        yield self.recorder
