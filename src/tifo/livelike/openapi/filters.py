"""Query parameters that filter lists. A tuple is a repeatable one: rows that match any of its values are listed."""

from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from tifo.livelike.resources.base import Time
from tifo.livelike.resources.quests import QuestStatus
from tifo.livelike.resources.user_quests import Claim, Completion

Repeatable = tuple[str, ...]


class QueryParameter(NamedTuple):
    name: str
    type: Any
    text: str
    required: bool = False


_ANY = "May be repeated: rows of any of them."
_ATTRIBUTE = Annotated[str, msgspec.Meta(examples=["match:final"])]

CLIENT_ID = QueryParameter("client_id", str, "The application; it must be the token's own.")
ATTRIBUTES = QueryParameter("attributes", tuple[_ATTRIBUTE, ...], "`key:value`; repeated: all must be there.")
ID = QueryParameter("id", Repeatable, _ANY)
BADGE_ID = QueryParameter("badge_id", Repeatable, _ANY)
BADGE_ID_REQUIRED = QueryParameter("badge_id", str, "The badge.", required=True)
QUEST_ID = QueryParameter("quest_id", Repeatable, _ANY)
PROFILE_ID = QueryParameter("profile_id", Repeatable, f"{_ANY} A fan's token reaches the fan's own only.")
LEADERBOARD_PROFILE_ID = QueryParameter("profile_id", Repeatable, "May be repeated: these fans' entries only.")
PROGRAM_ID = QueryParameter("program_id", str, "Actions in this program.")
REWARD_ITEM_ID = QueryParameter("reward_item_id", Repeatable, _ANY)
REWARD_ACTION_KEY = QueryParameter("reward_action_key", Repeatable, _ANY)
CODE = QueryParameter("code", Repeatable, _ANY)
USER_QUEST_ID_REQUIRED = QueryParameter(
    "user_quest_id", Repeatable, "May be repeated, at most 100 times.", required=True
)
WIDGET_ID = QueryParameter(
    "widget_id", Repeatable, "Accepted for LiveLike's SDK; Tifo has no widgets, so the list is empty."
)
WIDGET_KIND = QueryParameter("widget_kind", Repeatable, "As widget_id.")
QUEST_STATUS = QueryParameter("status", QuestStatus, "The status of the quest by its window.")
USER_QUEST_STATUS = QueryParameter("status", Completion, "The status of the user quest.")
REWARDS_STATUS = QueryParameter("rewards_status", Claim, "Whether the rewards were claimed.")
REWARD_STATUS = QueryParameter("reward_status", Claim, "Whether the reward was claimed.")
TRANSFER_TYPE = QueryParameter("transfer_type", Literal["sent", "received"], "One side only.")
ORDERING = QueryParameter("ordering", Literal["created_at", "-created_at"], "The newest first by default.")
SINCE = QueryParameter("since", Time, "From this moment.")
UNTIL = QueryParameter("until", Time, "Up to this moment.")
CREATED_SINCE = QueryParameter("created_since", Time, "From this moment.")
CREATED_UNTIL = QueryParameter("created_until", Time, "Up to this moment.")
