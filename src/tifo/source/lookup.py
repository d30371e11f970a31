"""What a webhook lacks, asked of LiveLike's API."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import msgspec
from yarl import URL

from tifo.kernel.clock import to_iso
from tifo.kernel.errors import NotFound, Transient
from tifo.kernel.ids import QuestId
from tifo.source.answers import BACKOFF
from tifo.source.webhooks_in import (
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

DEFINITIONS_FRESH_S = 300.0
"""Names and targets of quests, names of items: read again after this time."""
NOBODY_FRESH_S = 60.0
"""That a profile has no custom id: it may be given one. One that it has stays for ever."""
TIMEOUT_S = 10.0

_CACHED = 100_000
_ANSWER_BYTES = 4 << 20
_AROUND = timedelta(hours=1)
"""A transaction is looked for so long before and after its webhook."""
_PAGES = 20

T = TypeVar("T")


class LiveLikeApi:
    """One source's look-ups, with a producer's token. Used on one event loop.

    Raises `NotFound` for what LiveLike does not know, `Transient` for all else that goes wrong. While the API does not
    answer, nothing is asked of it until a pause is over: the pause grows with each failure.
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
        self._session = session
        self._base = base.rstrip("/") + "/"
        self._token = token
        self._monotonic = monotonic
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._custom_ids: _Cache[str | None] = _Cache(monotonic)
        self._quests: _Cache[FoundQuest] = _Cache(monotonic)
        self._items: _Cache[str] = _Cache(monotonic)
        self._failures = 0
        self._down_until = float("-inf")
        self._trouble = ""

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
        profile = await self._get(f"profiles/{quote(profile_id, safe='')}/")
        custom_id = _text_or_none(profile, "custom_id")
        self._custom_ids.put(profile_id, custom_id, float("inf") if custom_id else NOBODY_FRESH_S)
        return custom_id

    async def _quest_with(self, quest_id: str, task_id: str) -> FoundQuest:
        """A task that the quest as it is known does not have may be a new one."""
        quest = await self._quest(quest_id)
        return quest if task_id in quest.tasks else await self._quest(quest_id, anew=True)

    async def _quest(self, quest_id: str, *, anew: bool = False) -> FoundQuest:
        if not anew and (known := self._quests.get(quest_id)) is not None:
            return known[0]
        quest = _read_quest(await self._get(f"quests/{quote(quest_id, safe='')}/"))
        self._quests.put(quest_id, quest, DEFINITIONS_FRESH_S)
        return quest

    async def _item(self, reward_item_id: str) -> str:
        if (known := self._items.get(reward_item_id)) is not None:
            return known[0]
        name = _text(await self._get(f"reward-items/{quote(reward_item_id, safe='')}/"), "name")
        self._items.put(reward_item_id, name, DEFINITIONS_FRESH_S)
        return name

    async def _progress(self, data: ProgressData) -> Decimal:
        """As the webhook tells it, or else as it is now: with a later step already in it where one came since."""
        told = data.progress if data.progress is not None else data.custom_progress
        if told is not None:
            return told
        user_quest = await self._user_quest(data.profile_id, data.user_quest_id)
        for task in _list(user_quest, "user_quest_tasks"):
            if task.get("id") == data.user_quest_task_id:
                return _decimal(task, "progress")
        raise NotFound(f"LiveLike's user quest {data.user_quest_id} has no task {data.user_quest_task_id}.")

    async def _quest_of(self, data: QuestPaidData, at: datetime) -> FoundQuest | None:
        """The quest that a payment was for, by way of the transaction; None where LiveLike does not tell."""
        query = {
            "profile_id": data.profile_id,
            "reward_item_id": data.reward_item_id,
            "created_since": to_iso(at - _AROUND),
            "created_until": to_iso(at + _AROUND),
        }
        path = "reward-transactions/?" + urlencode(query)
        for _ in range(_PAGES):
            page = await self._get(path)
            for transaction in _list(page, "results"):
                if transaction.get("id") == data.reward_transaction_id:
                    user_quest_id = _text_or_none(transaction, "user_quest_id")
                    return await self._quest_run(data.profile_id, user_quest_id) if user_quest_id else None
            following = _text_or_none(page, "next")
            if following is None:
                return None
            path = "reward-transactions/?" + urlsplit(following).query
        return None

    async def _quest_run(self, profile_id: str, user_quest_id: str) -> FoundQuest:
        return await self._quest(_text(await self._user_quest(profile_id, user_quest_id), "quest_id"))

    async def _user_quest(self, profile_id: str, user_quest_id: str) -> Mapping[str, Any]:
        query = urlencode({"profile_id": profile_id, "id": user_quest_id})
        page = await self._get(f"user-quests/?{query}")
        for user_quest in _list(page, "results"):
            if user_quest.get("id") == user_quest_id:
                return user_quest
        raise NotFound(f"LiveLike's profile {profile_id} has no user quest {user_quest_id}.")

    async def _get(self, path: str) -> Mapping[str, Any]:
        if (left_s := self._down_until - self._monotonic()) > 0:
            raise Transient(self._trouble, retry_after_s=left_s)
        try:
            status, body = await self._ask(path)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            raise self._failed(f"{type(error).__name__} {error}".strip()) from error
        if status == 404:  # noqa: PLR2004 (HTTP's own)
            raise NotFound(f"LiveLike's API does not know {path}.")
        if status != 200:  # noqa: PLR2004 (likewise)
            raise self._failed(f"{status} for {path}" + (": check the token" if status in {401, 403} else ""))
        try:
            answer = msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError) as error:
            raise self._failed(f"no JSON object for {path}") from error
        self._failures = 0
        return answer

    async def _ask(self, path: str) -> tuple[int, bytes]:
        url = URL(self._base + path, encoded=True)
        headers = {"Authorization": f"Bearer {self._token}", "Accept-Encoding": "identity"}
        async with self._session.get(url, headers=headers, timeout=self._timeout) as response:
            body = b""
            async for piece in response.content.iter_any():
                body += piece
                if len(body) > _ANSWER_BYTES:
                    raise ValueError(f"more than {_ANSWER_BYTES:,} bytes")
            return response.status, body

    def _failed(self, what: str) -> Transient:
        """Of requests that fail together, the first lengthens the pause."""
        if self._monotonic() >= self._down_until:
            self._failures += 1
            self._down_until = self._monotonic() + BACKOFF.pause_s(self._failures, 1.0)
        self._trouble = f"LiveLike's API at {self._base} fails: {what}".replace(self._token, "[token]")
        return Transient(self._trouble, retry_after_s=max(0.0, self._down_until - self._monotonic()))


