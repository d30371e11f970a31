import pytest

from tifo.warehouses.naming import (
    MAX_NAME,
    SHORTEST_LIMIT,
    STANDARD_TABLES,
    SYSTEM_COLUMNS,
    context_name,
    free_name,
    property_name,
    short_name,
    table_name,
)

name_of = property_name(("id", "timestamp"), "property")


@pytest.mark.parametrize(
    ("event", "table"),
    [
        ("Badge Rewarded", "badge_rewarded"),
        ("2FA Enabled", "2fa_enabled"),
        ("Покупка билета", "покупка_билета"),
        ("チケット購入", "チケット購入"),
        ("Café Ouvert", "caf_ouvert"),
        ("Tracks", "event_tracks"),
        ("users", "event_users"),
        ("Order", "_order"),
    ],
)
def test_an_event_in_any_script_has_a_usable_table_name(event: str, table: str) -> None:
    assert table_name(event) == table


@pytest.mark.parametrize("event", ["", "🎉", "___", "!?"])
def test_an_event_without_letters_has_a_name_that_never_changes(event: str) -> None:
    assert table_name(event).startswith("unnamed_")
    assert table_name(event) == table_name(event)


def test_two_events_without_letters_have_two_tables() -> None:
    assert table_name("🎉") != table_name("🔥")


def test_a_very_long_name_is_cut_and_stays_distinct() -> None:
    one, other = table_name("x" * 500), table_name("x" * 501)
    assert len(one) == len(other) == MAX_NAME
    assert one != other


def test_no_event_takes_a_standard_table() -> None:
    assert not {table_name(name) for name in STANDARD_TABLES} & STANDARD_TABLES


def test_nested_keys_are_joined() -> None:
    assert name_of(("address", "postalCode")) == "address_postal_code"


def test_a_property_named_like_a_standard_column_keeps_its_data() -> None:
    asked = [name_of(path) for path in (("id",), ("timestamp",), ("context", "ip"))]
    assert asked == ["property_id", "property_timestamp", "property_context_ip"]


def test_reserved_words_get_an_underscore() -> None:
    assert [name_of(path) for path in (("select",), ("a", "select"))] == ["_select", "a_select"]


@pytest.mark.parametrize("name", sorted(SYSTEM_COLUMNS))
def test_a_column_that_postgresql_has_by_itself_gets_an_underscore(name: str) -> None:
    assert name_of((name.upper(),)) == f"_{name}"


def test_a_name_that_is_taken_gets_the_next_free_number() -> None:
    assert [free_name("a", used) for used in (set(), {"a"}, {"a", "a_2"}, {"a_2"})] == ["a", "a_2", "a_3", "a"]


def test_numbered_names_stay_within_the_limit() -> None:
    long = "x" * MAX_NAME
    assert free_name(long, {short_name(long)}) == "x" * (MAX_NAME - 2) + "_2"


def test_no_two_names_become_one_where_a_warehouse_cuts_them() -> None:
    long = "ü" * 60
    cut = short_name(long)
    assert len(cut.encode()) <= SHORTEST_LIMIT
    assert short_name(cut) == cut
    assert free_name(long, {cut}) != long
    assert free_name(cut, {short_name(long)}) == f"{cut}_2"


def test_context_has_its_prefix() -> None:
    assert [context_name(path) for path in (("library", "name"), ("userAgent",))] == [
        "context_library_name",
        "context_user_agent",
    ]
