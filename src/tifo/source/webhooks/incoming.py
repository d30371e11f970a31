"""Reads LiveLike's webhooks: checks the signature, decodes the data, and makes the fact that they report. Pure.

Data that a webhook lacks come from LiveLike's API (see lookup.py) as a `LookedUp`.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from tifo.engagement.facts import (
    AnyFact,
    BadgeRewarded,
    QuestRewardAwarded,
    QuestTaskCompleted,
    RewardItemRewarded,
    UserQuestCompleted,
    UserQuestTaskProgressed,
)
from tifo.engagement.values import decimal_text
from tifo.kernel.clock import from_iso
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import (
    BadgeId,
    ClientId,
    EarnedBadgeId,
    FactId,
    ProfileId,
    QuestId,
    QuestTaskId,
    RewardItemId,
    TransactionId,
    UserQuestId,
    UserQuestTaskId,
)
from tifo.tracking.limits import MAX_MESSAGE_ID

SIGNATURE_HEADER = "X-Webhook-Signature"


class SignedForm(StrEnum):
    """Names the text that LiveLike computes a webhook's signature over."""

    BYTES = "bytes"
    """The bytes that it sends."""
    COMPACT = "compact"
    """The same JSON written compactly, whatever spaces are sent, as in LiveLike's recipes for receivers."""


class _Data(msgspec.Struct, frozen=True, kw_only=True):
    client_id: ClientId
    profile_id: ProfileId
    profile_custom_id: str | msgspec.UnsetType | None = msgspec.UNSET
    """Unset where the webhook does not say; None where it says that the profile has none."""


class BadgeData(_Data, frozen=True, kw_only=True):
    badge_id: BadgeId
    earned_badge_id: EarnedBadgeId
    badge_title: str
    description: str | None = None
    image_url: str | None = None
    reward_item_id: RewardItemId | None = None
    reward_item_name: str | None = None
    reward_item_threshold: int | None = None


class TaskData(_Data, frozen=True, kw_only=True):
    """Describes a completed task."""

    quest_id: QuestId
    quest_task_id: QuestTaskId
    user_quest_id: UserQuestId
    user_quest_task_id: UserQuestTaskId


class ProgressData(TaskData, frozen=True, kw_only=True):
    custom_progress: Decimal | None = None
    """The progress that was set; None where it was incremented instead."""
    progress: Decimal | None = None
    """The progress after this step. LiveLike does not send it; Tifo's own webhooks do."""


class QuestData(_Data, frozen=True, kw_only=True):
    quest_id: QuestId
    user_quest_id: UserQuestId


class PaidData(_Data, frozen=True, kw_only=True):
    """Describes a payment by a reward table."""

    reward_transaction_id: TransactionId
    reward_item_id: RewardItemId
    reward_item_amount: int
    reward_item_balance: int
    reward_item_name: str | None = None


class QuestPaidData(PaidData, frozen=True, kw_only=True):
    pass


AnyData = BadgeData | TaskData | ProgressData | QuestData | PaidData | QuestPaidData

DATA: Mapping[str, type[AnyData]] = MappingProxyType(
    {
        "badge-awarded": BadgeData,
        "user-quest-task-progressed": ProgressData,
        "user-quest-task-completed": TaskData,
        "user-quest-completed": QuestData,
        # LiveLike names this webhook in two ways: the heading of its page says the first, payload and field table the
        # second.
        "user-quest-reward-awarded": QuestPaidData,
        "user-reward-awarded": QuestPaidData,
        "reward-table-rewards-awarded": PaidData,
    }
)
"""The data's type by event."""


class LiveLikeWebhook(NamedTuple):
    id: str
    event: str
    created_at: datetime
    data: AnyData

    @property
    def lacks_nothing(self) -> bool:
        """Says whether the webhook becomes a fact without a look-up at LiveLike's API."""
        data = self.data
        # LiveLike names neither quests nor tasks in their webhooks, and no custom id: most webhooks need a look-up.
        named = isinstance(data, BadgeData) and (data.reward_item_id is None or bool(data.reward_item_name))
        paid = isinstance(data, PaidData) and not isinstance(data, QuestPaidData) and bool(data.reward_item_name)
        return data.profile_custom_id is not msgspec.UNSET and (named or paid)


# Little is required at the door: a webhook of an event that is new to us must be accepted, or LiveLike sends it again.
class Head(msgspec.Struct, frozen=True):
    """Reads the fields without which no webhook is accepted."""

    id: str
    event: str


class _Envelope(msgspec.Struct, frozen=True):
    id: str
    event: str
    created_at: str
    data: msgspec.Raw


class FoundTask(NamedTuple):
    name: str
    target_value: Decimal


class FoundQuest(NamedTuple):
    id: QuestId
    name: str
    tasks: Mapping[str, FoundTask]


class LookedUp(NamedTuple):
    """Holds the API's answers; None for what was not looked up."""

    custom_id: str | None = None
    quest: FoundQuest | None = None
    progress: Decimal | None = None
    reward_item_name: str | None = None


def signature(client_secret: str, body: bytes) -> str:
    """Signs as LiveLike does: base64(HMAC-SHA1(client secret, body))."""
    return base64.b64encode(hmac.new(client_secret.encode(), body, hashlib.sha1).digest()).decode()


