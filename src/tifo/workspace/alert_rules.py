"""Decides when an alert fires and when it is resolved. Pure.

An alert fires after two checks in a row beyond its threshold, and is resolved after two in a row at a margin on the
other side.
"""

from msgspec.structs import replace

from tifo.workspace.alerts import Alert, AlertKind, AlertState

# One bad check may be chance. A value that moves about the threshold must not send one notification after another.
CHECKS_IN_A_ROW = 2
"""Checks in a row that fire or resolve an alert."""
_MOST_SAMPLES = 120
"""Samples of a source in one alert's state: 50 a window, for the two windows that are compared and some more."""
_MARGIN = 0.1
"""A value is well again at this share of the way from the threshold to a perfect value."""


def is_bad(alert: Alert, value: float) -> bool:
    if alert.kind is AlertKind.WAREHOUSE:
        return value > alert.threshold
    return value < (-alert.threshold if alert.kind is AlertKind.VOLUME else alert.threshold)


def is_well(alert: Alert, value: float) -> bool:
    if alert.kind is AlertKind.WAREHOUSE:
        return value <= alert.threshold / 2
    if alert.kind is AlertKind.VOLUME:
        return value >= -alert.threshold * (1 - _MARGIN)
    return value >= alert.threshold + (100 - alert.threshold) * _MARGIN


def after_check(alert: Alert, before: AlertState, value: float | None, reason: str, now: float) -> AlertState:
    """Returns the state after a check. A value of None (nothing to measure) neither fires nor resolves."""
    # Nothing was measured: neither a good nor a bad check, so both counts stay.
    if value is None:
        return replace(before, value=None, reason=reason)
    bad = before.bad + 1 if is_bad(alert, value) else 0
    well = before.well + 1 if is_well(alert, value) else 0
    seen = replace(before, bad=bad, well=well, value=value, reason=reason)
    if before.firing_since is None:
        return _started(alert, seen, now) if bad >= CHECKS_IN_A_ROW else seen
    if well >= CHECKS_IN_A_ROW:
        return _ended(seen)
    # The alert still fires after the quiet time that held its notification back: now it is sent.
    if before.is_muted and not _is_quiet(alert, before, now):
        return replace(seen, is_muted=False, pending="firing")
    return seen


def after_notification(before: AlertState, now: float) -> AlertState:
    """Returns the state after the pending notification went out."""
    # The end of an alert starts no quiet time: the next one that fires is news.
    notified_at = now if before.pending == "firing" else before.notified_at
    return replace(before, pending="", notified_at=notified_at, problem="")


def _started(alert: Alert, seen: AlertState, now: float) -> AlertState:
    if _is_quiet(alert, seen, now):
        return replace(seen, firing_since=now, is_muted=True)
    return replace(seen, firing_since=now, is_muted=False, pending="firing")


def _ended(seen: AlertState) -> AlertState:
    # No one knows that it fired where that notification was held back or did not go out: its end is no news.
    unknown = seen.is_muted or seen.pending == "firing"
    return replace(seen, firing_since=None, is_muted=False, pending="" if unknown else "resolved")


def _is_quiet(alert: Alert, state: AlertState, now: float) -> bool:
    return state.notified_at is not None and now - state.notified_at < alert.quiet_s


def with_sample(alert: Alert, before: AlertState, total: int, now: float) -> AlertState:
    """Adds a sample for each fiftieth of a window."""
    # The samples must reach back beyond two windows: 120 of them last for 2.4.
    step = alert.window_s / (_MOST_SAMPLES / 2.4)
    if before.samples and now - before.samples[-1][0] < step:
        return before
    return replace(before, samples=(*before.samples, (now, total))[-_MOST_SAMPLES:])


def change_percent(alert: Alert, state: AlertState, total: int, now: float) -> float | None:
    """Compares the events of the window that ends now with those of the window before, in percent.

    None where the window before has no sample at its beginning, or no events.
    """
    middle, first = (_total_at(state, now - back * alert.window_s) for back in (1, 2))
    # Without events before there is no change in percent, and a new source must not alarm anybody.
    if middle is None or first is None or middle <= first:
        return None
    return 100.0 * ((total - middle) / (middle - first) - 1.0)


def _total_at(state: AlertState, moment: float) -> int | None:
    earlier = [total for at, total in state.samples if at <= moment]
    return earlier[-1] if earlier else None
