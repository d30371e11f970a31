"""Limits how often an entry of a reward table pays one fan, by the clock and by the calendar. Our rules."""
# LiveLike: `rate_limit` is a cooldown, the minimum time between two payments; `reward_limit` counts the payments of a
# calendar day or month. Tifo reads both as counts in a window, on LiveLike's field names (docs/rules.md).

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from tifo.engagement.model import Payments, RewardLimit, RewardTableEntry

_UNIT_S = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}


def counted(entry: RewardTableEntry, payments: Payments, now: datetime) -> Payments | None:
    """Returns the counts after one more payment; None if a limit does not allow it."""
    # Windows are aligned to the clock or calendar: so a limit needs one count, and no list of payments.
    if entry.rate_limit is not None:
        window = int(now.timestamp()) // _UNIT_S[entry.rate_limit.unit]
        count = payments.rate_count + 1 if payments.rate_window == window else 1
        if count > entry.rate_limit.frequency:
            return None
        payments = replace(payments, rate_window=window, rate_count=count)
    # LiveLike: where an entry has both limits, both must allow it. What this one refuses, the first has not counted.
    if entry.reward_limit is not None:
        window = calendar_window(entry.reward_limit, now)
        count = payments.limit_count + 1 if payments.limit_window == window else 1
        if count > entry.reward_limit.action_limit_count:
            return None
        payments = replace(payments, limit_window=window, limit_count=count)
    return payments


def calendar_window(limit: RewardLimit, now: datetime) -> int:
    """Numbers the day, week or month of `now` in the limit's time zone; always 0 for `all_time`."""
    day = now.astimezone(_zone(limit.timezone)).date()
    match limit.duration:
        case "day":
            return day.toordinal()
        case "week":
            return day.toordinal() - day.weekday()
        case "month":
            return day.year * 12 + day.month
        case "all_time":
            return 0


# ZoneInfo itself remembers only the few zones that were used last, and reads a file for any other.
_zone = lru_cache(maxsize=256)(ZoneInfo)
