"""Composes an installation from its settings: the only module that knows which implementation is behind a contract.

An implementation's module is imported when the contract is first asked for: HTTP, DuckDB and the log take most of a
second, and few commands need all of them.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from tifo.app.settings import Settings
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import NotFound, Transient
from tifo.kernel.ids import BEFORE_EVERY_LOG, LogPosition, Shard, uuid7
from tifo.store.sql.database import PATIENCE_S, Database, open_postgres, open_sqlite
from tifo.workspace.warehouses import every_warehouse, named_warehouse

if TYPE_CHECKING:
    import aiohttp

    from tifo.app.notify import OutsideNotifier
    from tifo.destinations.ports import Tools
    from tifo.eventlog.sqlite import SqliteEventLog
    from tifo.store.delivery.deliveries import SqlDeliveryState
    from tifo.store.delivery.ingest import SqlIngestNumbers
    from tifo.store.delivery.logs import SqlKnownLogs
    from tifo.store.engagement.access import SqlAccess
    from tifo.store.engagement.audit import SqlLedgerAudit
    from tifo.store.engagement.engine import SqlEngine
    from tifo.store.engagement.images import SqlImages
    from tifo.store.engagement.ledger_trace import SqlLedgerTrace
    from tifo.store.engagement.queries import SqlQueries
    from tifo.store.engagement.recorded import SqlRecordedActions
    from tifo.store.leases import SqlLeases
    from tifo.store.source.facts import SqlFactFeed
    from tifo.store.source.segment_actions import SqlActionsState
    from tifo.store.source.webhooks_in import SqlWebhookInbox
    from tifo.store.source.webhooks_out import SqlWebhookOutbox
    from tifo.store.warehouses.names import SqlSchemaNames
    from tifo.store.workspace.alerts import SqlAlerts
    from tifo.store.workspace.as_text import SqlWorkspace
    from tifo.store.workspace.catalog import SqlCatalog
    from tifo.store.workspace.destinations import SqlDestinations
    from tifo.store.workspace.plans import SqlTrackingPlans
    from tifo.store.workspace.tokens import SqlWorkspaceTokens
    from tifo.store.workspace.vault import Vault
    from tifo.store.workspace.warehouses import SqlWarehouses
    from tifo.warehouses.ports import Warehouse


ROLE_PATIENCE_S = 0.3
"""The time for which a role waits for a state that is away: its clients are answered within two seconds."""
START_PATIENCE_S = 20.0
"""A machine may start Tifo and its database together."""


class OpenedBackend:
    """Implements `operations.backend.Backend` on this installation's state, log and warehouses.

    A role asks for `database` before it starts threads: two threads that ask first would open the state twice.
    """

    def __init__(self, settings: Settings, *, make: bool = True, patience_s: float = PATIENCE_S) -> None:
        self.settings = settings
        self._make = make
        self._patience_s = patience_s
        self.clock = system_clock
        self.new_id = uuid7

    @cached_property
    def database(self) -> Database:
        return open_state(self.settings, make=self._make, patience_s=self._patience_s)

    @cached_property
    def catalog(self) -> "SqlCatalog":
        from tifo.store.workspace.catalog import SqlCatalog

        return SqlCatalog(self.database, self.clock, self.new_id)

    @cached_property
    def destinations(self) -> "SqlDestinations":
        from tifo.store.workspace.destinations import SqlDestinations

        return SqlDestinations(self.database, self.clock, self.new_id, self._vault)

    @cached_property
    def warehouses(self) -> "SqlWarehouses":
        from tifo.store.workspace.warehouses import SqlWarehouses

        return SqlWarehouses(self.database, self.clock)

    @cached_property
    def schema_names(self) -> "SqlSchemaNames":
        from tifo.store.warehouses.names import SqlSchemaNames

        return SqlSchemaNames(self.database, self.clock)

    @cached_property
    def plans(self) -> "SqlTrackingPlans":
        from tifo.store.workspace.plans import SqlTrackingPlans

        return SqlTrackingPlans(self.database, self.clock, self.new_id)

    @cached_property
    def alerts(self) -> "SqlAlerts":
        from tifo.store.workspace.alerts import SqlAlerts

        return SqlAlerts(self.database)

    @cached_property
    def workspace(self) -> "SqlWorkspace":
        from tifo.destinations.catalog import kind_of
        from tifo.destinations.settings import secret_names
        from tifo.store.workspace.as_text import SqlWorkspace

        return SqlWorkspace(
            self.database,
            self.clock,
            self.new_id,
            self._vault,
            secret_names=lambda kind: secret_names(kind_of(kind).settings),
            start=self.log_end,
        )

    @cached_property
    def workspace_tokens(self) -> "SqlWorkspaceTokens":
        from tifo.store.workspace.tokens import SqlWorkspaceTokens

        return SqlWorkspaceTokens(self.database, self.clock, self.new_id)

    @property
    def deliveries(self) -> "SqlDeliveryState":
        from tifo.store.delivery.deliveries import SqlDeliveryState

        # Not stored: the log may get its name later than this is first asked for.
        return SqlDeliveryState(self.database, self.shard)

    @property
    def delivery_numbers(self) -> "SqlDeliveryState":
        return self.deliveries

    @cached_property
    def ingest_numbers(self) -> "SqlIngestNumbers":
        from tifo.store.delivery.ingest import SqlIngestNumbers

        return SqlIngestNumbers(self.database)

    @cached_property
    def logs(self) -> "SqlKnownLogs":
        from tifo.store.delivery.logs import SqlKnownLogs

        return SqlKnownLogs(self.database)

    @property
    def shard(self) -> Shard:
        """The id of this data folder's log; `NO_SHARD` before one was made."""
        from tifo.eventlog.identity import shard_of

        return shard_of(self.settings.log)

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
        from tifo.store.engagement.access import SqlAccess

        return SqlAccess(self.database, self.clock, self.new_id)

    @cached_property
    def images(self) -> "SqlImages":
        from tifo.store.engagement.images import SqlImages

        return SqlImages(self.database)

    @cached_property
    def facts(self) -> "SqlFactFeed":
        from tifo.store.source.facts import SqlFactFeed

        return SqlFactFeed(self.database)

    @cached_property
    def inbox(self) -> "SqlWebhookInbox":
        from tifo.store.source.webhooks_in import SqlWebhookInbox

        return SqlWebhookInbox(self.database)

    @cached_property
    def outbox(self) -> "SqlWebhookOutbox":
        from tifo.store.source.webhooks_out import SqlWebhookOutbox

        return SqlWebhookOutbox(self.database, self.clock, self.new_id)

    @cached_property
    def leases(self) -> "SqlLeases":
        from tifo.store.leases import SqlLeases

        return SqlLeases(self.database)

    @property
    def segment_actions(self) -> "SqlActionsState":
        from tifo.store.source.segment_actions import SqlActionsState

        return SqlActionsState(self.database, self.clock, self.shard)

    def public_address(self) -> str:
        return public_address(self.settings)

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

    def log_end(self) -> LogPosition:
        if not self.settings.log.exists():  # a new installation, whose api has not run yet
            return BEFORE_EVERY_LOG
        with self.read_log() as log:
            return LogPosition(log.shard, log.end())

    def open_warehouse(self, name: str) -> "Warehouse":
        from tifo.warehouses import catalog

        every = every_warehouse(self.warehouses.connected(), str(self.settings.warehouse))
        found = named_warehouse(every, name)
        return catalog.open_warehouse(found.kind, found.url)

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

    @cached_property
    def _vault(self) -> "Vault":
        from tifo.store.workspace.vault import Vault

        return Vault(self.settings.secret_key, self.settings.secret_key_file)

    def close(self) -> None:
        if "database" in self.__dict__:
            self.database.dispose()


