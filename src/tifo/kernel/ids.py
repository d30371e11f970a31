"""Ids: one `NewType` for each kind, so that two kinds never mix.

Every id that Tifo makes is a UUID version 7 in its 36-character text form: sorted by time of making,
which keeps index inserts local and lets a column store prune by id.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import NewType

ClientId = NewType("ClientId", str)
"""An application, in LiveLike's term."""
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
"""Also the `messageId` of the track message that the fact becomes."""
SourceId = NewType("SourceId", str)
WarehouseId = NewType("WarehouseId", str)
MessageId = NewType("MessageId", str)
Position = NewType("Position", int)
"""A place in the event log: the first event has position 1; 0 stands before everything."""

NewId = Callable[[], str]
"""Where rules get new ids from; tests hand in a counter."""

_lock = threading.Lock()
_last = 0


def uuid7() -> str:
    """A UUIDv7 (RFC 9562), later in text order than every one this process made before."""
    global _last  # noqa: PLW0603 (the monotonic counter of RFC 9562, section 6.2)
    now = (time.time_ns() // 1_000_000 << 74) | (int.from_bytes(os.urandom(9)) << 2)
    with _lock:
        _last = now = max(now, _last + (1 << 20))
    stamp, rest = now >> 74, now & ((1 << 74) - 1)
    value = stamp << 80 | 0x7 << 76 | (rest >> 62) << 64 | 0b10 << 62 | rest & ((1 << 62) - 1)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
