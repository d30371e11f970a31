"""LiveLike's own SDK (`@livelike/javascript`, as npm has it) against the real `tifo up`: in Node, and in Chromium."""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest

from tifo.app.demo.local import LocalTifo

FOLDER = Path(__file__).parent / "livelike_sdk"
COMMANDS = {"node": ["node", "drive.cjs"], "chromium": [sys.executable, "browse.py"]}
NEEDS = {"node": ("node", "npm"), "chromium": ("npm", "chromium")}
NUMBERS = itertools.count()
Call = Callable[..., Any]


class SdkError(Exception):
    """What the SDK rejected with: `status`, `message`, `errorDetail`."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(json.dumps(error))
        self.status = error.get("status")
        self.detail = error.get("errorDetail")


class Player:
    """A process that runs the SDK."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command, cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def ask(self, **message: object) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=30)


class User:
    """One user, in a process or page of its own: the SDK keeps the first token that it saw for as long as it lives."""

    def __init__(self, player: Player, number: int, client_id: str, endpoint: str) -> None:
        self._player = player
        self._number = number
        self._client = {"clientId": client_id, "endpoint": endpoint}
        self.profile: dict[str, Any] = {}

    def __call__(self, function: str, **args: object) -> Any:
        answer = self._player.ask(user=self._number, call=function, args=args)
        if "error" in answer:
            raise SdkError(answer["error"])
        return answer.get("value")

    def init(self, **args: object) -> dict[str, Any]:
        self.profile = self("init", **self._client, **args)
        return self.profile

    def all(self, function: str, **args: object) -> list[Any]:
        """Every row, by following the pages as the SDK does."""
        page = self(function, **args)
        rows, handle = list(page["results"]), page["list"]
        while not page["done"]:
            page = self("next", list=handle)
            rows += page["results"]
        assert len(rows) == page["count"]
        return rows


@pytest.fixture(scope="session")
def npm_packages() -> None:
    if "CI" not in os.environ and shutil.which("npm") is None:
        pytest.skip("needs npm, which is not on PATH")
    wanted, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= wanted.stat().st_mtime:
        return
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        (pytest.fail if "CI" in os.environ else pytest.skip)(f"npm ci failed: {done.stderr[-500:]}")


@pytest.fixture(scope="module", params=COMMANDS)
def where(request: pytest.FixtureRequest, npm_packages: None) -> str:  # noqa: ARG001 (installed before)
    platform: str = request.param
    missing = [tool for tool in NEEDS[platform] if shutil.which(tool) is None]
    if missing:
        (pytest.fail if "CI" in os.environ else pytest.skip)(f"needs {', '.join(missing)} on PATH")
    return platform


