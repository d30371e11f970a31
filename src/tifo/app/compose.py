"""The parts, put together by the settings: the only place that knows which implementation stands behind a contract.

A part's module is imported when the part is made: HTTP, DuckDB and the log take most of a second, and few commands need
all of them.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from tifo.app.settings import Settings
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import Position, uuid7
from tifo.store.sql.database import Database, open_postgres, open_sqlite
from tifo.workspace.warehouses import built_in_warehouse, every_warehouse, named_warehouse

if TYPE_CHECKING:
    import aiohttp

    from tifo.app.notify import OutsideNotifier
    from tifo.destinations.ports import Tools
    from tifo.eventlog.sqlite import SqliteEventLog
    from tifo.store.delivery.deliveries import SqlDeliveryState
    from tifo.store.delivery.ingest import SqlIngestNumbers
    from tifo.store.engagement.access import SqlAccess
    from tifo.store.engagement.audit import SqlLedgerAudit
    from tifo.store.engagement.engine import SqlEngine
    from tifo.store.engagement.images import SqlImages
    from tifo.store.engagement.ledger_trace import SqlLedgerTrace
    from tifo.store.engagement.queries import SqlQueries
    from tifo.store.engagement.recorded import SqlRecordedActions
    from tifo.store.source.facts import SqlFactFeed
    from tifo.store.source.segment_actions import SqlActionsState
    from tifo.store.source.webhooks_in import SqlWebhookInbox
    from tifo.store.source.webhooks_out import SqlWebhookOutbox
    from tifo.store.workspace.alerts import SqlAlerts
    from tifo.store.workspace.as_text import SqlWorkspace
    from tifo.store.workspace.catalog import SqlCatalog
    from tifo.store.workspace.destinations import SqlDestinations
    from tifo.store.workspace.plans import SqlTrackingPlans
    from tifo.store.workspace.tokens import SqlWorkspaceTokens
    from tifo.store.workspace.warehouses import SqlWarehouses
    from tifo.warehouses.ports import Warehouse
    from tifo.workspace.warehouses import ConnectedWarehouse


def open_state(settings: Settings) -> Database:
    if settings.database_url:
        return open_postgres(settings.database_url)
    return open_sqlite(settings.database)


def make_state(settings: Settings) -> None:
    """Makes the state's tables, or brings them to this version, and closes the state again."""
    open_state(settings).dispose()


def catalog_of(database: Database) -> "SqlCatalog":
    from tifo.store.workspace.catalog import SqlCatalog

    return SqlCatalog(database, system_clock, uuid7)


def access_of(database: Database) -> "SqlAccess":
    from tifo.store.engagement.access import SqlAccess

    return SqlAccess(database, system_clock, uuid7)


def images_of(database: Database) -> "SqlImages":
    from tifo.store.engagement.images import SqlImages

    return SqlImages(database)


def facts_of(database: Database) -> "SqlFactFeed":
    from tifo.store.source.facts import SqlFactFeed

    return SqlFactFeed(database)


def inbox_of(database: Database) -> "SqlWebhookInbox":
    from tifo.store.source.webhooks_in import SqlWebhookInbox

    return SqlWebhookInbox(database)


def outbox_of(database: Database) -> "SqlWebhookOutbox":
    from tifo.store.source.webhooks_out import SqlWebhookOutbox

    return SqlWebhookOutbox(database, system_clock, uuid7)


def actions_of(database: Database) -> "SqlActionsState":
    from tifo.store.source.segment_actions import SqlActionsState

    return SqlActionsState(database, system_clock)


def plans_of(database: Database) -> "SqlTrackingPlans":
    from tifo.store.workspace.plans import SqlTrackingPlans

    return SqlTrackingPlans(database, system_clock, uuid7)


def destinations_of(database: Database, settings: Settings) -> "SqlDestinations":
    from tifo.store.workspace.destinations import SqlDestinations
    from tifo.store.workspace.vault import Vault

    vault = Vault(settings.secret_key, settings.secret_key_file)
    return SqlDestinations(database, system_clock, uuid7, vault)


