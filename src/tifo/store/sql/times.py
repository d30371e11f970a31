"""Converts times to the state's form and back: microseconds since 1970, UTC. Exact, and the same in every database."""

from datetime import UTC, datetime


def to_micros(moment: datetime) -> int:
    # Rounded: the float may lie just below the microsecond that it stands for.
    return int(moment.timestamp() * 1_000_000 + 0.5)


def from_micros(micros: int) -> datetime:
    # Apart, because a float of both may be a microsecond off.
    seconds, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def maybe_micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def maybe_moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