class Game:
    """An application with one of everything, connected to a source."""

    def __init__(self, tifo: LocalTifo, call: Call, name: str) -> None:
        self.tifo = tifo
        self.call = call
        self.base = f"{tifo.address}/api/v1/"
        made = tifo.command("app", "create", name)
        self.client_id, self.secret = made["client_id"], made["client_secret"]
        self.token, self.program_id = made["producer_token"], made["program_id"]
        self.source = tifo.command("source", "create", name, "--type", "livelike")
        tifo.command("app", "connect", self.client_id, "--write-key", self.source["write_key"])
        self.points = self.make("reward-items/", name="Points", attributes=[{"key": "sort", "value": "soft money"}])
        self.coins = self.make("reward-items/", name="Coins", attributes=[{"key": "sort", "value": "hard"}])
        for n in range(20):
            self.make("reward-items/", name=f"Card {n}")
        for key in ("vote", "watch"):
            self.make("reward-actions/", key=key, name=key.title())
        self.table = self.make("reward-tables/", name="Match", entries=[self._pays("vote", 5), self._pays("watch", 1)])
        self.badge = self.make(
            "badges/",
            name="Voter",
            reward_item_id=self.points["id"],
            reward_item_threshold=10,
            description="Ten points",
        )
        self.guest = self.make("badges/", name="Guest", image_url="https://img.example/guest.png")
        self.quest = self.make("quests/", name="Matchday")
        quest = {"quest_id": self.quest["id"]}
        self.vote = self.make("quest-tasks/", **quest, name="Vote", target_value=2, reward_action_key="vote")
        self.minutes = self.make(
            "quest-tasks/", **quest, name="Watch", target_value=10, default_progress_increment="2.5"
        )
        self.share = self.make("quest-tasks/", **quest, name="Share")
        rewards = [
            {"reward_item_id": self.points["id"], "reward_item_amount": 7},
            {"reward_item_id": self.coins["id"], "reward_item_amount": 1},
        ]
        self.make("quest-rewards/", **quest, quest_rewards=rewards)
        self.soon = self.make("quests/", name="Soon", started_at="2099-01-01T00:00:00Z")
        self.over = self.make("quests/", name="Over", stopped_at="2020-01-01T00:00:00Z")

    def _pays(self, action: str, amount: int) -> dict[str, object]:
        return {"reward_item_id": self.points["id"], "reward_item_amount": amount, "action": action}

    def make(self, path: str, **body: object) -> Any:
        answer = self.call("POST", self.base + path, {"client_id": self.client_id, **body}, token=self.token)
        assert answer.status in {200, 201}, answer
        return answer.body

    def act(self, user: User, action: str, **more: object) -> Any:
        """As the integrator's backend does it: the SDK cannot invoke actions."""
        body = {"program_id": self.program_id, "profile_id": user.profile["id"], "reward_action_key": action}
        return self.make("invoked-actions/", **body, **more)

    def credit(self, user: User, amount: int) -> None:
        body = {"reward_item_id": self.points["id"], "reward_item_amount": amount}
        self.make(f"profiles/{user.profile['id']}/reward-item-credits/", **body)


@pytest.fixture(scope="module")
def game(tifo: LocalTifo, call: Call, where: str) -> Game:
    return Game(tifo, call, f"Club in {where}")


@pytest.fixture(scope="module")
def new_player(where: str) -> Iterator[Callable[[], Player]]:
    """In Node a process for each user; one browser has a page for each."""
    with contextlib.ExitStack() as stack:

        def start() -> Player:
            player = Player(COMMANDS[where])
            stack.callback(player.close)
            return player

        if where == "node":
            yield start
        else:
            browser = start()
            yield lambda: browser


@pytest.fixture
def new_user(game: Game, new_player: Callable[[], Player]) -> Callable[[], User]:
    return lambda: User(new_player(), next(NUMBERS), game.client_id, game.base)


@pytest.fixture
def ann(new_user: Callable[[], User]) -> User:
    user = new_user()
    user.init(nickName="Ann")
    return user


@pytest.fixture
def bob(new_user: Callable[[], User]) -> User:
    user = new_user()
    user.init(nickName="Bob")
    return user


def test_a_user_signs_up_and_comes_back_by_stored_profile_and_by_token(
    game: Game, ann: User, new_user: Callable[[], User]
) -> None:
    assert (ann.profile["nickname"], ann.profile["client_id"], ann.profile["custom_id"]) == (
        "Ann",
        game.client_id,
        None,
    )
    token = ann.profile["access_token"]
    stored, by_token, nameless = new_user(), new_user(), new_user()
    assert stored.init(stored=ann.profile)["id"] == ann.profile["id"]
    assert by_token.init(accessToken=token)["id"] == ann.profile["id"]
    assert nameless.init()["nickname"]
    changed = by_token("updateUserProfile", accessToken=token, options={"nickname": "Änn", "custom_data": '{"a":1}'})
    assert (changed["nickname"], changed["custom_data"]) == ("Änn", '{"a":1}')
    assert stored("getUserProfile", profileId=ann.profile["id"])["nickname"] == "Änn"
    with pytest.raises(SdkError) as refused:
        nameless("getUserProfile", profileId=ann.profile["id"])
    assert refused.value.status == 403
    with pytest.raises(SdkError) as invalid:
        new_user().init(accessToken=token[:-4] + "AAAA")
    assert invalid.value.status == 401


