"""Describes the kinds of warehouses. To add one, put its driver into this folder and its description into `DRIVERS`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tifo.kernel.errors import Rejected
from tifo.warehouses.driver import WarehouseDriver, WarehouseSetting
from tifo.warehouses.drivers import postgres_address
from tifo.warehouses.naming import short_name

if TYPE_CHECKING:
    from tifo.warehouses.ports import Warehouse


class PostgresDriver:
    id = "postgres"
    name = "Postgres"
    description = "A PostgreSQL database."
    is_built_in = False
    settings: Sequence[WarehouseSetting] = (
        WarehouseSetting("hostname", "Host", "The server's host name or address."),
        WarehouseSetting("port", "Port", "5432 where it is not given.", default="5432"),
        WarehouseSetting("database", "Database", "The database's name."),
        WarehouseSetting("username", "User", "The user that loads."),
        WarehouseSetting("password", "Password", "Never shown again.", type="password"),
        WarehouseSetting("url", "Address", "In place of all of these: postgresql://user:password@host:5432/database."),
    )

    def url_of(self, settings: Mapping[str, object]) -> str:
        unknown = settings.keys() - {"name", *(setting.name for setting in self.settings)}
        if unknown:
            known = ", ".join(("url", *(setting.name for setting in self.settings if setting.name != "url")))
            raise Rejected(f"There is no setting {min(unknown)!r:.100}. Known are {known}.", field="settings")
        return str(settings["url"]) if "url" in settings else postgres_address.url_of(settings)

    def settings_of(self, url: str) -> dict[str, str]:
        return postgres_address.settings_of(url)

    def check_url(self, url: str) -> str:
        return postgres_address.checked_url(url)

    def without_password(self, url: str) -> str:
        return postgres_address.without_password(url)

    def shown_name(self, name: str) -> str:
        return short_name(name)

    def open(self, url: str) -> "Warehouse":
        # Late: PyArrow alone takes half a second, and most commands open no warehouse.
        from tifo.warehouses.drivers.postgres import PostgresWarehouse

        return PostgresWarehouse(url)


class DuckdbDriver:
    """Describes the built-in DuckDB file. Its address is the file's path."""

    id = "duckdb"
    name = "DuckDB"
    description = "The file that comes with Tifo. It is always there, and loads every source."
    is_built_in = True
    settings: Sequence[WarehouseSetting] = ()

    def url_of(self, settings: Mapping[str, object]) -> str:  # noqa: ARG002 (another kind's need)
        raise _built_in()

    def settings_of(self, url: str) -> dict[str, str]:  # noqa: ARG002 (likewise)
        return {}

    def check_url(self, url: str) -> str:  # noqa: ARG002 (likewise)
        raise _built_in()

    def without_password(self, url: str) -> str:
        return url

    def shown_name(self, name: str) -> str:
        return name

    def open(self, url: str) -> "Warehouse":
        # Late, for the same reason.
        from tifo.warehouses.drivers.duckdb import DuckdbWarehouse

        return DuckdbWarehouse(Path(url))


def _built_in() -> Rejected:
    return Rejected("The DuckDB file has no url: it is in the data folder. Leave url out.", field="url")


DRIVERS: Sequence[WarehouseDriver] = (PostgresDriver(), DuckdbDriver())