@contextlib.contextmanager
def opened(settings: Settings, *, make: bool = True, patience_s: float = PATIENCE_S) -> "Iterator[OpenedBackend]":
    """Opens the backend of a command or a role; leaving the block closes its state.

    Without `make` it raises `NotFound` where there is no state yet, and makes none. A state that is away is waited for,
    for `patience_s` at most.
    """
    if not make and not settings.database_url and not settings.database.exists():
        raise _no_state(settings)
    with contextlib.closing(OpenedBackend(settings, make=make, patience_s=patience_s)) as backend:
        yield backend


def opened_by_role(settings: Settings) -> contextlib.AbstractContextManager[OpenedBackend]:
    """Opens the backend of a role, which reports a state that is away instead of waiting for it."""
    return opened(settings, patience_s=ROLE_PATIENCE_S)


def open_state(settings: Settings, *, make: bool = True, patience_s: float = PATIENCE_S) -> Database:
    """Opens the state and brings its tables to this version.

    Without `make` it raises `NotFound` where there is none.
    """
    if settings.database_url:
        return open_postgres(settings.database_url, make=make, patience_s=patience_s)
    return open_sqlite(settings.database, patience_s=patience_s)


def _no_state(settings: Settings) -> NotFound:
    hint = (
        " It has an event log: is its state in a PostgreSQL, which TIFO_DATABASE_URL names?"
        if settings.log.exists()
        else ""
    )
    return NotFound(
        f"There is no Tifo in {settings.data}.{hint} Name its folder by --data or TIFO_DATA, or start one there:"
        " tifo up.",
        field="data",
    )


def make_state(settings: Settings) -> None:
    """Makes the state's tables, or brings them to this version, and closes the state again."""
    open_state(settings, patience_s=START_PATIENCE_S).dispose()


def open_log(settings: Settings) -> "SqliteEventLog":
    """Opens the event log for appending. Raises `Transient` while another process appends to it."""
    from tifo.eventlog.sqlite import SqliteEventLog

    return SqliteEventLog(settings.log)


def open_log_reader(settings: Settings) -> "SqliteEventLog":
    from tifo.eventlog.sqlite import SqliteEventLog

    return SqliteEventLog(settings.log, read_only=True)


def outside_session(settings: Settings) -> "aiohttp.ClientSession":
    """Opens the session for addresses that someone configured. Call it in the event loop."""
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


def own_address(settings: Settings) -> str:
    """Returns where this machine reaches its own api. Raises `Transient` while the port is not chosen."""
    if settings.port == 0:
        raise Transient("The api's port is not chosen yet.")
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::", ""} else settings.host  # noqa: S104 (compared, not bound)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def note_address(settings: Settings) -> None:
    """Writes where the api of this folder answers, for commands: flags of `tifo up` are no settings of theirs."""
    address = (settings.public_url or own_address(settings)).rstrip("/")
    part = settings.address_file.with_suffix(".part")
    part.write_text(f"{address}\n")
    part.replace(settings.address_file)


def public_address(settings: Settings) -> str:
    """Returns where clients reach the api: `public_url`, else where the api of this folder last answered."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    try:
        noted = settings.address_file.read_text().strip()
    except OSError:  # no api has run on this folder yet
        noted = ""
    return noted or own_address(settings)