def alerts_of(database: Database) -> "SqlAlerts":
    from tifo.store.workspace.alerts import SqlAlerts

    return SqlAlerts(database)


def ingest_of(database: Database) -> "SqlIngestNumbers":
    from tifo.store.delivery.ingest import SqlIngestNumbers

    return SqlIngestNumbers(database)


def deliveries_of(database: Database) -> "SqlDeliveryState":
    from tifo.store.delivery.deliveries import SqlDeliveryState

    return SqlDeliveryState(database)


def open_log(settings: Settings) -> "SqliteEventLog":
    """To append; only one process at a time may."""
    from tifo.eventlog.sqlite import SqliteEventLog

    return SqliteEventLog(settings.log)


def open_log_reader(settings: Settings) -> "SqliteEventLog":
    from tifo.eventlog.sqlite import SqliteEventLog

    return SqliteEventLog(settings.log, read_only=True)


def log_end(settings: Settings) -> Position:
    """0 where there is no log yet."""
    if not settings.log.exists():
        return Position(0)
    with contextlib.closing(open_log_reader(settings)) as log:
        return log.end()


def open_warehouse(settings: Settings) -> "Warehouse":
    return open_connected(built_in_warehouse(str(settings.warehouse)))


def warehouses_of(database: Database) -> "SqlWarehouses":
    from tifo.store.workspace.warehouses import SqlWarehouses

    return SqlWarehouses(database, system_clock)


def workspace_of(database: Database, settings: Settings) -> "SqlWorkspace":
    from tifo.destinations.catalog import kind_of
    from tifo.destinations.settings import secret_names
    from tifo.store.workspace.as_text import SqlWorkspace
    from tifo.store.workspace.vault import Vault

    return SqlWorkspace(
        database,
        system_clock,
        uuid7,
        Vault(settings.secret_key, settings.secret_key_file),
        secret_names=lambda kind: secret_names(kind_of(kind).settings),
        start=lambda: log_end(settings),
    )


def workspace_tokens_of(database: Database) -> "SqlWorkspaceTokens":
    from tifo.store.workspace.tokens import SqlWorkspaceTokens

    return SqlWorkspaceTokens(database, system_clock, uuid7)


def open_connected(connected: "ConnectedWarehouse") -> "Warehouse":
    """Nothing is connected to before the warehouse is used."""
    from tifo.warehouses import catalog

    return catalog.open_warehouse(connected.kind, connected.url)


def outside_session(settings: Settings) -> "aiohttp.ClientSession":
    """For every address that someone configured; open it in the event loop."""
    from tifo.egress.http import open_guarded_session
    from tifo.egress.rules import read_allowed

    return open_guarded_session(read_allowed(settings.egress_allow))


def tools_of(settings: Settings, session: "aiohttp.ClientSession") -> "Tools":
    from tifo.destinations.ports import Tools
    from tifo.egress.rules import read_allowed

    return Tools(session, read_allowed(settings.egress_allow), system_clock, settings.data)


def notifier_of(settings: Settings, session: "aiohttp.ClientSession") -> "OutsideNotifier":
    from tifo.app.notify import OutsideNotifier

    return OutsideNotifier(session, system_clock, smtp_url=settings.smtp_url, smtp_from=settings.smtp_from)


