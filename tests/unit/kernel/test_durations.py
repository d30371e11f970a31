from datetime import UTC, datetime, timedelta

import pytest

from tifo.kernel.durations import read_duration, read_moment
from tifo.kernel.errors import Rejected

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, duration: timedelta) -> None:
    assert read_duration(text, "window") == duration


@pytest.mark.parametrize("text", ["", "h", "2", "2w", "-2h", "1.5h", "2h ", "1234567s"])
def test_anything_else_is_no_duration_and_the_field_is_named(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        read_duration(text, "window")
    assert refused.value.field == "window"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("2026-11-25T10:00:00Z", datetime(2026, 11, 25, 10, tzinfo=UTC)),
        ("2026-11-25T12:00:00+02:00", datetime(2026, 11, 25, 10, tzinfo=UTC)),
        ("2026-11-25T10:00:00", datetime(2026, 11, 25, 10, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_time_or_how_long_ago(text: str, moment: datetime) -> None:
    assert read_moment(text, "since", NOW) == moment


@pytest.mark.parametrize("text", ["yesterday", "2w", "999999d", ""])
def test_a_moment_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Rejected, match="2h for two hours ago") as refused:
        read_moment(text, "since", NOW)
    assert refused.value.field == "since"