def test_a_token_that_the_integrator_made_creates_its_fan_on_first_sight(
    game: Game, new_user: Callable[[], User]
) -> None:
    claims = {"iss": game.client_id, "iat": int(time.time()), "custom_profile_id": "fan-7"}
    first, again = new_user(), new_user()
    profile = first.init(accessToken=jwt.encode(claims, game.secret, algorithm="HS256"))
    assert profile["custom_id"] == "fan-7"
    assert again.init(accessToken=jwt.encode({**claims, "x": 1}, game.secret, algorithm="HS256"))["id"] == profile["id"]
    balances = again("getRewardItemBalances", rewardItemIds=[game.points["id"]])
    assert [row["reward_item_balance"] for row in balances["results"]] == [0]
    forged = jwt.encode(claims, "x" * 32, algorithm="HS256")
    with pytest.raises(SdkError) as refused:
        new_user().init(accessToken=forged)
    assert refused.value.status == 401


def test_reward_items_and_balances(game: Game, ann: User) -> None:
    items = ann.all("getApplicationRewardItems")
    assert [item["name"] for item in items] == ["Points", "Coins", *(f"Card {n}" for n in range(20))]
    soft = ann.all("getApplicationRewardItems", attributes=[{"key": "sort", "value": "soft money"}])
    assert [item["id"] for item in soft] == [game.points["id"]]
    game.credit(ann, 12)
    balances = ann("getRewardItemBalances", rewardItemIds=[game.points["id"], game.coins["id"]])["results"]
    assert [(row["reward_item_name"], row["reward_item_balance"]) for row in balances] == [("Points", 12), ("Coins", 0)]


def test_transfers_both_ways(game: Game, ann: User, bob: User) -> None:
    game.credit(ann, 12)
    to_bob = {"rewardItemId": game.points["id"], "recipientProfileId": bob.profile["id"]}
    sent = ann("transferRewardItemAmount", **to_bob, amount=5)
    assert (sent["reward_item_amount"], sent["recipient_profile_name"]) == (5, "Bob")
    back = bob(
        "transferRewardItemAmount", rewardItemId=game.points["id"], recipientProfileId=ann.profile["id"], amount=2
    )
    assert [row["id"] for row in ann.all("getRewardItemTransfers")] == [back["id"], sent["id"]]
    assert ann.all("getRewardItemTransfers", transferType="sent") == [sent]
    assert ann.all("getRewardItemTransfers", transferType="received") == [back]
    assert bob.all("getRewardItemTransfers", transferType="received") == [sent]
    with pytest.raises(SdkError) as refused:
        ann("transferRewardItemAmount", **to_bob, amount=10)
    assert refused.value.status == 400
    assert "9" in json.dumps(refused.value.detail)
    [left] = ann("getRewardItemBalances", rewardItemIds=[game.points["id"]])["results"]
    assert left["reward_item_balance"] == 9


def test_reward_transactions_with_all_filters(game: Game, ann: User) -> None:
    for action in ("vote", "watch", "vote"):
        game.act(ann, action)
    points, me = game.points["id"], ann.profile["id"]

    def amounts(**filters: object) -> list[int]:
        return [row["reward_item_amount"] for row in ann.all("getRewardTransactions", **filters)]

    assert amounts() == [5, 1, 5]
    assert amounts(profileIds=[me], rewardItemIds=[points, game.coins["id"]]) == [5, 1, 5]
    assert amounts(rewardItemIds=[game.coins["id"]]) == []
    assert amounts(rewardActionKeys=["watch"]) == [1]
    assert amounts(rewardActionKeys=["watch", "vote"]) == [5, 1, 5]
    assert amounts(createdSince="2020-01-01T00:00:00Z", createdUntil="2099-01-01T00:00:00Z") == [5, 1, 5]
    assert amounts(createdUntil="2020-01-01T00:00:00Z") == []
    assert amounts(createdSince="2099-01-01T00:00:00Z") == []
    assert amounts(widgetIds=["w-1", "w-2"]) == []
    assert amounts(widgetKinds=["text-poll"]) == []
    newest = ann("getRewardTransactions")["results"][0]
    assert (newest["reward_action_key"], newest["profile_nickname"], newest["reward_item_name"]) == (
        "vote",
        "Ann",
        "Points",
    )


