"""Makes ids, and declares one `NewType` for each kind of id, so that two kinds never mix.

Every id that Tifo makes is a UUID version 7 in its 36-character text form. It sorts by the time it was made, which
keeps index inserts local and lets a column store prune by id.
"""

import os
import struct
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, NewType

ClientId = NewType("ClientId", str)
"""An application's id, in LiveLike's term."""
ProgramId = NewType("ProgramId", str)
ProfileId = NewType("ProfileId", str)
RewardItemId = NewType("RewardItemId", str)
RewardActionId = NewType("RewardActionId", str)
RewardTableId = NewType("RewardTableId", str)
RewardTableEntryId = NewType("RewardTableEntryId", str)
InvokedActionId = NewType("InvokedActionId", str)
TransactionId = NewType("TransactionId", str)
BadgeId = NewType("BadgeId", str)
EarnedBadgeId = NewType("EarnedBadgeId", str)
LeaderboardId = NewType("LeaderboardId", str)
QuestId = NewType("QuestId", str)
QuestTaskId = NewType("QuestTaskId", str)
QuestRewardId = NewType("QuestRewardId", str)
UserQuestId = NewType("UserQuestId", str)
UserQuestTaskId = NewType("UserQuestTaskId", str)
FactId = NewType("FactId", str)
"""A fact's id, and the `messageId` of the track message that the fact becomes."""
SourceId = NewType("SourceId", str)
WarehouseId = NewType("WarehouseId", str)
DestinationId = NewType("DestinationId", str)
TrackingPlanId = NewType("TrackingPlanId", str)
MessageId = NewType("MessageId", str)
Shard = NewType("Shard", str)
"""The id of one event log, or of a part of it that has an order of its own. It is random, so a log that takes another
one's place has another id.
"""
Position = NewType("Position", int)
"""A place in one shard of the event log. Positions are ordered and opaque: a later event has a greater one, and there
may be gaps between neighbours. It means something only together with its `Shard`.
"""
START = Position(0)
"""The position that stands before every event of any shard."""
NO_SHARD = Shard("")
"""The shard of positions that a version of Tifo stored which did not name any, and of a log that is not made yet."""


class LogPosition(NamedTuple):
    """Names a place in one shard."""

    shard: Shard
    position: Position


BEFORE_EVERY_LOG = LogPosition(NO_SHARD, START)
"""The end of a log that is not made yet."""

NewId = Callable[[], str]
"""Makes new ids for rules. Tests pass a counter."""

_AT_ONCE = 512
"""Random numbers that are fetched together: a system call for each would take longer than the rest of an id."""
_CLOSE = (1 << 20) - 1

_lock = threading.Lock()
_last = (0, 0)
_random: list[int] = []


def uuid7() -> str:
    """Makes a UUIDv7 (RFC 9562), later in text order than every one that this process made before.

    Behind the milliseconds stand twelve more bits of the time, then 62 random ones (section 6.2, method 3).
    """
    global _last  # noqa: PLW0603 (the monotonic counter of RFC 9562, section 6.2)
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    high = milliseconds << 12 | (rest << 12) // 1_000_000
    # The engine's thread and the event loop both make ids.
    with _lock:
        if not _random:
            _random.extend(struct.unpack(f"{_AT_ONCE}Q", os.urandom(8 * _AT_ONCE)))
        # The upper two of 64 bits are the variant (RFC 9562).
        low = _random.pop() >> 2
        if high <= _last[0]:  # in the same quarter of a microsecond, or the clock was set back
            # A random step: an id does not give away the next one.
            high, low = _last[0], _last[1] + 1 + (low & _CLOSE)
        _last = (high, low)
    parts = (high >> 28, high >> 12 & 0xFFFF, high & 0xFFF, low >> 48 | 0x8000, low & 0xFFFFFFFFFFFF)
    return "%08x-%04x-7%03x-%04x-%012x" % parts  # noqa: UP031 (quicker than format and f-string)
