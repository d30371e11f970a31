import pytest

from tifo.kernel.errors import Rejected
from tifo.workspace.sync import EVERYTHING, MAX_OVERRIDES, Override, with_overrides


def test_everything_is_taken_unless_it_is_turned_off() -> None:
    assert EVERYTHING.takes_table("tracks")
    assert EVERYTHING.takes_column("tracks", "anything")
    assert EVERYTHING.is_everything


def test_a_table_that_is_off_takes_none_of_its_columns() -> None:
    selection = with_overrides(EVERYTHING, [Override("pages", None, False)])
    assert not selection.takes_table("pages")
    assert not selection.takes_column("pages", "url")
    assert selection.takes_table("tracks")
    assert not selection.is_everything


def test_a_column_that_is_off_is_off_in_its_table_only() -> None:
    selection = with_overrides(EVERYTHING, [Override("tracks", "context_ip", False)])
    assert selection.takes_table("tracks")
    assert not selection.takes_column("tracks", "context_ip")
    assert selection.takes_column("pages", "context_ip")
    assert selection.takes_column("tracks", "event")


def test_a_table_that_is_on_again_remembers_its_columns() -> None:
    off = with_overrides(EVERYTHING, [Override("pages", "url", False), Override("pages", None, False)])
    on = with_overrides(off, [Override("pages", None, True)])
    assert on.takes_table("pages")
    assert not on.takes_column("pages", "url")


def test_what_is_turned_on_again_leaves_no_trace() -> None:
    off = with_overrides(EVERYTHING, [Override("pages", "url", False), Override("tracks", None, False)])
    assert with_overrides(off, [Override("pages", "url", True), Override("tracks", None, True)]) == EVERYTHING


@pytest.mark.parametrize(
    ("override", "field"),
    [
        (Override("tracks", "id", False), "column"),
        (Override("tracks", "received_at", False), "column"),
        (Override("_discards", None, False), "table"),
        (Override("", None, False), "table"),
        (Override("x" * 128, None, False), "table"),
        (Override("tracks", "a\nb", True), "column"),
    ],
)
def test_what_cannot_be_turned_off_is_refused(override: Override, field: str) -> None:
    with pytest.raises(Rejected) as caught:
        with_overrides(EVERYTHING, [override])
    assert caught.value.field == field


def test_only_so_much_is_turned_off() -> None:
    most = [Override(f"t{number}", None, False) for number in range(MAX_OVERRIDES)]
    with pytest.raises(Rejected):
        with_overrides(with_overrides(EVERYTHING, most), [Override("one_more", "column", False)])