def test_badges_are_earned_shown_and_seen(game: Game, ann: User, bob: User) -> None:
    assert [badge["name"] for badge in ann.all("getApplicationBadges")] == ["Voter", "Guest"]
    me, badge = ann.profile["id"], game.badge["id"]
    game.act(ann, "vote")
    [progress] = ann("getBadgeProgress", profileId=me, badgeIds=[badge, game.guest["id"]])
    [way] = progress["badge_progression"]
    assert (progress["badge"]["id"], way["current_reward_amount"], way["reward_item_threshold"]) == (badge, 5, 10)
    assert ann.all("getProfileBadges", profileId=me) == []
    game.act(ann, "vote")
    [earned] = ann.all("getProfileBadges", profileId=me)
    assert (earned["badge"]["name"], earned["badge"]["reward_item_threshold"]) == ("Voter", 10)
    game.make(f"profiles/{me}/badges/", badge_id=game.guest["id"])
    assert {row["badge"]["name"] for row in ann.all("getProfileBadges", profileId=me)} == {"Voter", "Guest"}
    assert me in {row["profile"]["id"] for row in bob.all("getBadgeProfiles", badgeId=badge)}
    assert ("Ann", me) in {
        (row["profile"]["nickname"], row["profile"]["id"]) for row in ann.all("getBadgeProfiles", badgeId=badge)
    }


def test_quests_are_listed_and_filtered(game: Game, ann: User) -> None:
    def names(**filters: object) -> list[str]:
        return [quest["name"] for quest in ann.all("getQuests", **filters)]

    assert names() == ["Matchday", "Soon", "Over"]
    assert names(status="active") == ["Matchday"]
    assert names(status="not_started") == ["Soon"]
    assert names(status="expired") == ["Over"]
    assert names(questIds=[game.soon["id"], game.over["id"]]) == ["Soon", "Over"]
    [quest] = ann("getQuests", questIds=[game.quest["id"]])["results"]
    assert [task["target_value"] for task in quest["quest_tasks"]] == [2, 10, 1]
    rewards = ann.all("getQuestRewards", questId=game.quest["id"])
    assert [(row["reward_item_name"], row["reward_item_amount"]) for row in rewards] == [("Points", 7), ("Coins", 1)]
    for closed in (game.soon, game.over):
        with pytest.raises(SdkError) as refused:
            ann("startUserQuest", questId=closed["id"])
        assert refused.value.status == 400


