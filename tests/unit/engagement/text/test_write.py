"""Export, then apply: no changes, whatever the game."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tifo.engagement import model as m
from tifo.engagement.text.build import rewritten
from tifo.engagement.text.describe import describe
from tifo.engagement.text.document import RewardText
from tifo.engagement.text.keys import Keys
from tifo.engagement.text.plan import changes
from tifo.engagement.text.read import load
from tifo.engagement.text.write import duration_text, inline, write
from tifo.kernel.ids import ClientId, ProgramId

NOW = datetime(2026, 11, 24, tzinfo=UTC)
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
moments = st.none() | st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
amounts = st.integers(1, 2**53 - 1)
quantities = st.decimals("0.000000001", 10**9, places=9).map(lambda number: number.normalize() + 0)
attributes = st.lists(st.builds(m.Attribute, texts, texts), max_size=2).map(tuple)
maybe = st.none() | texts


@st.composite
def games(draw: st.DrawFn) -> m.Game:
    numbers = count()

    def made(kind: Any, size: int, **fields: st.SearchStrategy[Any]) -> list[Any]:
        drawn = draw(st.lists(st.fixed_dictionaries(fields), max_size=size))
        return [kind(id=f"id-{next(numbers)}", **each) for each in drawn]

    def parts(kind: Any, **fields: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        return tuple(made(kind, 3, **fields))

    at = st.just(NOW)
    programs = [
        m.Program(id=ProgramId("p"), name="Season", created_at=NOW),
        *made(m.Program, 2, name=names, created_at=at),
    ]
    items = made(m.RewardItem, 3, name=names, created_at=at, attributes=attributes)
    keys = draw(st.lists(names, unique=True, max_size=3))
    actions = [
        m.RewardAction(id=f"id-{next(numbers)}", key=key, name=draw(names), created_at=NOW, description=draw(maybe))  # type: ignore[arg-type]
        for key in keys
    ]
    item_ids = st.sampled_from([item.id for item in items]) if items else st.nothing()
    action_keys = st.sampled_from(keys) if keys else st.nothing()
    tables = [
        m.RewardTable(
            id=f"id-{next(numbers)}",  # type: ignore[arg-type]
            name=draw(names),
            created_at=NOW,
            program_ids=tuple(draw(st.lists(st.sampled_from([p.id for p in programs]), unique=True))),
            entries=parts(
                m.RewardTableEntry, reward_item_id=item_ids, reward_item_amount=amounts, action_key=action_keys
            )
            if items and keys
            else (),
        )
        for _ in range(draw(st.integers(0, 2)))
    ]
    badges = made(
        m.Badge,
        2,
        name=names,
        created_at=at,
        description=maybe,
        image_url=maybe,
        attributes=attributes,
        progressions=st.lists(
            st.builds(m.BadgeProgression, reward_item_id=item_ids, reward_item_threshold=amounts), max_size=2
        ).map(tuple)
        if items
        else st.just(()),
    )
    quests = [
        m.Quest(
            id=f"id-{next(numbers)}",  # type: ignore[arg-type]
            name=draw(names),
            created_at=NOW,
            description=draw(maybe),
            started_at=draw(moments.filter(lambda moment: moment is None or moment < NOW)),
            stopped_at=draw(moments.filter(lambda moment: moment is None or moment > NOW)),
            timeout=draw(st.none() | st.timedeltas(timedelta(microseconds=1), timedelta(days=3660))),
            attributes=draw(attributes),
            tasks=parts(
                m.QuestTask,
                name=names,
                created_at=at,
                description=maybe,
                target_value=quantities,
                default_progress_increment=quantities,
                reward_action_key=st.none() | action_keys,
                attributes=attributes,
            ),
            rewards=parts(m.QuestReward, reward_item_id=item_ids, reward_item_amount=amounts) if items else (),
        )
        for _ in range(draw(st.integers(0, 2)))
    ]
    application = m.Application(
        id=ClientId("club"),
        name=draw(names),
        default_program_id=ProgramId("p"),
        created_at=NOW,
        auto_claim_quest_rewards=draw(st.booleans()),
    )
    return m.Game(application, (*programs, *items, *actions, *tables, *badges, *quests))


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
    numbers = count()
    program = m.Program(id=ProgramId("q"), name="Other", created_at=NOW)
    empty = m.Game(m.Application(id=ClientId("x"), name="X", default_program_id=program.id, created_at=NOW), (program,))
    wanted = load(write(describe(game)), "rules.yaml", {})
    copy = rewritten(empty, wanted, changes(describe(empty), wanted, prune=True), NOW, lambda: f"new-{next(numbers)}")
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


@given(st.timedeltas(timedelta(0), timedelta(days=3660)))
def test_durations_are_exact(duration: timedelta) -> None:
    if duration:
        text = f"quests: {{q: {{name: x, timeout: {duration_text(duration)}}}}}"
        assert load(text, "f", {}).quests["q"].timeout == duration


@given(texts | amounts | quantities | st.booleans() | st.lists(texts).map(tuple))
def test_a_value_of_a_plan_stands_on_one_line(value: object) -> None:
    assert "\n" not in inline(value)


def test_a_value_of_a_plan_says_what_it_is() -> None:
    values = ["Coins", 5, Decimal("0.5"), timedelta(hours=3), NOW, None, ("a", "b"), RewardText(item="x", amount=1)]
    assert [inline(value) for value in values] == [
        '"Coins"',
        "5",
        "0.5",
        "PT3H",
        "2026-11-24T00:00:00Z",
        "(none)",
        '["a","b"]',
        '{"item":"x","amount":1}',
    ]
