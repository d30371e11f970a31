import pytest

from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.operations.warehouse_settings import kind_of, kinds, masked_url, settings_of, url_of

PARTS = {"hostname": "db", "port": 5433, "database": "d", "username": "u", "password": "p/w:@"}


def test_parts_become_an_address_and_come_back_without_the_password() -> None:
    url = url_of("postgres", PARTS)
    assert url == "postgresql://u:p%2Fw%3A%40@db:5433/d"
    assert settings_of(url) == {"hostname": "db", "port": "5433", "database": "d", "username": "u"}


def test_an_address_may_be_given_whole_and_its_parameters_are_not_shown() -> None:
    url = url_of("postgres", {"url": "postgresql://u:hidden@db/d?sslpassword=hidden"})
    assert "hidden" not in str(settings_of(url))
    assert settings_of(url)["port"] == "5432"
    assert masked_url("postgresql://u:hidden@db/d") == "postgresql://u:***@db/d"


@pytest.mark.parametrize("missing", ["hostname", "database", "username"])
def test_a_missing_part_is_named(missing: str) -> None:
    with pytest.raises(Rejected) as refused:
        url_of("postgres", {**PARTS, missing: ""})
    assert refused.value.field == f"settings.{missing}"


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(Rejected, match="Known are url, hostname"):
        url_of("postgres", {**PARTS, "sslmode": "require"})


def test_an_unknown_kind_and_the_built_in_one_cannot_be_connected() -> None:
    with pytest.raises(NotFound, match="Known are postgres, duckdb"):
        kind_of("punch-cards")
    with pytest.raises(Conflict):
        url_of("duckdb", PARTS)
    assert [each.id for each in kinds()] == ["postgres", "duckdb"]
