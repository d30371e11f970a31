"""The recorded play of applications in memory."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tifo.engagement.memory.state import InMemoryState
from tifo.engagement.ports import EARNED
from tifo.engagement.replay import Recorded, Tally
from tifo.kernel.ids import ClientId


class InMemoryRecordedActions:
    """Implements `engagement.replay.RecordedActions`."""

    def __init__(self, state: InMemoryState) -> None:
        self._state = state

    def count_actions(self, client_id: ClientId) -> int:
        return len(self._state.application(client_id).invoked)

    def groups(self, client_id: ClientId) -> Iterator[Sequence[Recorded]]:
        application = self._state.application(client_id)
        fans = sorted(application.working.fans.values(), key=lambda fan: fan.profile.id)
        group = [
            Recorded(
                profile=fan.profile,
                actions=tuple(each for each in application.invoked if each.profile_id == fan.profile.id),
                transfers=tuple(
                    each
                    for each in application.transactions
                    if each.profile_id == fan.profile.id and each.kind not in EARNED
                ),
                starts=tuple(fan.user_quests.values()),
            )
            for fan in fans
        ]
        if group:
            yield group

    def earned(self, client_id: ClientId) -> Tally:
        tally, application = Tally(), self._state.application(client_id)
        rows = [row for row in application.transactions if row.kind in EARNED]
        tally.item_fans = Counter(item for item, _ in {(row.reward_item_id, row.profile_id) for row in rows})
        for row in rows:
            tally.item_totals[row.reward_item_id] += row.amount
        for fan in application.working.fans.values():
            tally.badges.update(each.badge_id for each in fan.badges.values() if each.revoked_at is None)
            tally.started.update(fan.user_quests.keys())
            tally.completed.update(run.quest_id for run in fan.user_quests.values() if run.completed_at is not None)
        return tally
