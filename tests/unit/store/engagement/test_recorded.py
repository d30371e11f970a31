"""The record is read whole, fan by fan, and nobody else's."""

import asyncio
from pathlib import Path
from typing import Any

from tifo.engagement import commands as c
from tifo.engagement.access import create_application
from tifo.engagement.model import Application
from tifo.engagement.replay import RulesReplay
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import ProfileId, RewardItemId, uuid7
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.engine import SqlEngine
from tifo.store.engagement.queries import SqlQueries
from tifo.store.engagement.recorded import GROUP, SqlRecordedActions
from tifo.store.sql.database import open_sqlite


async def make(engine: SqlEngine, application: Application) -> RewardItemId:
    """Voting pays 5 of the item that is given back, 10 of it earn a badge, and complete a quest that pays 1."""
    common: dict[str, Any] = {"client_id": application.id}
    settings: dict[str, Any] = {"automatic_quest_processing": True, "auto_claim_quest_rewards": True}
    await engine.handle(c.UpdateApplication(**common, **settings))
    item = await engine.handle(c.CreateRewardItem(**common, name="Points"))
    await engine.handle(c.CreateRewardAction(**common, name="Vote", key="vote"))
    entry = c.NewEntry(reward_item_id=item.id, reward_item_amount=5, action_key="vote")
    await engine.handle(c.CreateRewardTable(**common, name="Table", entries=(entry,)))
    progression = c.NewProgression(reward_item_id=item.id, reward_item_threshold=10)
    await engine.handle(c.CreateBadge(**common, name="Ten", progressions=(progression,)))
    quest = await engine.handle(c.CreateQuest(**common, name="Vote"))
    await engine.handle(c.AddQuestTask(**common, quest_id=quest.id, name="Once", reward_action_key="vote"))
    reward = c.NewQuestReward(reward_item_id=item.id, reward_item_amount=1)
    await engine.handle(c.AddQuestRewards(**common, quest_id=quest.id, rewards=(reward,)))
    return item.id


async def test_every_fan_is_read_once_and_replays_to_what_they_have_earned(tmp_path: Path) -> None:
    database = open_sqlite(tmp_path / "tifo.db")
    club, other = (
        create_application(SqlAccess(database, system_clock, uuid7), name).application for name in ("Club", "Other")
    )
    engine = SqlEngine(database, system_clock, uuid7)
    for application, number in ((other, 1), (club, GROUP + 1)):
        item_id = await make(engine, application)
        common: dict[str, Any] = {"client_id": application.id}
        sign_ups = (engine.handle(c.CreateProfile(**common, custom_id=f"fan-{n}")) for n in range(number))
        fans: list[ProfileId] = [profile.id for profile in await asyncio.gather(*sign_ups)]
        vote: dict[str, Any] = {"program_id": application.default_program_id, "reward_action_key": "vote"}
        votes = [fan for number, fan in enumerate(fans) for _ in range(number % 3)]
        await asyncio.gather(*(engine.handle(c.InvokeAction(**common, **vote, profile_id=fan)) for fan in votes))
    gift: dict[str, Any] = {"profile_id": fans[0], "reward_item_id": item_id, "reward_item_amount": 10}
    await engine.handle(c.Credit(**common, **gift))
    await engine.handle(c.Transfer(**common, **gift, recipient_profile_id=fans[-1]))
    await engine.close()
    listed = SqlAccess(database, system_clock, uuid7).applications()
    assert [application.id for application in listed] == [club.id, other.id]
    recorded = SqlRecordedActions(database)
    groups = list(recorded.groups(club.id))
    assert [len(group) for group in groups] == [GROUP, 1]
    assert len({each.profile.id for group in groups for each in group}) == GROUP + 1
    assert recorded.count_actions(club.id) == sum(len(each.actions) for group in groups for each in group) == 201
    replay = RulesReplay(SqlQueries(database).game(club.id))
    for group in groups:
        replay.play(group)
    have, would = recorded.earned(club.id), replay.tally
    assert sum(would.item_totals.values()) == 201 * 5 + 134
    assert (have.item_fans, have.item_totals) == (would.item_fans, would.item_totals)
    assert (have.badges, have.started, have.completed) == (would.badges, would.started, would.completed)
    assert (would.fans, would.left_out) == (GROUP + 1, {})
    revoked = next(iter(SqlQueries(database).fan(club.id, fans[2]).badges.values()))
    engine = SqlEngine(database, system_clock, uuid7)
    await engine.handle(c.RevokeBadge(client_id=club.id, earned_badge_id=revoked.id))
    await engine.close()
    assert recorded.earned(club.id).badges[revoked.badge_id] == would.badges[revoked.badge_id] - 1
    database.dispose()
