from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tifo.kernel.errors import Rejected
from tifo.kernel.ids import SourceId
from tifo.workspace.model import Source, SourceType
from tifo.workspace.rules import (
    UsedNames,
    checked_endpoint,
    checked_write_key,
    free_slug,
    new_source,
    new_write_key,
    schema_of,
    slug_of,
)

AT = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)
ANY_NAMES = st.lists(
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).filter(lambda name: bool(name.strip())),
    min_size=1,
    max_size=8,
)


def source(name: str, used: tuple[Source, ...] = ()) -> Source:
    return new_source(
        name,
        SourceType.LIVELIKE,
        source_id=SourceId("source-1"),
        at=AT,
        used=UsedNames({one.slug for one in used}, {one.schema for one in used}),
    )


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("LiveLike_Demo", "livelike_demo"),
        ("iOS App (prod)", "ios_app_prod"),
        ("  --Fan  Zone--  ", "fan_zone"),
        ("2FA", "2fa"),
        ("日本語", "source"),
        ("🎉", "source"),
        ("x" * 60, "x" * 48),
        ("x" * 47 + " y", "x" * 47),
    ],
)
def test_a_slug_is_the_name_in_small_letters_digits_and_underscores(name: str, slug: str) -> None:
    assert slug_of(name) == slug


@pytest.mark.parametrize(
    ("slug", "schema"),
    [
        ("livelike_demo", "livelike_demo"),
        ("2fa", "_2fa"),
        ("main", "_main"),
        ("information_schema", "_information_schema"),
        ("warehouse", "_warehouse"),
        ("pg_catalog", "_pg_catalog"),
        ("pgs", "pgs"),
    ],
)
def test_a_schema_is_the_slug_unless_warehouses_would_trip_over_it(slug: str, schema: str) -> None:
    assert schema_of(slug) == schema


def test_a_name_that_is_taken_gets_the_next_free_number() -> None:
    first = source("Demo")
    second = source("demo", (first,))
    assert [first.slug, second.slug, source("DEMO!", (first, second)).slug] == ["demo", "demo_2", "demo_3"]
    assert second.schema == "demo_2"


def test_a_schema_kept_by_a_renamed_source_is_not_given_away() -> None:
    assert free_slug("demo", set(), {"demo"}) == "demo_2"


@settings(deadline=None)  # a shared machine may stall
@given(ANY_NAMES)
def test_whatever_the_names_slugs_and_schemas_are_unique_and_plain(names: list[str]) -> None:
    made: tuple[Source, ...] = ()
    for name in names:
        made += (source(name[:200], made),) if name[:200].strip() else ()
    assert len({one.slug for one in made}) == len({one.schema for one in made}) == len(made)
    for one in made:
        assert one.schema.isascii()
        assert one.schema.isidentifier()
        assert one.schema != "_tifo"
        assert len(one.schema) < 63


@pytest.mark.parametrize("name", ["", "   ", "x" * 201])
def test_a_name_that_is_empty_or_too_long_is_rejected(name: str) -> None:
    with pytest.raises(Rejected) as caught:
        source(name)
    assert caught.value.field == "name"


def test_write_keys_are_32_letters_and_digits_and_never_shown() -> None:
    keys = {new_write_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) == 32 and key.isascii() and key.isalnum() for key in keys)
    made = source("Demo")
    assert made.write_key not in repr(made)


@pytest.mark.parametrize(
    ("endpoint", "base"),
    [
        (None, None),
        ("https://api.segment.io", "https://api.segment.io"),
        ("https://api.segment.io/", "https://api.segment.io"),
        ("http://[::1]:8080/tifo/", "http://[::1]:8080/tifo"),
    ],
)
def test_a_base_address_over_http_is_a_sound_endpoint(endpoint: str | None, base: str | None) -> None:
    assert checked_endpoint(endpoint) == base


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "api.segment.io",
        "ftp://example.com",
        "https://",
        "https://:443",
        "https://example.com:99999",
        "https://example.com:port",
        "https://exa mple.com",
        "https://example.com/\n",
        "https://example..com",
        "https://[::1",
        "https://example.com?key=1",
        "https://example.com#here",
        "https://api.segment.io/v1",
        "https://api.segment.io/v1/batch/",
        "https://user:geheim@example.com",
        "nothttp://user:geheim@example.com",
    ],
)
def test_anything_else_is_rejected_without_repeating_a_password(endpoint: str) -> None:
    with pytest.raises(Rejected) as caught:
        checked_endpoint(endpoint)
    assert caught.value.field == "endpoint"
    assert "geheim" not in caught.value.message


def test_a_key_for_tifo_itself_must_be_one_of_its_own() -> None:
    assert checked_write_key("own", None, {"own"}) == "own"
    assert checked_write_key("foreign", "https://api.segment.io", {"own"}) == "foreign"
    with pytest.raises(Rejected) as caught:
        checked_write_key("foreign", None, {"own"})
    assert "foreign" not in caught.value.message


@pytest.mark.parametrize("write_key", ["", " ", "with:colon", "with space", "ключ", "x" * 201])
def test_a_key_that_basic_auth_cannot_carry_is_rejected(write_key: str) -> None:
    with pytest.raises(Rejected):
        checked_write_key(write_key, "https://api.segment.io", set())