def is_signed(body: bytes, sent: str, client_secret: str, form: SignedForm = SignedForm.BYTES) -> bool:
    """Says whether `sent` is the body's signature in this form."""
    # In constant time, or the time of a refusal would show how much of a guessed signature fits.
    if form is SignedForm.BYTES:
        return _is_equal(signature(client_secret, body), sent)
    # Python's json escapes what is not ASCII and JavaScript's does not: LiveLike publishes a recipe for each.
    known = [signature(client_secret, compact) for compact in _compact_forms(body)]
    return any([_is_equal(each, sent) for each in known])  # noqa: C419 (all are compared, whichever fits)


def read_head(body: bytes) -> Head:
    """Raises `Rejected` for a body that is no webhook at all, so that its sender gets an error."""
    try:
        head = msgspec.json.decode(body, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(f"The body is no webhook: {error}. Send JSON with id, event, created_at and data.") from error
    # The id becomes the messageId, whose limit is Segment's.
    if not 0 < len(head.id) <= MAX_MESSAGE_ID:
        raise Rejected(f"id has {len(head.id)} characters. Send 1 to {MAX_MESSAGE_ID}.", field="id")
    return head


def read_webhook(body: bytes) -> LiveLikeWebhook:
    """Decodes a webhook whose event is in `DATA`. Raises `Rejected` naming the field that is missing or wrong."""
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
        raw = msgspec.json.decode(envelope.data)
        # Not strict: LiveLike writes some numbers as text.
        data: AnyData = msgspec.convert(raw, DATA[envelope.event], strict=False)
        created_at = from_iso(envelope.created_at)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Rejected(f"The webhook does not hold what LiveLike documents: {error}.") from error
    return LiveLikeWebhook(envelope.id, envelope.event, created_at, data)


def fact_of(webhook: LiveLikeWebhook, found: LookedUp) -> AnyFact:
    """Makes the fact. Raises `Rejected` where LiveLike's API does not know the quest's task."""
    data = webhook.data
    who: dict[str, Any] = {
        # The fact's id is the event's messageId: LiveLike delivers at least once, and a copy is dropped as a duplicate.
        "id": FactId(webhook.id),
        "client_id": data.client_id,
        "profile_id": data.profile_id,
        "custom_id": found.custom_id if data.profile_custom_id is msgspec.UNSET else data.profile_custom_id or None,
        "happened_at": webhook.created_at,
    }
    match data:
        case BadgeData():
            return _badge_rewarded(who, data, found)
        case ProgressData() | TaskData():
            return _task_fact(who, data, found)
        case QuestData():
            quest = _known(found.quest, f"quest {data.quest_id}")
            return UserQuestCompleted(
                **who, quest_id=data.quest_id, quest_name=quest.name, user_quest_id=data.user_quest_id
            )
        case QuestPaidData():
            return QuestRewardAwarded(
                **who,
                **_payment(data, found),
                quest_id=found.quest.id if found.quest else None,
                quest_name=found.quest.name if found.quest else None,
            )
        case PaidData():
            return RewardItemRewarded(**who, **_payment(data, found))


def _badge_rewarded(who: dict[str, Any], data: BadgeData, found: LookedUp) -> BadgeRewarded:
    return BadgeRewarded(
        **who,
        badge_id=data.badge_id,
        badge_title=data.badge_title,
        description=data.description,
        earned_badge_id=data.earned_badge_id,
        image_url=data.image_url,
        reward_item_id=data.reward_item_id,
        reward_item_name=data.reward_item_name or found.reward_item_name,
        reward_item_threshold=data.reward_item_threshold,
    )


def _task_fact(who: dict[str, Any], data: TaskData, found: LookedUp) -> AnyFact:
    quest = _known(found.quest, f"quest {data.quest_id}")
    task = _known(quest.tasks.get(data.quest_task_id), f"task {data.quest_task_id} of quest {quest.id}")
    common: dict[str, Any] = {
        **who,
        "quest_id": data.quest_id,
        "quest_name": quest.name,
        "quest_task_id": data.quest_task_id,
        "quest_task_name": task.name,
        "user_quest_id": data.user_quest_id,
        "user_quest_task_id": data.user_quest_task_id,
    }
    if not isinstance(data, ProgressData):
        return QuestTaskCompleted(**common)
    return UserQuestTaskProgressed(
        **common,
        quest_task_target_value=decimal_text(task.target_value),
        user_quest_task_progress=decimal_text(
            _known(found.progress, f"progress of user quest task {data.user_quest_task_id}")
        ),
    )


def _payment(data: PaidData, found: LookedUp) -> dict[str, Any]:
    return {
        "reward_item_id": data.reward_item_id,
        "reward_item_name": _known(data.reward_item_name or found.reward_item_name, f"item {data.reward_item_id}"),
        "reward_item_amount": data.reward_item_amount,
        "reward_item_balance": data.reward_item_balance,
        "reward_item_transaction_id": data.reward_transaction_id,
    }


def _known(value: Any, what: str) -> Any:
    if value is None:
        raise Rejected(f"LiveLike's API does not know the {what}.")
    return value


def _is_equal(one: str, other: str) -> bool:
    # As bytes: compare_digest refuses texts that are not ASCII, and a header may hold any.
    return hmac.compare_digest(one.encode(), other.encode())


def _compact_forms(body: bytes) -> list[bytes]:
    try:
        value = json.loads(body)
        return [
            json.dumps(value, separators=(",", ":"), ensure_ascii=escaped).encode(errors="surrogatepass")
            for escaped in (True, False)
        ]
    except (ValueError, RecursionError):
        return []
