"""Looks up the data that a webhook lacks at LiveLike's API."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import msgspec

from tifo.kernel.clock import to_iso
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import QuestId
from tifo.source.webhooks.incoming import (
    BadgeData,
    FoundQuest,
    FoundTask,
    LiveLikeWebhook,
    LookedUp,
    PaidData,
    ProgressData,
    QuestData,
    QuestPaidData,
    TaskData,
)
from tifo.source.webhooks.livelike_client import TIMEOUT_S, LiveLikeClient, number, objects, text, text_or_none

DEFINITIONS_FRESH_S = 300.0
"""Time for which quests and the names of reward items are cached."""
NOBODY_FRESH_S = 60.0
"""Time for which it is cached that a profile has no custom id."""

_CACHED = 100_000
"""Limit of entries in each cache."""
_AROUND = timedelta(hours=1)
"""A transaction is searched for this long before and after its webhook."""
_PAGES = 20
"""Limit of pages that one search reads."""

T = TypeVar("T")


class LiveLikeApi:
    """Looks up for one source, with a producer's token. Used on one event loop.

    Raises `NotFound` for what LiveLike does not know, `Transient` for all else that goes wrong.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base: str,
        token: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._client = LiveLikeClient(session, base, token, monotonic=monotonic, timeout_s=timeout_s)
        self._custom_ids: _Cache[str | None] = _Cache(monotonic)
        self._quests: _Cache[FoundQuest] = _Cache(monotonic)
        self._items: _Cache[str] = _Cache(monotonic)

    async def find(self, webhook: LiveLikeWebhook) -> LookedUp:
        data = webhook.data
        found = LookedUp()
        if data.profile_custom_id is msgspec.UNSET:
            found = found._replace(custom_id=await self._custom_id(data.profile_id))
        match data:
            case TaskData():
                found = found._replace(quest=await self._quest_with(data.quest_id, data.quest_task_id))
                if isinstance(data, ProgressData):
                    found = found._replace(progress=await self._progress(data))
            case QuestData():
                found = found._replace(quest=await self._quest(data.quest_id))
            case PaidData():
                if not data.reward_item_name:
                    found = found._replace(reward_item_name=await self._item(data.reward_item_id))
                if isinstance(data, QuestPaidData):
                    found = found._replace(quest=await self._quest_of(data, webhook.created_at))
            case BadgeData(reward_item_id=str(item_id)) if not data.reward_item_name:
                found = found._replace(reward_item_name=await self._item(item_id))
        return found

    async def _custom_id(self, profile_id: str) -> str | None:
        if (known := self._custom_ids.get(profile_id)) is not None:
            return known[0]
        profile = await self._client.get(f"profiles/{quote(profile_id, safe='')}/")
        custom_id = text_or_none(profile, "custom_id")
        # A profile may get a custom id later; LiveLike never changes one.
        self._custom_ids.put(profile_id, custom_id, float("inf") if custom_id else NOBODY_FRESH_S)
        return custom_id

    async def _quest_with(self, quest_id: str, task_id: str) -> FoundQuest:
        """Returns a quest that has the task, where LiveLike knows such a task."""
        # The task may be newer than the cached quest.
        quest = await self._quest(quest_id)
        return quest if task_id in quest.tasks else await self._quest(quest_id, anew=True)

    async def _quest(self, quest_id: str, *, anew: bool = False) -> FoundQuest:
        if not anew and (known := self._quests.get(quest_id)) is not None:
            return known[0]
        quest = _read_quest(await self._client.get(f"quests/{quote(quest_id, safe='')}/"))
        self._quests.put(quest_id, quest, DEFINITIONS_FRESH_S)
        return quest

    async def _item(self, reward_item_id: str) -> str:
        if (known := self._items.get(reward_item_id)) is not None:
            return known[0]
        name = text(await self._client.get(f"reward-items/{quote(reward_item_id, safe='')}/"), "name")
        self._items.put(reward_item_id, name, DEFINITIONS_FRESH_S)
        return name

    async def _progress(self, data: ProgressData) -> Decimal:
        """Returns the webhook's progress, or else the current one."""
        # LiveLike's webhook holds no progress of a step that incremented it. The current one already holds any later
        # step.
        reported = data.progress if data.progress is not None else data.custom_progress
        if reported is not None:
            return reported
        user_quest = await self._user_quest(data.profile_id, data.user_quest_id)
        for task in objects(user_quest, "user_quest_tasks"):
            if task.get("id") == data.user_quest_task_id:
                return number(task, "progress")
        raise NotFound(f"LiveLike's user quest {data.user_quest_id} has no task {data.user_quest_task_id}.")

    async def _quest_of(self, data: QuestPaidData, at: datetime) -> FoundQuest | None:
        """Finds the quest that a payment was for by its transaction; None where LiveLike does not say."""
        # LiveLike's webhook of a payment names no quest; the ledger's transaction does.
        query = {
            "profile_id": data.profile_id,
            "reward_item_id": data.reward_item_id,
            "created_since": to_iso(at - _AROUND),
            "created_until": to_iso(at + _AROUND),
        }
        path = "reward-transactions/?" + urlencode(query)
        for _ in range(_PAGES):
            page = await self._client.get(path)
            # LiveLike filters by profile, item and time, not by the transaction's id.
            for transaction in objects(page, "results"):
                if transaction.get("id") == data.reward_transaction_id:
                    user_quest_id = text_or_none(transaction, "user_quest_id")
                    return await self._quest_run(data.profile_id, user_quest_id) if user_quest_id else None
            following = text_or_none(page, "next")
            if following is None:
                return None
            # Only the query of `next`: a link to another host must not get the token.
            path = "reward-transactions/?" + urlsplit(following).query
        return None

    async def _quest_run(self, profile_id: str, user_quest_id: str) -> FoundQuest:
        return await self._quest(text(await self._user_quest(profile_id, user_quest_id), "quest_id"))

    async def _user_quest(self, profile_id: str, user_quest_id: str) -> Mapping[str, Any]:
        query = urlencode({"profile_id": profile_id, "id": user_quest_id})
        page = await self._client.get(f"user-quests/?{query}")
        for user_quest in objects(page, "results"):
            if user_quest.get("id") == user_quest_id:
                return user_quest
        raise NotFound(f"LiveLike's profile {profile_id} has no user quest {user_quest_id}.")


class _Cache(Generic[T]):
    """Holds the newest entries, each until its time is over."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._entries: OrderedDict[str, tuple[T, float]] = OrderedDict()

    def get(self, key: str) -> tuple[T] | None:
        entry = self._entries.get(key)
        return (entry[0],) if entry is not None and self._monotonic() < entry[1] else None

    def put(self, key: str, value: T, fresh_s: float) -> None:
        # A dictionary keeps a key's first place: without the removal a renewed entry would be dropped as an old one.
        self._entries.pop(key, None)
        self._entries[key] = (value, self._monotonic() + fresh_s)
        # One source may have millions of fans.
        if len(self._entries) > _CACHED:
            self._entries.popitem(last=False)


def _read_quest(quest: Mapping[str, Any]) -> FoundQuest:
    tasks = {
        text(task, "id"): FoundTask(text(task, "name"), number(task, "target_value"))
        for task in objects(quest, "quest_tasks")
    }
    return FoundQuest(QuestId(text(quest, "id")), text(quest, "name"), tasks)