def test_a_quest_from_start_to_claim(game: Game, ann: User) -> None:
    run = ann("startUserQuest", questId=game.quest["id"])
    assert (run["status"], run["rewards_status"]) == ("incomplete", "unclaimed")
    with pytest.raises(SdkError) as again:
        ann("startUserQuest", questId=game.quest["id"])
    assert again.value.status == 409
    tasks = {task["quest_task"]["name"]: task["id"] for task in run["user_quest_tasks"]}

    def watched(answer: Any) -> tuple[float, str]:
        [task] = [task for task in answer["user_quest_tasks"] if task["id"] == tasks["Watch"]]
        return task["progress"], task["status"]

    watch = {"userQuestTaskId": tasks["Watch"]}
    assert watched(ann("incrementUserQuestTaskProgress", **watch)) == (2.5, "incomplete")
    assert watched(ann("incrementUserQuestTaskProgress", **watch, customIncrement=1)) == (3.5, "incomplete")
    assert watched(ann("incrementUserQuestTaskProgress", **watch, customIncrement="0.25")) == (3.75, "incomplete")
    assert watched(ann("setUserQuestTaskProgress", **watch, customProgress="7.5")) == (7.5, "incomplete")
    assert watched(ann("setUserQuestTaskProgress", **watch, customProgress=8)) == (8, "incomplete")
    assert watched(ann("incrementUserQuestTaskProgress", **watch)) == (10, "completed")
    with pytest.raises(SdkError) as early:
        ann("claimUserQuestRewards", userQuestId=run["id"])
    assert early.value.status == 400
    game.act(ann, "vote")
    game.act(ann, "vote")
    shared = ann("updateUserQuestTasks", userQuestId=run["id"], userQuestTaskIds=[tasks["Share"]], status="completed")
    assert (shared["status"], shared["rewards_status"]) == ("completed", "unclaimed")

    def runs(**filters: object) -> list[str]:
        return [row["id"] for row in ann.all("getUserQuests", profileId=ann.profile["id"], **filters)]

    assert runs() == runs(status="completed") == runs(rewardStatus="unclaimed") == [run["id"]]
    assert runs(status="incomplete") == runs(rewardStatus="claimed") == runs(questIds=[game.soon["id"]]) == []
    assert runs(questIds=[game.quest["id"]], userQuestIds=[run["id"]]) == [run["id"]]

    def rewards(**filters: object) -> list[tuple[str, int, str]]:
        return [
            (row["quest_reward"]["reward_item_name"], row["quest_reward"]["reward_item_amount"], row["reward_status"])
            for row in ann.all("getUserQuestRewards", userQuestId=run["id"], **filters)
        ]

    assert rewards() == rewards(rewardStatus="unclaimed") == [("Points", 7, "unclaimed"), ("Coins", 1, "unclaimed")]
    claimed = ann("claimUserQuestRewards", userQuestId=run["id"])
    assert (claimed["rewards_status"], claimed["rewards_claimed_at"] is not None) == ("claimed", True)
    assert ann("claimUserQuestRewards", userQuestId=run["id"]) == claimed
    assert rewards(rewardStatus="claimed") == [("Points", 7, "claimed"), ("Coins", 1, "claimed")]
    assert rewards(rewardStatus="unclaimed") == []
    balances = ann("getRewardItemBalances", rewardItemIds=[game.points["id"], game.coins["id"]])["results"]
    assert [row["reward_item_balance"] for row in balances] == [17, 1]


def test_reward_actions_and_invoked_actions_with_all_filters(game: Game, ann: User, bob: User) -> None:
    assert [(action["key"], action["type"]) for action in ann.all("getRewardActions")] == [
        ("vote", "custom"),
        ("watch", "custom"),
    ]
    final = [{"key": "match", "value": "Final: 2:1 & more"}]
    game.act(ann, "vote", code="v1", attributes=final)
    game.act(ann, "watch", code="w1", attributes=[{"key": "match", "value": "Final"}])
    game.act(bob, "vote", code="v1", attributes=final)

    def codes(**filters: object) -> list[str]:
        return [row["code"] for row in ann.all("getInvokedRewardActions", **filters)]

    assert codes() == codes(profileIds=[ann.profile["id"]]) == codes(programId=game.program_id) == ["w1", "v1"]
    assert codes(rewardActionKeys=["watch"]) == ["w1"]
    assert codes(attributes=final) == ["v1"]
    [shown] = ann("getInvokedRewardActions", rewardActionKeys=["vote"])["results"]
    assert (shown["rewards"][0]["reward_item_amount"], shown["profile_nickname"]) == (5, "Ann")

    def listed(**query: str) -> list[str]:
        wanted = {"client_id": game.client_id, **query}
        page = ann("request", path="invoked-actions/", queryParams=wanted)
        return [row["code"] for row in page["results"]]

    assert listed(ordering="created_at") == ["v1", "w1"]
    assert listed(code="w1", since="2020-01-01T00:00:00Z", until="2099-01-01T00:00:00Z") == ["w1"]
    assert listed(until="2020-01-01T00:00:00Z") == []
    with pytest.raises(SdkError) as refused:
        ann("getInvokedRewardActions", profileIds=[bob.profile["id"]])
    assert refused.value.status == 403


