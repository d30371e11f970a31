"""What the routes answer, for the API's document: JSON Schemas of the shapes in `resources.py`, and who may ask.

Every property that is named here is always there; answers may hold more.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Schema = dict[str, Any]
Who = Sequence[Mapping[str, list[str]]]
ANYONE: Who = [{}]
PRODUCER: Who = [{"producer": []}]
FAN: Who = [{"fan": []}, *PRODUCER]
ORGANISATION: Who = [{"organisation": []}]
"""Security requirements: any one of them suffices."""

ID: Schema = {"type": "string", "examples": ["01976a4e-7c2b-7e3a-9d51-0a6f3f1f5b11"]}
STR: Schema = {"type": "string"}
INT: Schema = {"type": "integer"}
NUM: Schema = {"type": "number"}
BOOL: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time", "examples": ["2026-11-24T18:00:00.000Z"]}
URL: Schema = {"type": "string", "examples": ["https://fans.example.com/api/v1/…"]}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def array(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(*values: str) -> Schema:
    return {"type": "string", "enum": [*values]}


def thing(**properties: Schema) -> Schema:
    return {"type": "object", "required": [*properties], "properties": properties}


def listed(of: Schema) -> Schema:
    return thing(count=INT, next=maybe(URL), previous=maybe(URL), results=array(of))


_ATTRIBUTES = array(ref("Attribute"))
_EARNED = {"earned_badge_url": URL, "awarded_at": TIME}
_LEDGER = {"new_balance": INT, "created_at": TIME, "reason": maybe(STR), "description": maybe(STR)}

_STANDING = {"percentile_rank": STR, "rank": INT, "score": NUM}

SHAPES: Mapping[str, Schema] = {
    "Attribute": thing(key=STR, value=STR),
    "Detail": thing(detail=STR),
    "Error": {
        "description": "`detail`, or for each field at fault what is wrong with it.",
        "anyOf": [
            ref("Detail"),
            {"type": "object", "minProperties": 1, "additionalProperties": array(STR)},
        ],
        "examples": [{"reward_item_amount": ["Must be 1 or more."]}, {"detail": "There is no such quest."}],
    },
    "Application": thing(
        url=URL,
        name=STR,
        client_id=ID,
        default_program_id=ID,
        automatic_quest_processing=BOOL,
        auto_claim_quest_rewards=BOOL,
        profile_url=URL,
        profile_detail_url_template=URL,
        reward_items_url=URL,
        quests_url=URL,
        badges_url=URL,
    ),
    "NewApplication": {
        "description": "The only answer with its secret and its first token.",
        "allOf": [ref("Application"), thing(client_secret=STR, producer_token=STR)],
    },
    "ClientSecret": thing(client_id=ID, client_secret=STR),
    "Token": thing(id=ID, name=STR, created_at=TIME),
    "NewToken": {"description": "The only answer with the token.", "allOf": [ref("Token"), thing(token=STR)]},
    "Program": thing(id=ID, url=URL, client_id=ID, name=STR, created_at=TIME, is_default=BOOL),
    "Profile": thing(
        id=ID,
        url=URL,
        client_id=ID,
        custom_id=maybe(STR),
        created_at=TIME,
        nickname=STR,
        custom_data=maybe(STR),
        attributes=_ATTRIBUTES,
        badges_url=URL,
        badge_progress_url=URL,
        reward_item_balances_url=URL,
        reward_item_transfer_url=URL,
    ),
    "NewProfile": {
        "description": "The only answer with the fan's token.",
        "allOf": [ref("Profile"), thing(access_token=STR)],
    },
    "RewardItem": thing(id=ID, url=URL, client_id=ID, name=STR, created_at=TIME, attributes=_ATTRIBUTES),
    "RewardAction": thing(id=ID, url=URL, client_id=ID, key=STR, name=STR, description=maybe(STR), type=STR),
    "RewardTableEntry": thing(
        id=ID, reward_item=ref("RewardItem"), reward_item_id=ID, action=STR, action_display=STR, reward_item_amount=INT
    ),
    "RewardTable": thing(
        id=ID, url=URL, client_id=ID, name=STR, program_ids=array(ID), entries=array(ref("RewardTableEntry"))
    ),
    "Badge": thing(
        id=ID,
        url=URL,
        client_id=ID,
        name=STR,
        description=maybe(STR),
        badge_icon_url=maybe(URL),
        file=maybe(URL),
        reward_item_id=maybe(ID),
        reward_item_threshold=maybe(INT),
        attributes=_ATTRIBUTES,
    ),
    "ProfileBadge": thing(badge=ref("Badge"), earned_badge_id=ID, **_EARNED),
    "EarnedBadge": thing(id=ID, badge_id=ID, awarded_at=TIME, profile=ref("Profile"), badge=ref("Badge")),
    "BadgeProfile": thing(badge_id=ID, profile=ref("Profile"), **_EARNED),
    "BadgeProgress": thing(
        badge=ref("Badge"),
        badge_progression=array(
            thing(reward_item_id=ID, reward_item_name=STR, reward_item_threshold=INT, current_reward_amount=INT)
        ),
    ),
    "QuestTask": thing(
        id=ID, url=URL, quest_id=ID, name=STR, created_at=TIME, target_value=NUM, default_progress_increment=NUM
    ),
    "QuestReward": thing(id=ID, quest_id=ID, reward_item_id=ID, reward_item_name=STR, reward_item_amount=INT),
    "QuestRewards": thing(quest_id=ID, quest_rewards=array(ref("QuestReward"))),
    "Quest": thing(
        id=ID,
        url=URL,
        client_id=ID,
        name=STR,
        description=maybe(STR),
        created_at=TIME,
        started_at=maybe(TIME),
        stopped_at=maybe(TIME),
        timeout=maybe({"type": "string", "format": "duration"}),
        status=one_of("active", "not_started", "expired"),
        attributes=_ATTRIBUTES,
        quest_tasks=array(ref("QuestTask")),
        quest_rewards_url=URL,
    ),
    "UserQuestTask": thing(
        id=ID,
        user_quest_id=ID,
        quest_task=ref("QuestTask"),
        completed_at=maybe(TIME),
        status=one_of("completed", "incomplete"),
        progress=NUM,
    ),
    "UserQuest": thing(
        id=ID,
        url=URL,
        profile_id=ID,
        quest_id=ID,
        quest=ref("Quest"),
        created_at=TIME,
        completed_at=maybe(TIME),
        active_until=maybe(TIME),
        timer_expired=BOOL,
        status=one_of("completed", "incomplete"),
        user_quest_tasks=array(ref("UserQuestTask")),
        rewards_status=one_of("claimed", "unclaimed"),
        rewards_claimed_at=maybe(TIME),
    ),
    "TaskProgress": thing(
        id=ID, user_quest_task_id=ID, user_quest=ref("UserQuest"), user_quest_task=ref("UserQuestTask")
    ),
    "UserQuestReward": thing(
        id=ID, user_quest_id=ID, quest_reward=ref("QuestReward"), reward_status=one_of("claimed", "unclaimed")
    ),
    "Balance": thing(reward_item_id=ID, reward_item_name=STR, reward_item_balance=INT),
    "Booking": thing(**_LEDGER),
    "Transfer": thing(
        id=ID,
        created_at=TIME,
        reward_item_id=ID,
        reward_item_amount=INT,
        sender_profile_id=ID,
        recipient_profile_id=ID,
    ),
    "RewardTransaction": thing(
        id=ID,
        created_at=TIME,
        profile_id=ID,
        reward_item_id=ID,
        reward_item_name=STR,
        reward_item_amount=INT,
        reward_action_key=maybe(STR),
        source=maybe(STR),
    ),
    "Leaderboard": thing(
        id=ID,
        url=URL,
        client_id=ID,
        custom_id=maybe(STR),
        name=STR,
        reward_item=ref("RewardItem"),
        reward_item_id=ID,
        is_locked=BOOL,
        attributes=_ATTRIBUTES,
        entries_url=URL,
        entry_detail_url_template=URL,
    ),
    "LeaderboardEntry": thing(profile_id=ID, profile_nickname=STR, **_STANDING),
    "ProfileLeaderboard": thing(
        client_id=ID,
        profile_id=ID,
        profile_nickname=STR,
        entry=ref("LeaderboardEntry"),
        leaderboard=ref("Leaderboard"),
    ),
    "Batch": thing(
        request_id=STR,
        program_id=ID,
        updates=array(
            thing(
                profile_id=maybe(ID),
                reward_actions=array(thing(reward_action_key=STR, invoked_action_id=maybe(ID), reason=maybe(STR))),
            )
        ),
    ),
    "InvokedAction": thing(
        id=ID,
        created_at=TIME,
        client_id=ID,
        program_id=ID,
        profile_id=ID,
        profile_nickname=maybe(STR),
        reward_action_key=STR,
        code=maybe(STR),
        rewards=array(thing(reward_item_id=ID, reward_item_name=STR, reward_item_amount=INT)),
        attributes=_ATTRIBUTES,
    ),
}


class RouteDescription(NamedTuple):
    """What the document says of one route beyond its path and body."""

    answer: Schema | None = None
    """None: not described; any JSON."""
    who: Who = FAN
    filters: Sequence[str] = ()
    paged: bool = False
    status: int | None = None
    """Of its answer, where the handler alone does not tell."""


def _gives(name: str, who: Who = FAN, *filters: str) -> RouteDescription:
    return RouteDescription(ref(name), who, filters)


def _lists(name: str, *filters: str, who: Who = FAN) -> RouteDescription:
    return RouteDescription(listed(ref(name)), who, filters, paged=True)


_CLAIMED = thing(user_quest_id=ID, claimed_badges=array(ref("ProfileBadge")))
ROUTES: Mapping[str, RouteDescription] = {
    "discover": _gives("Application", ANYONE),
    "change_settings": _gives("Application", [*PRODUCER, *ORGANISATION]),
    "list_applications": _lists("Application", who=ORGANISATION),
    "create_application": _gives("NewApplication", ORGANISATION),
    "rotate_client_secret": _gives("ClientSecret", ORGANISATION),
    "list_tokens": _lists("Token", who=ORGANISATION),
    "create_token": _gives("NewToken", ORGANISATION),
    "revoke_token": RouteDescription(None, ORGANISATION),
    "list_programs": _lists("Program", "client_id"),
    "create_program": _gives("Program", PRODUCER),
    "get_program": _gives("Program", (*ANYONE, *FAN), "client_id"),
    "sign_up": _gives("NewProfile", (*ANYONE, {"producer": []})),
    "get_own_profile": _gives("Profile", ({"fan": []},)),
    "change_own_profile": _gives("Profile", ({"fan": []},)),
    "get_profile": _gives("Profile"),
    "change_profile": _gives("Profile"),
    "create_by_custom_id": _gives("NewProfile", PRODUCER),
    "get_by_custom_id": _gives("Profile"),
    "list_reward_items": _lists("RewardItem", "client_id", "attributes"),
    "create_reward_item": _gives("RewardItem", PRODUCER),
    "get_reward_item": _gives("RewardItem"),
    "list_reward_actions": _lists("RewardAction", "client_id"),
    "create_reward_action": _gives("RewardAction", PRODUCER),
    "get_reward_action": _gives("RewardAction"),
    "list_reward_tables": _lists("RewardTable", "client_id"),
    "create_reward_table": _gives("RewardTable", PRODUCER),
    "get_reward_table": _gives("RewardTable"),
    "link_reward_table": _gives("RewardTable", PRODUCER),
    "list_entries": _lists("RewardTableEntry"),
    "add_entry": _gives("RewardTableEntry", PRODUCER),
    "get_entry": _gives("RewardTableEntry"),
    "remove_entry": RouteDescription(None, PRODUCER),
    "create_badge": _gives("Badge", PRODUCER),
    "get_badge": _gives("Badge"),
    "list_badges": _lists("Badge"),
    "list_profile_badges": _lists("ProfileBadge"),
    "award_badge": _gives("ProfileBadge", PRODUCER),
    "list_badge_progress": RouteDescription(array(ref("BadgeProgress")), FAN, ("badge_id",)),
    "list_badge_profiles": _lists("BadgeProfile", "badge_id!"),
    "list_earned_badges": _lists("EarnedBadge", "profile_id", "badge_id"),
    "get_earned_badge": _gives("EarnedBadge"),
    "revoke_badge": RouteDescription(None, PRODUCER),
    "list_quest_badges": _lists("Badge"),
    "set_quest_badges": RouteDescription(thing(quest_id=ID, badge_ids=array(ID), badges=array(ref("Badge"))), PRODUCER),
    "claim_badges": RouteDescription(_CLAIMED, status=201),
    "claim_quest_badges": RouteDescription(_CLAIMED, status=201),
    "remove_user_quest": RouteDescription(None, PRODUCER),
    "invoke_actions": _gives("Batch", PRODUCER),
    "change_program": _gives("Program", PRODUCER),
    "change_reward_item": _gives("RewardItem", PRODUCER),
    "change_reward_action": _gives("RewardAction", PRODUCER),
    "change_reward_table": _gives("RewardTable", PRODUCER),
    "change_entry": _gives("RewardTableEntry", PRODUCER),
    "change_badge": _gives("Badge", PRODUCER),
    "change_quest": _gives("Quest", PRODUCER),
    "change_quest_task": _gives("QuestTask", PRODUCER),
    "list_linked_programs": _lists("Program"),
    "link_programs": _gives("RewardTable", PRODUCER),
    **{
        name: RouteDescription(None, PRODUCER)
        for name in (
            "archive_program",
            "archive_reward_item",
            "archive_reward_action",
            "archive_reward_table",
            "archive_badge",
            "archive_quest",
            "remove_quest_task",
            "remove_quest_reward",
            "unlink_program",
            "delete_leaderboard",
        )
    },
    "list_leaderboards": _lists("Leaderboard", "client_id"),
    "create_leaderboard": _gives("Leaderboard", PRODUCER),
    "change_leaderboard": _gives("Leaderboard", PRODUCER),
    "get_leaderboard": _gives("Leaderboard", ANYONE),
    "list_leaderboard_entries": _lists("LeaderboardEntry", "profile_id@board", who=ANYONE),
    "get_leaderboard_entry": _gives("LeaderboardEntry", ANYONE),
    "list_profile_leaderboards": _lists("ProfileLeaderboard"),
    "list_profile_leaderboard_views": _lists("ProfileLeaderboard"),
    "list_quests": _lists("Quest", "client_id", "id", "status", "attributes"),
    "create_quest": _gives("Quest", PRODUCER),
    "get_quest": _gives("Quest"),
    "list_quest_tasks": _lists("QuestTask", "client_id", "quest_id"),
    "add_quest_task": _gives("QuestTask", PRODUCER),
    "get_quest_task": _gives("QuestTask"),
    "list_quest_rewards": _lists("QuestReward", "client_id", "quest_id"),
    "add_quest_rewards": _gives("QuestRewards", PRODUCER),
    "get_quest_reward": _gives("QuestReward"),
    "list_user_quests": _lists("UserQuest", "profile_id", "status@run", "rewards_status", "id", "quest_id"),
    "start_quest": _gives("UserQuest"),
    "get_user_quest": _gives("UserQuest"),
    "change_user_quest": _gives("UserQuest"),
    "progress_task": _gives("TaskProgress"),
    "list_user_quest_rewards": _lists("UserQuestReward", "user_quest_id!", "reward_status"),
    "invoke_action": _gives("InvokedAction", PRODUCER),
    "list_invoked_actions": _lists(
        "InvokedAction",
        "client_id",
        "program_id",
        "reward_action_key",
        "profile_id",
        "attributes",
        "code",
        "since",
        "until",
        "ordering",
    ),
    "credit": _gives("Booking", PRODUCER),
    "debit": _gives("Booking", PRODUCER),
    "transfer": _gives("Transfer"),
    "list_transfers": _lists("Transfer", "transfer_type", "reward_item_id"),
    "list_balances": _lists("Balance", "reward_item_id"),
    "get_balance": _gives("Balance"),
    "list_reward_transactions": _lists(
        "RewardTransaction",
        "client_id",
        "profile_id",
        "reward_item_id",
        "reward_action_key",
        "created_since",
        "created_until",
        "widget_id",
        "widget_kind",
    ),
}
"""By the name of the route's function."""

