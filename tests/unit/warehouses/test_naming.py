import pytest

from tifo.warehouses.naming import MAX_NAME, STANDARD_TABLES, context_naming, property_naming, table_name

names = property_naming(("id", "timestamp"), "property")


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
    assert names((("address", "postalCode"), ("a",))) == ("address_postal_code", "a")


def test_a_property_named_like_a_standard_column_keeps_its_data() -> None:
    assert names((("id",), ("timestamp",), ("context", "ip"))) == (
        "property_id",
        "property_timestamp",
        "property_context_ip",
    )


def test_reserved_words_get_an_underscore_and_hurt_no_property_of_that_name() -> None:
    assert names((("select",), ("a", "select"), ("_select",))) == ("_select_2", "a_select", "_select")


def test_of_two_properties_with_one_name_the_exact_spelling_has_it() -> None:
    assert names((("userName",), ("user_name",), ("UserName",))) == ("user_name_2", "user_name", "user_name_3")


def test_no_column_is_given_twice_whatever_the_suffixes() -> None:
    paths = (("a", "b"), ("a_b",), ("a_b_2",), ("a", "b", "2"))
    assert len(set(names(paths))) == len(paths)


def test_context_has_its_prefix() -> None:
    assert context_naming()((("library", "name"), ("userAgent",))) == ("context_library_name", "context_user_agent")