def test_leaderboards_of_a_reward_item(game: Game, ann: User, bob: User) -> None:
    board = game.make("leaderboards/", name="Coins", reward_item_id=game.coins["id"], program_ids=[game.program_id])
    for user, amount in ((ann, 9), (bob, 4)):
        body = {"reward_item_id": game.coins["id"], "reward_item_amount": amount}
        game.make(f"profiles/{user.profile['id']}/reward-item-credits/", **body)
    assert board["id"] in {each["id"] for each in ann("getLeaderboards", programId=game.program_id)}
    assert ann("getLeaderboard", leaderboardId=board["id"])["reward_item"]["name"] == "Coins"

    def seen(rows: list[Any]) -> list[tuple[int, str, int]]:
        mine = {ann.profile["id"], bob.profile["id"]}
        return [(row["rank"], row["profile_nickname"], row["score"]) for row in rows if row["profile_id"] in mine]

    first = seen(ann.all("getLeaderboardEntries", leaderboardId=board["id"]))
    assert first == [(1, "Ann", 9), (2, "Bob", 4)]
    assert seen(ann("getLeaderboardEntries", leaderboardId=board["id"], pageSize=1)["results"]) == first[:1]
    theirs = ann("getLeaderboardEntries", leaderboardId=board["id"], profileIds=[bob.profile["id"]])["results"]
    assert seen(theirs) == first[1:]
    rank = bob("getLeaderboardProfileRank", leaderboardId=board["id"], profileId=bob.profile["id"])
    assert seen([rank]) == first[1:]
    for function in ("getProfileLeaderboards", "getProfileLeaderboardViews"):
        [own] = [row for row in bob.all(function) if row["leaderboard"]["id"] == board["id"]]
        assert seen([own["entry"]]) == first[1:]


def test_pages_stand_still_while_rows_are_added(game: Game, ann: User) -> None:
    for n in range(25):
        game.act(ann, "watch", code=f"c{n}")
    page = ann("getInvokedRewardActions")
    seen = [row["code"] for row in page["results"]]
    for n in range(25, 30):
        game.act(ann, "watch", code=f"c{n}")
    page = ann("next", list=page["list"])
    seen += [row["code"] for row in page["results"]]
    assert (seen, page["done"]) == ([f"c{n}" for n in reversed(range(25))], True)


def test_what_the_sdk_does_ends_as_all_six_events_in_the_warehouse(game: Game, ann: User) -> None:
    run = ann("startUserQuest", questId=game.quest["id"])
    for _ in range(2):
        game.act(ann, "vote")
    tasks = {task["quest_task"]["name"]: task["id"] for task in run["user_quest_tasks"]}
    ann("setUserQuestTaskProgress", userQuestTaskId=tasks["Watch"], customProgress="10")
    ann("updateUserQuestTasks", userQuestId=run["id"], userQuestTaskIds=[tasks["Share"]], status="completed")
    ann("claimUserQuestRewards", userQuestId=run["id"])
    expected = {
        "reward_item_rewarded": 2,
        "badge_rewarded": 1,
        "user_quest_task_progressed": 4,
        "quest_task_completed": 3,
        "user_quest_completed": 1,
        "quest_reward_awarded": 2,
    }
    schema, me = game.source["schema"], ann.profile["id"]
    parts = " union all ".join(
        f"select '{table}' as t, count(*)::bigint as n from {schema}.{table} where livelike_profile_id = '{me}'"
        for table in expected
    )
    rows: dict[str, int] = {}
    deadline = time.monotonic() + 20
    while rows != expected and time.monotonic() < deadline:
        time.sleep(0.1)
        if game.tifo.rows(schema, [*expected]).keys() == expected.keys():
            rows = {row["t"]: row["n"] for row in game.tifo.query(parts)}
    assert rows == expected
    [badge] = game.tifo.query(f"select * from {schema}.badge_rewarded where livelike_profile_id = '{me}'")
    assert (badge["badge_id"], badge["reward_item_threshold"], badge["anonymous_id"]) == (game.badge["id"], 10, me)
    paid = game.tifo.query(
        f"select reward_item_name, reward_item_amount, reward_item_balance from {schema}.quest_reward_awarded"
        f" where livelike_profile_id = '{me}' order by 1"
    )
    assert [tuple(row.values()) for row in paid] == [("Coins", 1, 1), ("Points", 7, 17)]