class OpenedBackend:
    """Implements `operations.backend.Backend` on this installation's state, log and warehouses."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = system_clock
        self.new_id = uuid7

    @cached_property
    def database(self) -> Database:
        return open_state(self.settings)

    @cached_property
    def catalog(self) -> "SqlCatalog":
        return catalog_of(self.database)

    @cached_property
    def destinations(self) -> "SqlDestinations":
        return destinations_of(self.database, self.settings)

    @cached_property
    def warehouses(self) -> "SqlWarehouses":
        return warehouses_of(self.database)

    @cached_property
    def plans(self) -> "SqlTrackingPlans":
        return plans_of(self.database)

    @cached_property
    def alerts(self) -> "SqlAlerts":
        return alerts_of(self.database)

    @cached_property
    def workspace(self) -> "SqlWorkspace":
        return workspace_of(self.database, self.settings)

    @cached_property
    def workspace_tokens(self) -> "SqlWorkspaceTokens":
        return workspace_tokens_of(self.database)

    @cached_property
    def deliveries(self) -> "SqlDeliveryState":
        return deliveries_of(self.database)

    @property
    def delivery_numbers(self) -> "SqlDeliveryState":
        return self.deliveries

    @cached_property
    def ingest_numbers(self) -> "SqlIngestNumbers":
        return ingest_of(self.database)

    @cached_property
    def queries(self) -> "SqlQueries":
        from tifo.store.engagement.queries import SqlQueries

        return SqlQueries(self.database)

    @cached_property
    def ledger_trace(self) -> "SqlLedgerTrace":
        from tifo.store.engagement.ledger_trace import SqlLedgerTrace

        return SqlLedgerTrace(self.database)

    @cached_property
    def ledger_audit(self) -> "SqlLedgerAudit":
        from tifo.store.engagement.audit import SqlLedgerAudit

        return SqlLedgerAudit(self.database)

    @cached_property
    def recorded(self) -> "SqlRecordedActions":
        from tifo.store.engagement.recorded import SqlRecordedActions

        return SqlRecordedActions(self.database)

    @cached_property
    def access(self) -> "SqlAccess":
        return access_of(self.database)

    @cached_property
    def images(self) -> "SqlImages":
        return images_of(self.database)

    @cached_property
    def facts(self) -> "SqlFactFeed":
        return facts_of(self.database)

    @cached_property
    def inbox(self) -> "SqlWebhookInbox":
        return inbox_of(self.database)

    @cached_property
    def outbox(self) -> "SqlWebhookOutbox":
        return outbox_of(self.database)

    @cached_property
    def segment_actions(self) -> "SqlActionsState":
        return actions_of(self.database)

    def public_address(self) -> str:
        return (self.settings.public_url or own_address(self.settings)).rstrip("/")

    @contextlib.asynccontextmanager
    async def open_engine(self) -> "AsyncIterator[SqlEngine]":
        from tifo.store.engagement.engine import SqlEngine

        engine = SqlEngine(self.database, self.clock, self.new_id)
        try:
            yield engine
        finally:
            await engine.close()

    @contextlib.contextmanager
    def read_log(self) -> "Iterator[SqliteEventLog]":
        with contextlib.closing(open_log_reader(self.settings)) as log:
            yield log

    def log_end(self) -> Position:
        return log_end(self.settings)

    def open_warehouse(self, name: str) -> "Warehouse":
        every = every_warehouse(self.warehouses.connected(), str(self.settings.warehouse))
        return open_connected(named_warehouse(every, name))

    def check_warehouse(self, kind: str, url: str) -> None:
        from tifo.warehouses import catalog

        catalog.check_warehouse(kind, url)

    @contextlib.asynccontextmanager
    async def destination_tools(self) -> "AsyncIterator[Tools]":
        async with outside_session(self.settings) as session:
            yield tools_of(self.settings, session)

    @contextlib.asynccontextmanager
    async def notifier(self) -> "AsyncIterator[OutsideNotifier]":
        async with outside_session(self.settings) as session:
            yield notifier_of(self.settings, session)

    @property
    def can_mail(self) -> bool:
        return bool(self.settings.smtp_url)

    def close(self) -> None:
        if "database" in self.__dict__:
            self.database.dispose()


@contextlib.contextmanager
def opened(settings: Settings) -> "Iterator[OpenedBackend]":
    """The one place where a process opens its state and closes it."""
    with contextlib.closing(OpenedBackend(settings)) as backend:
        yield backend


def own_address(settings: Settings) -> str:
    """Where this machine reaches its own api."""
    if settings.port == 0:
        raise Transient("The api's port is not chosen yet.")
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::", ""} else settings.host  # noqa: S104 (compared, not bound)
    return f"http://{host}:{settings.port}"
