"""When an alert fires, and when it is over: pure decisions.

It fires after two looks in a row beyond the threshold, and is over after two looks in a row that are well, which is
some way on the other side of it: so that a value that trembles about the threshold tells nobody anything twice.
"""

from msgspec.structs import replace

from tifo.workspace.alerts import Alert, AlertKind, AlertState

LOOKS = 2
_MOST_SAMPLES = 120
_MARGIN = 0.1


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


def looked(alert: Alert, before: AlertState, value: float | None, reason: str, now: float) -> AlertState:
    """After a look; a value of None says nothing, and changes nothing."""
    if value is None:
        return replace(before, value=None, reason=reason)
    bad = before.bad + 1 if is_bad(alert, value) else 0
    well = before.well + 1 if is_well(alert, value) else 0
    seen = replace(before, bad=bad, well=well, value=value, reason=reason)
    if before.firing_since is None:
        return _begun(alert, seen, now) if bad >= LOOKS else seen
    if well >= LOOKS:
        return _over(seen)
    if before.is_muted and not _is_quiet(alert, before, now):
        return replace(seen, is_muted=False, pending="firing")
    return seen


def told(before: AlertState, now: float) -> AlertState:
    """What was pending has gone out."""
    told_at = now if before.pending == "firing" else before.told_at
    return replace(before, pending="", told_at=told_at, problem="")


def _begun(alert: Alert, seen: AlertState, now: float) -> AlertState:
    if _is_quiet(alert, seen, now):
        return replace(seen, firing_since=now, is_muted=True)
    return replace(seen, firing_since=now, is_muted=False, pending="firing")


def _over(seen: AlertState) -> AlertState:
    """Who was not told of its beginning is not told of its end."""
    unknown = seen.is_muted or seen.pending == "firing"
    return replace(seen, firing_since=None, is_muted=False, pending="" if unknown else "resolved")


def _is_quiet(alert: Alert, standing: AlertState, now: float) -> bool:
    return standing.told_at is not None and now - standing.told_at < alert.quiet_s


def sampled(alert: Alert, before: AlertState, total: int, now: float) -> AlertState:
    """Keeps a total for each hundredth of the two windows that are compared, and the one before them."""
    step = alert.window_s / (_MOST_SAMPLES / 2.4)
    if before.samples and now - before.samples[-1][0] < step:
        return before
    return replace(before, samples=(*before.samples, (now, total))[-_MOST_SAMPLES:])


def change_percent(alert: Alert, standing: AlertState, total: int, now: float) -> float | None:
    """Of the events in the window that ends now, against the window before; None where that one is not whole, or was
    empty.
    """
    middle, first = (_total_at(standing, now - back * alert.window_s) for back in (1, 2))
    if middle is None or first is None or middle <= first:
        return None
    return 100.0 * ((total - middle) / (middle - first) - 1.0)


def _total_at(standing: AlertState, moment: float) -> int | None:
    earlier = [total for at, total in standing.samples if at <= moment]
    return earlier[-1] if earlier else None
