"""A backend for unit tests of operations and of those who show them: in-memory twins behind every contract."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp

from tifo.delivery.memory import MemoryDeliveryState, MemoryIngestNumbers, MemoryKnownLogs
from tifo.destinations.catalog import kind_of
from tifo.destinations.ports import Tools
from tifo.destinations.settings import secret_names
from tifo.egress.rules import read_allowed
from tifo.engagement.facts import AnyFact
from tifo.engagement.memory import (
    InMemoryAccess,
    InMemoryEngine,
    InMemoryLedgerAudit,
    InMemoryLedgerTrace,
    InMemoryQueries,
    InMemoryRecordedActions,
    InMemoryState,
)
from tifo.engagement.model import Game
from tifo.engagement.ports import Engine
from tifo.eventlog.memory import MemoryEventLog
from tifo.eventlog.ports import EventLog
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.ids import LogPosition, NewId, uuid7
from tifo.operations.notifying import AlertNotice, Notifier
from tifo.source.memory import InMemoryFactFeed
from tifo.source.segment_actions.memory import InMemoryActionsState
from tifo.source.webhooks.memory import InMemoryWebhookInbox, InMemoryWebhookOutbox
from tifo.source.webhooks.workspace_memory import InMemoryEngagementPart
from tifo.tracking.plans.memory import InMemoryTrackingPlans
from tifo.warehouses.memory import MemoryWarehouse
from tifo.warehouses.memory.names import InMemorySchemaNames
from tifo.warehouses.ports import Warehouse
from tifo.workspace.alerts import Alert
from tifo.workspace.destinations import ConnectedDestination
from tifo.workspace.memory import (
    InMemoryAlerts,
    InMemoryCatalog,
    InMemoryDestinations,
    InMemoryWarehouses,
    InMemoryWorkspaceState,
    InMemoryWorkspaceTokens,
)
from tifo.workspace.warehouses import every_warehouse, named_warehouse


def reachable(_kind: str, _url: str) -> None:
    """A warehouse that answers, whatever its address."""


class RecordingNotifier:
    """Implements `operations.notifying.Notifier`: stores each notice, and returns `problem` as its outcome."""

    def __init__(self) -> None:
        self.notices: list[tuple[Alert, AlertNotice]] = []
        self.problem = ""

    async def notify(self, alert: Alert, notice: AlertNotice) -> str:
        self.notices.append((alert, notice))
        return self.problem


class TwinBackend:
    """Implements `operations.backend.Backend`. Its twins are joined up as the tables of one database are.

    Plans and destinations know the catalog's sources; a removed destination's deliveries end; the facts of the engine
    reach the feed and the outbox; an application that `access` makes is known everywhere.
    """

    def __init__(
        self,
        *,
        clock: Clock = system_clock,
        new_id: NewId = uuid7,
        check_warehouse: Callable[[str, str], None] = reachable,
    ) -> None:
        self.clock, self.new_id = clock, new_id
        self.log = MemoryEventLog()
        self.opened: dict[str, Warehouse] = {}
        """The drivers by warehouse; a test may put its own here."""
        self.recorder = RecordingNotifier()
        self.can_mail = False
        self._check_warehouse = check_warehouse
        self._make_engagement()
        self._make_workspace()

    def _make_engagement(self) -> None:
        self.state = InMemoryState()
        self.queries = InMemoryQueries(self.state)
        self.ledger_trace = InMemoryLedgerTrace(self.state)
        self.ledger_audit = InMemoryLedgerAudit(self.state)
        self.recorded = InMemoryRecordedActions(self.state)
        self.access = InMemoryAccess(self.state, self.clock, self.new_id)
        self.facts = InMemoryFactFeed()
        self.inbox = InMemoryWebhookInbox()
        self.outbox = InMemoryWebhookOutbox(clock=self.clock, new_id=self.new_id, secret_of=self.queries.client_secret)
        self.segment_actions = InMemoryActionsState(self._games, self.clock)

    def _make_workspace(self) -> None:
        self.catalog = InMemoryCatalog(self.state.applications.keys(), clock=self.clock, new_id=self.new_id)
        self.deliveries = self.delivery_numbers = MemoryDeliveryState()
        self.ingest_numbers = MemoryIngestNumbers()
        self.logs = MemoryKnownLogs()
        self.destinations = InMemoryDestinations(
            self.catalog,
            clock=self.clock,
            new_id=self.new_id,
            on_add=self._begin_delivery,
            on_remove=self.deliveries.end,
        )
        self.warehouses = InMemoryWarehouses(self.catalog, clock=self.clock)
        self.schema_names = InMemorySchemaNames(self.clock)
        self.plans = InMemoryTrackingPlans(self.catalog.slugs, clock=self.clock, new_id=self.new_id)
        self.alerts = InMemoryAlerts()
        self.workspace_tokens = InMemoryWorkspaceTokens(clock=self.clock, new_id=self.new_id)
        self.workspace = InMemoryWorkspaceState(
            self.catalog,
            self.warehouses,
            self.plans,
            self.destinations,
            alerts=self.alerts,
            engagement=InMemoryEngagementPart(
                self.state, self.catalog, self.inbox, self.outbox, clock=self.clock, new_id=self.new_id
            ),
            clock=self.clock,
            new_id=self.new_id,
            secret_names=lambda kind: secret_names(kind_of(kind).settings),
            start=self.log_end,
        )

    def public_address(self) -> str:
        return "https://tifo.example"

    @asynccontextmanager
    async def open_engine(self) -> AsyncIterator[Engine]:
        yield InMemoryEngine(self.state, self.clock, self.new_id, on_facts=self.commit)

    def commit(self, facts: Sequence[AnyFact]) -> None:
        """Hands facts to their readers, as the engine's commit does."""
        self.facts.commit(*facts)
        self.outbox.commit(*facts)

    @contextmanager
    def read_log(self) -> Iterator[EventLog]:
        yield self.log

    def log_end(self) -> LogPosition:
        return LogPosition(self.log.shard, self.log.end())

    def open_warehouse(self, name: str) -> Warehouse:
        known = named_warehouse(every_warehouse(self.warehouses.connected()), name)
        return self.opened.setdefault(known.name, MemoryWarehouse(self.clock))

    def check_warehouse(self, kind: str, url: str) -> None:
        self._check_warehouse(kind, url)

    @asynccontextmanager
    async def destination_tools(self) -> AsyncIterator[Tools]:
        """Reaches this machine only; there is no folder."""
        async with aiohttp.ClientSession() as session:
            yield Tools(session, read_allowed("127.0.0.0/8"), self.clock, Path("no-folder"))

    @asynccontextmanager
    async def notifier(self) -> AsyncIterator[Notifier]:
        yield self.recorder

    def _games(self) -> Iterable[Game]:
        return [each.game for each in self.state.applications.values()]

    def _begin_delivery(self, made: ConnectedDestination, start: LogPosition) -> None:
        self.deliveries.add(made.id, start.position, made.source_id)
