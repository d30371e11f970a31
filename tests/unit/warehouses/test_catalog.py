"""The kinds of warehouses, asked by their ids."""

import subprocess
import sys

import pytest

from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.warehouses.catalog import check_warehouse, connectable_kind, connectable_kinds, kind_of, kinds


def test_an_unknown_kind_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(NotFound, match="Known are postgres, duckdb"):
        kind_of("oracle")


def test_the_built_in_kind_is_described_but_cannot_be_connected() -> None:
    assert [kind.id for kind in kinds() if kind.is_built_in] == ["duckdb"]
    assert "duckdb" not in [kind.id for kind in connectable_kinds()]
    with pytest.raises(Conflict):
        connectable_kind("duckdb")
    with pytest.raises(Conflict):
        check_warehouse("duckdb", "somewhere.duckdb")


def test_settings_become_an_address_and_its_shown_parts_hold_no_secret() -> None:
    postgres = kind_of("postgres")
    given = {"name": "reports", "hostname": "db", "database": "fans", "username": "tifo", "password": "a@b:c/d"}
    url = postgres.url_of(given)
    assert url == "postgresql://tifo:a%40b%3Ac%2Fd@db:5432/fans"
    shown = {"hostname": "db", "port": "5432", "database": "fans", "username": "tifo"}
    assert postgres.settings_of(f"{url}?sslpassword=secret") == shown
    assert postgres.without_password(url) == "postgresql://tifo:***@db:5432/fans"
    assert postgres.url_of({"url": "postgresql://db/fans"}) == "postgresql://db/fans"


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"hostname": "db", "database": "fans"}, "settings.username"),
        ({"hostname": "", "database": "fans", "username": "tifo"}, "settings.hostname"),
        ({"host": "db"}, "settings"),
    ],
)
def test_settings_that_give_no_address_are_named(settings: dict[str, object], field: str) -> None:
    with pytest.raises(Rejected) as raised:
        kind_of("postgres").url_of(settings)
    assert raised.value.field == field


def test_what_is_no_address_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(Rejected) as raised:
        check_warehouse("postgres", "mysql://tifo:secret@db/fans")
    assert "secret" not in raised.value.message


def test_asking_the_catalog_imports_no_products_library() -> None:
    program = (
        "import sys; from tifo.warehouses.catalog import kinds; kinds();"
        " print(sorted({'pyarrow', 'duckdb', 'adbc_driver_postgresql'} & sys.modules.keys()))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"
