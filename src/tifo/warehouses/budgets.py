"""Rations new names: how many tables and columns a source gets, at once and in an hour. Pure."""

from datetime import datetime, timedelta
from typing import NamedTuple

MAX_TABLES = 1_000
"""Tables that a source has for events, where no setting says otherwise."""
MAX_COLUMNS = 1_500
"""Limit of one table, in one batch as in the warehouse."""
MAX_CONTEXT = 400
"""Limit of columns from `context`: every table has them, and they must leave room for the properties."""

_HOUR_S = 3600.0


class Allowance(NamedTuple):
    """Says what was left of a budget at a time."""

    left: float
    at: datetime


class Budget(NamedTuple):
    """Gives `burst` names at first, and `per_hour` more, up to `burst` again. A load gets a share of what is left."""

    burst: float
    per_hour: float
    share: float
    """Below 1, so that one load cannot use up what the next honest name needs."""
    limit: float
    """Names that there may be in all."""

    def left(self, before: Allowance | None, now: datetime) -> float:
        if before is None:
            return self.burst
        hours = max(0.0, (now - before.at).total_seconds() / _HOUR_S)
        return min(self.burst, before.left + hours * self.per_hour)

    def next_at(self, left: float, now: datetime) -> datetime:
        """Returns when there is a whole name again."""
        return now + timedelta(hours=max(0.0, 1 - left) / self.per_hour)


class Budgets(NamedTuple):
    """Holds the budgets of one source."""

    # A table costs DuckDB a block of its file, however few rows it has.
    tables: Budget = Budget(burst=100, per_hour=30, share=0.5, limit=MAX_TABLES)
    """For the tables of events. The setting `max_event_tables` stands in place of its limit."""
    # With the standard columns fewer than PostgreSQL takes in a table (1,000), so that a later key has room there too.
    columns: Budget = Budget(burst=950, per_hour=20, share=0.85, limit=MAX_COLUMNS)
    """For the columns of each table, without those of `context`."""
    context: Budget = Budget(burst=300, per_hour=20, share=0.5, limit=MAX_CONTEXT)
    """For the columns of `context`."""


UNRATIONED = Budgets(*(budget._replace(burst=10**9, share=1.0) for budget in Budgets()))
"""Keeps only the limits."""


def share_of(left: float, share: float) -> int:
    """Returns how many names one load gets: at least one, where a whole one is left."""
    return max(1, int(left * share)) if left >= 1 else 0
