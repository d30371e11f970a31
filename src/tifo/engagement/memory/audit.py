"""The audit of the state in memory."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tifo.engagement.facts import BadgeRewarded, QuestRewardAwarded, RewardItemRewarded, UserQuestCompleted
from tifo.engagement.memory.state import ApplicationState, InMemoryState
from tifo.engagement.ports import EARNED
from tifo.kernel.ids import ClientId, FactId

_SHOWN = 5


class InMemoryLedgerAudit:
    """Implements `engagement.ports.LedgerAudit`."""

    def __init__(self, state: InMemoryState) -> None:
        self._state = state

    def problems(self) -> Sequence[str]:
        found: dict[str, list[str]] = {}
        for application in self._state.applications.values():
            for what, ids in _checks(application).items():
                found.setdefault(what, []).extend(ids)
        return [f"{len(ids)} {what}: {', '.join(ids[:_SHOWN])}" for what, ids in found.items() if ids]

    def facts_by_application(self) -> Mapping[ClientId, int]:
        counts = {client_id: len(each.facts) for client_id, each in self._state.applications.items()}
        return {client_id: count for client_id, count in counts.items() if count}

    def fact_ids(self, client_id: ClientId) -> Iterator[Sequence[FactId]]:
        facts = self._state.application(client_id).facts
        if facts:
            yield [fact.id for fact in facts]


def _checks(application: ApplicationState) -> dict[str, list[str]]:
    fans, facts = application.working.fans.values(), application.facts
    balances = Counter(
        {f"{fan.profile.id} {item}": held for fan in fans for item, held in fan.balances.items()},
    )
    moved: Counter[str] = Counter()
    for row in application.transactions:
        moved[f"{row.profile_id} {row.reward_item_id}"] += row.amount
    # LiveLike's source has events for rewards that rules pay; credits, debits and transfers leave none.
    paid = [row.id for row in application.transactions if row.kind in EARNED]
    earned = [each.id for fan in fans for each in fan.badges.values()]
    completed = [run.id for fan in fans for run in fan.user_quests.values() if run.completed_at is not None]
    rewards = [f.reward_item_transaction_id for f in facts if isinstance(f, RewardItemRewarded | QuestRewardAwarded)]
    badges = [f.earned_badge_id for f in facts if isinstance(f, BadgeRewarded)]
    quests = [f.user_quest_id for f in facts if isinstance(f, UserQuestCompleted)]
    return {
        "balances differ from the sum of their transactions": _unequal(balances, moved),
        "balances are negative": [key for key, held in balances.items() if held < 0],
        "rewards in the ledger have not exactly one event": _not_once(paid, rewards),
        "earned badges have not exactly one event": _not_once(earned, badges),
        "completed user quests have not exactly one event": _not_once(completed, quests),
    }


def _unequal(one: Counter[str], other: Counter[str]) -> list[str]:
    return [key for key in {**one, **other} if one[key] != other[key]]


def _not_once(things: Sequence[Any], events: Sequence[Any]) -> list[str]:
    """Ids that do not stand exactly once on both sides."""
    one, other = Counter(things), Counter(events)
    return [str(key) for key in {**one, **other} if (one[key], other[key]) != (1, 1)]