class _Cache(Generic[T]):
    """The entries made last, each until its time."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._entries: OrderedDict[str, tuple[T, float]] = OrderedDict()

    def get(self, key: str) -> tuple[T] | None:
        entry = self._entries.get(key)
        return (entry[0],) if entry is not None and self._monotonic() < entry[1] else None

    def put(self, key: str, value: T, fresh_s: float) -> None:
        self._entries.pop(key, None)
        self._entries[key] = (value, self._monotonic() + fresh_s)
        if len(self._entries) > _CACHED:
            self._entries.popitem(last=False)


def _read_quest(quest: Mapping[str, Any]) -> FoundQuest:
    tasks = {
        _text(task, "id"): FoundTask(_text(task, "name"), _decimal(task, "target_value"))
        for task in _list(quest, "quest_tasks")
    }
    return FoundQuest(QuestId(_text(quest, "id")), _text(quest, "name"), tasks)


def _text(resource: Mapping[str, Any], field: str) -> str:
    value = _text_or_none(resource, field)
    if value is None:
        raise NotFound(f"LiveLike's API answered without {field}.")
    return value


def _text_or_none(resource: Mapping[str, Any], field: str) -> str | None:
    value = resource.get(field)
    return value if isinstance(value, str) and value else None


def _decimal(resource: Mapping[str, Any], field: str) -> Decimal:
    value = resource.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise NotFound(f"LiveLike's API answered without {field}.")
    try:
        return Decimal(str(value)).normalize() + 0
    except ArithmeticError as error:
        raise NotFound(f"LiveLike's API answered with {field} {value!r:.40}, which is no number.") from error


def _list(resource: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    value = resource.get(field)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