_CLAIM = one_of("claimed", "unclaimed")
_SEVERAL = "May be repeated: rows of any of them."
FILTERS: Mapping[str, tuple[Schema, str]] = {
    "client_id": (STR, "The application; it must be the token's own."),
    "attributes": (array({"type": "string", "examples": ["match:final"]}), "`key:value`; repeated: all must be there."),
    "id": (array(STR), _SEVERAL),
    "badge_id": (array(STR), _SEVERAL),
    "badge_id!": (STR, "The badge."),
    "quest_id": (array(STR), _SEVERAL),
    "profile_id": (array(STR), _SEVERAL + " A fan's token reaches the fan's own only."),
    "profile_id@board": (array(STR), "May be repeated: these fans' entries only."),
    "program_id": (STR, "Actions in this program."),
    "reward_item_id": (array(STR), _SEVERAL),
    "reward_action_key": (array(STR), _SEVERAL),
    "code": (array(STR), _SEVERAL),
    "user_quest_id!": (array(STR), "May be repeated, 100 times at most."),
    "widget_id": (array(STR), "Accepted for LiveLike's SDK; there are no widgets here, so nothing is found."),
    "widget_kind": (array(STR), "As widget_id."),
    "status": (one_of("active", "not_started", "expired"), "By the quest's window."),
    "status@run": (one_of("completed", "incomplete"), "Of the run."),
    "rewards_status": (_CLAIM, "Whether the rewards were claimed."),
    "reward_status": (_CLAIM, "Whether the reward was claimed."),
    "transfer_type": (one_of("sent", "received"), "One side only."),
    "ordering": (one_of("created_at", "-created_at"), "The newest first unless asked otherwise."),
    "since": (TIME, "From this moment."),
    "until": (TIME, "Up to this moment."),
    "created_since": (TIME, "From this moment."),
    "created_until": (TIME, "Up to this moment."),
}
"""Query parameters: a name that ends in `!` is required; what follows an `@` tells namesakes apart."""
