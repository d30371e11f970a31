"""Writes what each fan does in the match, and computes what must come out of it."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

VOTE, PREDICT, WATCH = "vote", "predict", "watch"
PAYS: Final = {VOTE: 5, PREDICT: 10}
"""Points for each action, by the demo's reward table. Watching only progresses the quest."""
VOTE_TARGET, PREDICT_TARGET, WATCH_TARGET_STEPS = 2, 1, 2
"""The quest's tasks; watching goes in steps of 0.5 toward 1."""
QUEST_POINTS, QUEST_COINS = 25, 1
BADGES: Final = {"Regular": 20, "Superfan": 50}
"""Badge → the points that earn it. The badge `Champion` takes one coin."""


@dataclass(frozen=True)
class FanScript:
    """Describes one fan's match: `actions` in their order, and in `repeats` the indexes of those sent twice."""

    number: int
    custom_id: str | None
    nickname: str
    actions: tuple[str, ...]
    repeats: frozenset[int]
    claims: bool

    def times(self, action: str) -> int:
        return self.actions.count(action)

    @property
    def completes_quest(self) -> bool:
        return (
            self.times(VOTE) >= VOTE_TARGET
            and self.times(PREDICT) >= PREDICT_TARGET
            and self.times(WATCH) >= WATCH_TARGET_STEPS
        )

    @property
    def is_paid_for_quest(self) -> bool:
        return self.completes_quest and self.claims

    @property
    def points(self) -> int:
        paid = sum(PAYS.get(action, 0) for action in self.actions)
        return paid + (QUEST_POINTS if self.is_paid_for_quest else 0)

    def events(self) -> Counter[str]:
        """The fan's rows by warehouse table."""
        tasks = (
            (self.times(VOTE), VOTE_TARGET),
            (self.times(PREDICT), PREDICT_TARGET),
            (self.times(WATCH), WATCH_TARGET_STEPS),
        )
        return Counter(
            reward_item_rewarded=self.times(VOTE) + self.times(PREDICT),
            user_quest_task_progressed=sum(min(done, target) for done, target in tasks),
            quest_task_completed=sum(done >= target for done, target in tasks),
            user_quest_completed=int(self.completes_quest),
            quest_reward_awarded=2 * self.is_paid_for_quest,
            badge_rewarded=sum(self.points >= needed for needed in BADGES.values()) + self.is_paid_for_quest,
        )


def write_script(fans: int, seed: int) -> list[FanScript]:
    """The same fans and seed give the same match."""
    chance = random.Random(seed)  # noqa: S311 (a game, no secret)
    return [_write_fan(number, chance) for number in range(1, fans + 1)]


def _write_fan(number: int, chance: random.Random) -> FanScript:
    actions = [VOTE] * chance.randint(0, 4) + [PREDICT] * chance.randint(0, 2) + [WATCH] * chance.randint(0, 4)
    chance.shuffle(actions)
    return FanScript(
        number=number,
        custom_id=f"fan-{number}" if chance.random() < 0.6 else None,  # noqa: PLR2004 (more than half have one)
        nickname=f"Fan {number}",
        actions=tuple(actions),
        repeats=frozenset(index for index in range(len(actions)) if chance.random() < 0.15),  # noqa: PLR2004 (one in seven)
        claims=chance.random() < 0.8,  # noqa: PLR2004 (most do)
    )


def expected_rows(script: Sequence[FanScript]) -> dict[str, int]:
    """Rows that each of the six tables must hold."""
    total: Counter[str] = Counter()
    for fan in script:
        total.update(fan.events())
    return dict(total)


def expected_leaders(script: Sequence[FanScript], places: int) -> list[int]:
    """The highest sums of points, best first; which of several equal fans stands first is open."""
    return sorted((fan.points for fan in script), reverse=True)[:places]
