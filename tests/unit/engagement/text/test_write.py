"""Export, then apply: no changes, whatever the game."""

from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tifo.documents.write import write
from tifo.engagement import model as m
from tifo.engagement.commands import ApplyDefinitions
from tifo.engagement.definitions import apply
from tifo.engagement.text.build import build
from tifo.engagement.text.describe import describe
from tifo.engagement.text.plan import changes
from tifo.engagement.text.read import load
from tifo.kernel.ids import ClientId, ProgramId, uuid7

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CLIENT = ClientId("club")
EXAMPLES = Path(__file__).parents[4] / "examples"
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20) | st.sampled_from(
    [
        "yes",
        "null",
        "~",
        "1e3",
        "0x1F",
        "-.5",
        "008",
        "1_000",
        "2026-01-01",
        "- a",
        "a: b",
        "# c",
        "'",
        '"',
        "\n\n x\n",
        "é\t",
    ]
)
names = texts.filter(str.strip)
moments = partial(st.datetimes, timezones=st.just(UTC))
amounts = st.integers(1, 2**53 - 1)
quantities = st.decimals("0.000000001", 10**9, places=9).map(lambda number: number.normalize() + 0)
attributes = st.lists(st.builds(m.Attribute, texts, texts), max_size=2).map(tuple)
maybe = st.none() | texts


limits = st.none() | st.builds(m.RateLimit, frequency=st.integers(1, 10**6), unit=st.sampled_from(["second", "day"]))
caps = st.none() | st.builds(
    m.RewardLimit,
    action_limit_count=st.integers(1, 10**6),
    duration=st.sampled_from(["week", "all_time"]),
    timezone=st.sampled_from(["UTC", "Europe/Madrid"]),
)


