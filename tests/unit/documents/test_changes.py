from collections.abc import Iterator

from tifo.documents.changes import Change, FieldChange, Verb, section_changes


def differences(old: str, new: str) -> Iterator[FieldChange]:
    if old != new:
        yield FieldChange("name", old, new)


def test_a_section_gives_a_change_for_what_is_new_and_for_what_differs_in_the_order_of_the_file() -> None:
    found = section_changes("badges", {"a": "A", "b": "B", "c": "C"}, {"n": "N", "c": "D", "a": "A"}, differences)
    assert list(found) == [
        Change(Verb.CREATE, "badges", "n"),
        Change(Verb.CHANGE, "badges", "c", (FieldChange("name", "C", "D"),)),
    ]
