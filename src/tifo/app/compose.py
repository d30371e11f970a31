"""The parts, put together by the settings: the only place that knows which implementation stands behind a contract."""

import aiohttp

from tifo.app.settings import Settings
from tifo.egress.guard import guarded_connector
from tifo.egress.rules import read_allowed
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import uuid7
from tifo.source.endpoint import open_session
from tifo.store.catalog import SqlCatalog
from tifo.store.database import Database, open_sqlite
from tifo.store.facts import SqlFactFeed
from tifo.store.sqlite_log import SqliteEventLog
from tifo.store.warehouses import SqlWarehouses
from tifo.store.webhooks_in import SqlWebhookInbox
from tifo.warehouses.duckdb import DuckdbWarehouse
from tifo.warehouses.ports import Warehouse
from tifo.warehouses.postgres import PostgresWarehouse
from tifo.workspace.warehouses import ConnectedWarehouse


def open_state(settings: Settings) -> Database:
    return open_sqlite(settings.database)


def catalog_of(database: Database) -> SqlCatalog:
    return SqlCatalog(database, system_clock, uuid7)


def facts_of(database: Database) -> SqlFactFeed:
    return SqlFactFeed(database)


def inbox_of(database: Database) -> SqlWebhookInbox:
    return SqlWebhookInbox(database)


def open_log(settings: Settings) -> SqliteEventLog:
    """To append; only one process at a time may."""
    return SqliteEventLog(settings.log)


def open_log_reader(settings: Settings) -> SqliteEventLog:
    return SqliteEventLog(settings.log, read_only=True)


def open_warehouse(settings: Settings) -> DuckdbWarehouse:
    return DuckdbWarehouse(settings.warehouse)


def warehouses_of(database: Database) -> SqlWarehouses:
    return SqlWarehouses(database, system_clock)


def open_connected(connected: ConnectedWarehouse) -> Warehouse:
    """Nothing is connected to before it is used."""
    return PostgresWarehouse(connected.url)


def outside_session(settings: Settings) -> aiohttp.ClientSession:
    """For every address that someone configured; open it in the event loop."""
    return open_session(guarded_connector(read_allowed(settings.egress_allow)))


def own_address(settings: Settings) -> str:
    """Where this machine reaches its own api."""
    if settings.port == 0:
        raise Transient("The api's port is not chosen yet.")
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::", ""} else settings.host  # noqa: S104 (compared, not bound)
    return f"http://{host}:{settings.port}"