@st.composite
def games(draw: st.DrawFn) -> m.Game:
    """Any game that the rules of definitions let be."""
    numbers = count()

    def made(kind: Any, most: int, **fields: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        drawn = draw(st.lists(st.fixed_dictionaries(fields), max_size=most))
        return tuple(kind(id=f"id-{next(numbers)}", **each) for each in drawn)

    def defined(kind: Any, most: int, **fields: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        keys = iter(draw(st.lists(names, unique=True, min_size=most, max_size=most)))
        own = {"name": names, "created_at": st.just(NOW), "archived_at": st.sampled_from([None, None, None, NOW])}
        return tuple(
            replace(each, key=next(keys)) if draw(st.booleans()) else each for each in made(kind, most, **own, **fields)
        )

    def one_of(*definitions: Any) -> st.SearchStrategy[Any]:
        return st.sampled_from([each for each in definitions if each.archived_at is None] or [None])

    def some(parts: st.SearchStrategy[Any], of: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
        return st.lists(parts, max_size=2).map(tuple) if draw(of) is not None else st.just(())

    default = m.Program(id=ProgramId("p"), name="Season", created_at=NOW)
    programs = (default, *defined(m.Program, 2))
    items = defined(m.RewardItem, 3, attributes=attributes)
    keys = draw(st.lists(names, unique=True, max_size=3))
    fields = {"name": names, "created_at": st.just(NOW), "description": maybe}
    actions = tuple(each for key in keys for each in made(m.RewardAction, 1, key=st.just(key), **fields))
    item, action = one_of(*items), one_of(*actions)
    item_id = item.map(lambda each: each and each.id)
    action_key = action.map(lambda each: each and each.key)
    progression = st.builds(m.BadgeProgression, reward_item_id=item_id, reward_item_threshold=amounts)
    badge = {
        "description": maybe,
        "image_url": maybe,
        "attributes": attributes,
        "progressions": some(progression, item),
    }
    badges = defined(m.Badge, 2, **badge)
    entry = {"reward_item_id": item_id, "reward_item_amount": amounts, "action_key": action_key}
    entry |= {"rate_limit": limits, "reward_limit": caps}
    both = draw(item) is not None and draw(action) is not None
    tables = tuple(
        replace(
            table,
            program_ids=tuple(dict.fromkeys(draw(st.lists(one_of(*programs).map(lambda each: each.id), max_size=3)))),
            entries=made(m.RewardTableEntry, 3, **entry) if both else (),
        )
        for table in defined(m.RewardTable, 2)
    )
    task: dict[str, st.SearchStrategy[Any]] = {
        "description": maybe,
        "target_value": quantities,
        "default_progress_increment": quantities,
    }
    task |= {"reward_action_key": action_key, "attributes": attributes}
    quest = {
        "description": maybe,
        "attributes": attributes,
        "started_at": st.none() | moments(datetime(1990, 1, 1), datetime(2020, 1, 1)),  # noqa: DTZ001
        "stopped_at": st.none() | moments(datetime(2020, 1, 2), datetime(2100, 1, 1)),  # noqa: DTZ001
        "timeout": st.none() | st.timedeltas(timedelta(microseconds=1), timedelta(days=3660)),
    }
    quests = tuple(
        replace(
            each,
            tasks=defined(m.QuestTask, 3, **task),
            rewards=made(m.QuestReward, 2, reward_item_id=item_id, reward_item_amount=amounts) if draw(item) else (),
            badge_ids=tuple({badge.id: 0 for badge in draw(st.lists(one_of(*badges), max_size=2)) if badge}),
        )
        for each in defined(m.Quest, 2, **quest)
    )
    boards = tuple(
        replace(board, program_ids=tables[0].program_ids if tables else ())
        for board in (
            defined(m.Leaderboard, 2, reward_item_id=item_id, is_locked=st.booleans(), attributes=attributes)
            if draw(item)
            else ()
        )
    )
    application = m.Application(
        id=CLIENT,
        name=draw(names),
        default_program_id=default.id,
        created_at=NOW,
        auto_claim_quest_rewards=draw(st.booleans()),
    )
    return m.Game(application, (*programs, *items, *actions, *tables, *badges, *quests, *boards))


@given(games())
def test_applying_what_was_exported_changes_nothing_and_exporting_is_stable(game: m.Game) -> None:
    now = describe(game)
    text = write(now)
    wanted = load(text, "rules.yaml", {})
    assert changes(now, wanted, prune=True) == ()
    assert wanted == now
    assert write(wanted) == text


@given(games())
def test_what_was_exported_makes_the_same_rules_of_an_empty_application(game: m.Game) -> None:
    program = m.Program(id=ProgramId("q"), name="Other", created_at=NOW)
    empty = m.Game(m.Application(id=CLIENT, name="X", default_program_id=program.id, created_at=NOW), (program,))
    wanted = load(write(describe(game)), "rules.yaml", {})
    commands = build(empty, wanted, changes(describe(empty), wanted, prune=True), uuid7)
    copy, _ = apply(empty, ApplyDefinitions(client_id=CLIENT, commands=commands), NOW, uuid7)
    assert changes(describe(copy), wanted, prune=True) == ()


@pytest.mark.parametrize("name", ["football-match", "streaming-season"])
def test_the_worked_examples_read_and_survive_the_round_trip(name: str) -> None:
    document = load((EXAMPLES / f"{name}.yaml").read_text(), name, {"programs": {"default"}})
    assert min(len(getattr(document, section)) for section in ("programs", "reward_items", "badges", "quests")) >= 2
    assert load(write(document), name, {"programs": {"default"}}) == document


def test_the_text_is_one_that_people_would_write() -> None:
    document = load((EXAMPLES / "football-match.yaml").read_text(), "f", {"programs": {"default"}})
    lines = write(document).splitlines()
    assert "      - {action: check-in, item: points, amount: 50}" in lines
    assert "    programs: [default, derby, cup-final]" in lines
    assert "    started_at: 2026-11-23T00:00:00Z" in lines
    assert "    timeout: PT8H" in lines
    assert "    description: |-" in lines
