from decimal import Decimal

import pytest

from tests.conftest import NewState
from tifo.engagement import commands as c
from tifo.engagement.access import create_application
from tifo.engagement.model import Fan, Profile
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import BadgeId, ClientId, ProfileId, QuestId, RewardItemId, uuid7
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.fans import Fans, Known, raise_versions
from tifo.store.engagement.queries import SqlQueries
from tifo.store.sql.database import Database


def _known(profile_id: str, *, version: int = 1, balances: int = 0) -> Known:
    profile = Profile(id=ProfileId(profile_id), client_id=ClientId("c"), nickname="Fan", created_at=system_clock())
    return Known(version, Fan(profile=profile, balances={RewardItemId(str(n)): n for n in range(balances)}))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_what_another_engine_has_done_to_a_fan_is_seen(new_state: NewState, kind: str) -> None:
    ours, theirs = (SqlEngine(new_state(kind), system_clock, uuid7) for _ in range(2))
    database = new_state(kind)
    client_id = create_application(SqlAccess(database, system_clock, uuid7), "Club").application.id
    item = await ours.handle(c.CreateRewardItem(client_id=client_id, name="Points"))
    quest = await ours.handle(c.CreateQuest(client_id=client_id, name="Quest"))
    quest = await ours.handle(c.AddQuestTask(client_id=client_id, quest_id=quest.id, name="A", target_value=Decimal(2)))
    badge = await ours.handle(c.CreateBadge(client_id=client_id, name="Badge"))
    fan = (await ours.handle(c.CreateProfile(client_id=client_id, custom_id="fan"))).id
    for engine in (ours, theirs, ours):
        await engine.handle(
            c.Credit(client_id=client_id, profile_id=fan, reward_item_id=item.id, reward_item_amount=10)
        )
    await theirs.handle(c.Debit(client_id=client_id, profile_id=fan, reward_item_id=item.id, reward_item_amount=30))
    with pytest.raises(Exception, match="The balance is 0"):
        await ours.handle(c.Debit(client_id=client_id, profile_id=fan, reward_item_id=item.id, reward_item_amount=1))
    run = await theirs.handle(c.StartQuest(client_id=client_id, profile_id=fan, quest_id=quest.id))
    await ours.handle(c.ProgressTask(client_id=client_id, user_quest_task_id=run.tasks[0].id))
    await theirs.handle(c.ProgressTask(client_id=client_id, user_quest_task_id=run.tasks[0].id))
    await theirs.handle(c.AwardBadge(client_id=client_id, profile_id=fan, badge_id=badge.id))
    first = await ours.handle(c.AwardBadge(client_id=client_id, profile_id=fan, badge_id=badge.id))
    await theirs.handle(c.UpdateProfile(client_id=client_id, profile_id=fan, nickname="Ada"))
    seen = (await ours.handle(c.UpdateProfile(client_id=client_id, profile_id=fan, custom_data="x"))).nickname
    stored = SqlQueries(database).fan(client_id, fan)
    for engine in (ours, theirs):
        await engine.close()
    assert stored.user_quests[QuestId(quest.id)].completed_at is not None
    assert stored.badges == {BadgeId(badge.id): first}
    assert seen == "Ada"


async def test_what_was_not_committed_is_not_remembered(new_state: NewState) -> None:
    database = new_state("sqlite")
    client_id = create_application(SqlAccess(database, system_clock, uuid7), "Club").application.id
    engine = SqlEngine(database, system_clock, uuid7)
    item = await engine.handle(c.CreateRewardItem(client_id=client_id, name="Points"))
    fan = (await engine.handle(c.CreateProfile(client_id=client_id))).id
    credit = c.Credit(client_id=client_id, profile_id=fan, reward_item_id=item.id, reward_item_amount=5)
    with database.writing() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON transactions BEGIN SELECT RAISE(FAIL, 'x'); END"
        )
    with pytest.raises(Transient):
        await engine.handle(credit)
    with database.writing() as connection:
        connection.exec_driver_sql("DROP TRIGGER full")
    moved = await engine.handle(credit)
    await engine.close()
    assert moved.balance == 5
    assert _stored(database, client_id, fan).balances == {item.id: 5}


def test_those_seen_longest_ago_are_forgotten_first(new_state: NewState) -> None:
    fans = Fans(capacity=10)
    fans.keep({ProfileId("old"): _known("old", balances=4)})
    fans.keep({ProfileId("new"): _known("new", balances=4)})
    fans.keep({ProfileId("old"): _known("old", version=2, balances=4)})
    fans.keep({ProfileId("third"): _known("third")})
    database = new_state("sqlite")
    with database.writing() as connection:
        for name, version in (("old", 2), ("new", 1), ("third", 1)):
            connection.exec_driver_sql(
                "INSERT INTO profiles (id, client_id, nickname, attributes, created_at, version)"
                " VALUES (?, 'c', 'As stored', '[]', 0, ?)",
                (name, version),
            )
        seen = fans.load(connection, ["old", "new", "third", "nobody"])
        after = raise_versions(connection, {ProfileId("old"): seen[ProfileId("old")].fan}, seen)
        stored = {row.id: row.version for row in connection.exec_driver_sql("SELECT id, version FROM profiles")}
    assert {name: known.fan.profile.nickname for name, known in seen.items()} == {
        "old": "Fan",
        "new": "As stored",
        "third": "Fan",
    }
    assert {name: known.version for name, known in after.items()} == {"old": 3}
    assert stored == {"old": 3, "new": 1, "third": 1}


def _stored(database: Database, client_id: ClientId, fan: ProfileId) -> Fan:
    return SqlQueries(database).fan(client_id, fan)
