"""Reads the recorded play of applications on SQL, in groups of fans, so that memory holds one group only."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, distinct, func, select

from tifo.engagement.ports import EARNED
from tifo.engagement.replay import Recorded, Tally
from tifo.kernel.ids import BadgeId, ClientId, QuestId, RewardItemId
from tifo.store.engagement import rows as r
from tifo.store.sql.database import Database
from tifo.store.sql.tables import engagement as t

GROUP = 200
"""The number of fans that are read at a time."""
_EARNED = sorted(kind.value for kind in EARNED)


class SqlRecordedActions:
    """Implements `engagement.replay.RecordedActions`.

    Reads each group in a transaction of its own, so that others go on writing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def count_actions(self, client_id: ClientId) -> int:
        c = t.invoked_actions.c
        with self._database.reading() as connection:
            counted = connection.execute(select(func.count()).where(c.client_id == client_id)).scalar_one()
        return int(counted)

    def groups(self, client_id: ClientId) -> Iterator[Sequence[Recorded]]:
        c = t.profiles.c
        after = ""
        while True:
            page = select(t.profiles).where(c.client_id == client_id, c.id > after).order_by(c.id).limit(GROUP)
            with self._database.reading() as connection:
                profiles = [r.read_profile(row) for row in connection.execute(page)]
                if not profiles:
                    return
                group = self._read(connection, profiles)
            yield group
            after = profiles[-1].id

    def _read(self, connection: Connection, profiles: Sequence[Any]) -> list[Recorded]:
        ids = [profile.id for profile in profiles]
        actions, transfers, starts = (defaultdict[str, list[Any]](list) for _ in range(3))
        a, b, q = t.invoked_actions.c, t.transactions.c, t.user_quests.c
        for row in connection.execute(select(a.profile_id, a.body).where(a.profile_id.in_(ids)).order_by(a.position)):
            actions[row.profile_id].append(r.decode_invoked_action(row.body))
        own = select(b.profile_id, b.body).where(b.profile_id.in_(ids), b.kind.not_in(_EARNED)).order_by(b.position)
        for row in connection.execute(own):
            transfers[row.profile_id].append(r.decode_transaction(row.body))
        for run in r.read_user_quests(connection.execute(select(t.user_quests).where(q.profile_id.in_(ids))), ()):
            starts[run.profile_id].append(run)
        return [
            Recorded(
                profile=each,
                actions=tuple(actions[each.id]),
                transfers=tuple(transfers[each.id]),
                starts=tuple(starts[each.id]),
            )
            for each in profiles
        ]

    def earned(self, client_id: ClientId) -> Tally:
        tally = Tally()
        with self._database.reading() as connection:
            _count_items(connection, client_id, tally)
            b, q = t.earned_badges.c, t.user_quests.c
            badges = (
                select(b.badge_id, func.count())
                .where(b.client_id == client_id, b.revoked_at.is_(None))
                .group_by(b.badge_id)
            )
            tally.badges.update({BadgeId(badge): fans for badge, fans in connection.execute(badges)})
            quests = (
                select(q.quest_id, func.count(), func.count(q.completed_at))
                .where(q.client_id == client_id)
                .group_by(q.quest_id)
            )
            for quest, started, completed in connection.execute(quests):
                tally.started[QuestId(quest)] = started
                tally.completed[QuestId(quest)] = completed
        return tally


def _count_items(connection: Connection, client_id: ClientId, tally: Tally) -> None:
    b = t.transactions.c
    items = (
        select(b.reward_item_id, func.count(distinct(b.profile_id)), func.sum(b.amount))
        .where(b.client_id == client_id, b.kind.in_(_EARNED))
        .group_by(b.reward_item_id)
    )
    for item, fans, total in connection.execute(items):
        tally.item_fans[RewardItemId(item)] = fans
        tally.item_totals[RewardItemId(item)] = int(total)
