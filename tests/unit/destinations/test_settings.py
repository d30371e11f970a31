from typing import Any

import pytest

from tifo.destinations.catalog import kind_of, kinds
from tifo.destinations.ports import Setting, SettingType
from tifo.destinations.settings import MASK, checked, masked, secret_names, without_masks
from tifo.kernel.errors import NotFound, Rejected

DECLARED = (
    Setting("url", SettingType.LIST, "Address", "Where to.", required=True),
    Setting("key", SettingType.SECRET, "Key", "What signs."),
    Setting("headers", SettingType.MAP, "Headers", "Sent along.", secret=True),
    Setting("size", SettingType.INTEGER, "Size", "How many.", default=10),
    Setting("wait_s", SettingType.NUMBER, "Wait", "How long.", default=1.5),
    Setting("batch", SettingType.BOOLEAN, "Batch", "Together.", default=False),
    Setting("method", SettingType.CHOICE, "Method", "How.", default="POST", choices=("POST", "PUT")),
    Setting("note", SettingType.TEXT, "Note", "Anything."),
)


def test_texts_of_the_command_line_are_read_as_what_they_stand_for() -> None:
    given = {"url": "https://a, https://b", "headers": "A: b\nC: d: e", "size": "20", "wait_s": "2", "batch": "yes"}
    assert checked(DECLARED, given) == {
        "url": ["https://a", "https://b"],
        "key": None,
        "headers": {"A": "b", "C": "d: e"},
        "size": 20,
        "wait_s": 2.0,
        "batch": True,
        "method": "POST",
        "note": None,
    }
    assert checked(DECLARED, checked(DECLARED, given)) == checked(DECLARED, given)


@pytest.mark.parametrize(
    ("given", "field", "what"),
    [
        ({}, "url", "is missing"),
        ({"url": "x", "siez": 1}, "siez", "There is no setting"),
        ({"url": 5}, "url", "no list"),
        ({"url": "x", "size": "many"}, "size", "'many', no integer"),
        ({"url": "x", "size": 1.5}, "size", "no integer"),
        ({"url": "x", "size": True}, "size", "no integer"),
        ({"url": "x", "batch": "perhaps"}, "batch", "no boolean"),
        ({"url": "x", "method": "GET"}, "method", "Known are POST, PUT"),
        ({"url": "x", "headers": {"a": 1}}, "headers", "no map"),
        ({"url": "x", "note": "x" * 10_001}, "note", "no text"),
        ({"url": "x", "key": ["hush"]}, "key", "no secret"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], field: str, what: str) -> None:
    with pytest.raises(Rejected, match=what) as refused:
        checked(DECLARED, given)
    assert refused.value.field == field
    assert "hush" not in refused.value.message


def test_secrets_are_masked() -> None:
    assert secret_names(DECLARED) == ["key", "headers"]
    shown = masked(DECLARED, checked(DECLARED, {"url": "x", "key": "hush", "headers": "A: hush"}))
    assert (shown["key"], shown["headers"], shown["url"]) == (MASK, MASK, ["x"])


def test_a_kind_is_found_by_its_id() -> None:
    assert kind_of("webhook") in kinds()
    with pytest.raises(NotFound, match="Known are webhook, segment"):
        kind_of("wehbook")


def test_the_mask_of_a_secret_is_no_value_and_elsewhere_is_a_text() -> None:
    given = {"key": MASK, "headers": MASK, "note": MASK, "size": 20}
    assert without_masks(DECLARED, given) == {"note": MASK, "size": 20}
    assert without_masks(DECLARED, {"key": "new", "headers": {"A": "b"}}) == {"key": "new", "headers": {"A": "b"}}
