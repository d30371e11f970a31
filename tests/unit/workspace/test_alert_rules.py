"""When an alert fires, when it is over, and who is told."""

from dataclasses import replace

import msgspec
import pytest

from tifo.kernel.errors import Rejected
from tifo.workspace.alert_rules import after_check, after_notification, change_percent, with_sample
from tifo.workspace.alerts import Alert, AlertKind, AlertState, checked_alert

RATE = Alert(
    id="a",
    name="Rate",
    kind=AlertKind.DELIVERY_RATE,
    target="d",
    threshold=95.0,
    window_s=3_600.0,
    quiet_s=600.0,
    url="https://example.com",
)
VOLUME = replace(RATE, kind=AlertKind.VOLUME, threshold=50.0)
WAREHOUSE = replace(RATE, kind=AlertKind.WAREHOUSE, threshold=60.0)


def looks(alert: Alert, *values: float | None, at: float = 0.0, before: AlertState | None = None) -> AlertState:
    """A look each 30 s; what is pending is told at once."""
    standing = before or AlertState()
    for number, value in enumerate(values):
        now = at + 30 * number
        standing = after_check(alert, standing, value, "", now)
        if standing.pending and number < len(values) - 1:
            standing = after_notification(standing, now)
    return standing


def test_it_fires_after_two_looks_and_not_after_one() -> None:
    assert looks(RATE, 90).firing_since is None
    assert looks(RATE, 90, 99, 90).firing_since is None
    fired = looks(RATE, 90, 90)
    assert (fired.firing_since, fired.pending) == (30.0, "firing")


def test_it_is_over_after_two_looks_that_are_well_by_a_margin() -> None:
    assert looks(RATE, 90, 90, 95.2, 95.2, 95.2).firing_since == 30.0
    assert looks(RATE, 90, 90, 99, 94, 99).firing_since == 30.0
    over = looks(RATE, 90, 90, 99, 99)
    assert (over.firing_since, over.pending) == (None, "resolved")


def test_a_value_that_is_not_known_changes_nothing() -> None:
    assert looks(RATE, 90, None, 90).pending == "firing"
    assert looks(RATE, None, None).firing_since is None
    assert looks(RATE, 90, 90, None, None).firing_since == 30.0


def test_in_its_quiet_time_nobody_is_told_again_and_after_it_they_are() -> None:
    over = looks(RATE, 90, 90, 99, 99)
    again = looks(RATE, 90, 90, at=200, before=after_notification(over, 90))
    assert (again.firing_since, again.is_muted, again.pending) == (230.0, True, "")
    assert looks(RATE, 99, 99, at=300, before=again).pending == "", "of its end neither"
    late = looks(RATE, 90, at=700, before=again)
    assert (late.is_muted, late.pending) == (False, "firing")


def test_what_was_never_told_is_not_called_off() -> None:
    standing = looks(RATE, 90, 90)  # and it could not be told
    for now in (90, 120):
        standing = after_check(RATE, standing, 99, "", now)
    assert (standing.firing_since, standing.pending) == (None, "")


def test_each_kind_has_its_side() -> None:
    assert looks(VOLUME, -40, -40).firing_since is None
    assert looks(VOLUME, -60, -60).firing_since == 30.0
    assert looks(VOLUME, 300, 300).firing_since is None
    assert looks(WAREHOUSE, 50, 50).firing_since is None
    assert looks(WAREHOUSE, 61, 61).firing_since == 30.0
    assert looks(WAREHOUSE, 61, 61, 50, 50).firing_since == 30.0
    assert looks(WAREHOUSE, 61, 61, 20, 20).pending == "resolved"


def test_a_volume_is_compared_with_the_window_before() -> None:
    standing = AlertState()
    for minute in range(241):  # an event a second for two hours, then half as many
        total = 60 * min(minute, 180) + 30 * max(0, minute - 180)
        standing = with_sample(VOLUME, standing, total, 60.0 * minute)
    assert len(standing.samples) <= 120
    assert change_percent(VOLUME, standing, 12_600, 60.0 * 240) == pytest.approx(-50, abs=4)
    assert change_percent(VOLUME, AlertState(), 5, 0.0) is None
    still = AlertState(samples=((0.0, 0), (3_600.0, 0)))
    assert change_percent(VOLUME, still, 0, 7_200.0) is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"threshold": 0.0}, "threshold"),
        ({"threshold": 101.0}, "threshold"),
        ({"window_s": 5.0}, "window"),
        ({"url": ""}, "url"),
        ({"url": "ftp://x"}, "url"),
        ({"email": "nobody"}, "email"),
        ({"email": "a@b\nBcc: c@d"}, "email"),
    ],
)
def test_an_alert_that_cannot_work_is_refused(change: dict[str, object], field: str) -> None:
    with pytest.raises(Rejected) as refused:
        checked_alert(replace(RATE, **change))  # type: ignore[arg-type]  # a field and its value
    assert refused.value.field == field
    assert checked_alert(replace(WAREHOUSE, threshold=900.0)).threshold == 900


def test_a_stored_state_keeps_the_key_under_which_earlier_ones_were_stored() -> None:
    stored = b'{"firing_since":30.0,"told_at":60.0}'
    state = msgspec.json.decode(stored, type=AlertState)
    assert state == AlertState(firing_since=30.0, notified_at=60.0)
    assert msgspec.json.encode(state) == stored
