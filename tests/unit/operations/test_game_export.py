"""The export of a game is whole: a game with one of everything comes back as it was."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest

from tests.twins import TwinBackend
from tifo.engagement import commands as c
from tifo.engagement.model import Attribute, Condition, Definition, Game, RateLimit, RewardLimit, SegmentTrigger
from tifo.kernel.errors import Conflict, Rejected
from tifo.kernel.ids import ClientId, SourceId
from tifo.operations import applications, game, sources

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
MADE_ANEW = {"id", "client_id", "created_at", "default_program_id"}
"""Fields that another installation makes by itself."""
NOT_LIVE = {"archived_at"}
"""An archived definition is no part of the rules: only fans still have something of it."""
ATTRIBUTES = (Attribute("colour", "yes"), Attribute("1e5", "null"))


def everything(client_id: ClientId, source_id: SourceId) -> list[c.DefinitionCommand]:
    """One definition of each kind, with every field set to another value than its default."""
    of: dict[str, Any] = {"client_id": client_id}
    ids: list[Any] = [f"0192f0c1-0000-7000-8000-00000000000{n}" for n in range(1, 6)]
    item, program, badge, quest, table = ids
    conditions = (
        Condition(property="total", operator=">=", value=1e21),
        Condition(property="code", value="1e5"),
        Condition(property="flag", value=True),
        Condition(property="seen", operator="exists", value=False),
        Condition(property="exact", value=2**60),
    )
    trigger = SegmentTrigger(
        source_id=source_id,
        event="Video: Watched",
        conditions=conditions,
        program_id=program,
        create_profiles=True,
    )
    entry = c.NewEntry(
        reward_item_id=item,
        reward_item_amount=7,
        action_key="watch",
        rate_limit=RateLimit(frequency=3, unit="hour"),
        reward_limit=RewardLimit(action_limit_count=9, duration="week", timezone="Europe/Madrid"),
    )
    made: list[Any] = [
        c.UpdateApplication(**of, name="Über: Club", automatic_quest_processing=True, auto_claim_quest_rewards=True),
        c.CreateProgram(**of, id=program, key="derby", name="The derby"),
        c.CreateRewardItem(**of, id=item, key="points", name="Points", attributes=ATTRIBUTES),
        c.CreateRewardAction(**of, key="watch", name="Watch", description="a\nb", trigger=trigger),
        c.CreateRewardTable(**of, id=table, key="match", name="Match", entries=(entry,), program_ids=(program,)),
        c.CreateBadge(
            **of,
            id=badge,
            key="fan",
            name="Fan",
            description="D",
            image_url="https://x/y.png",
            progressions=(c.NewProgression(reward_item_id=item, reward_item_threshold=5),),
            attributes=ATTRIBUTES,
        ),
        c.CreateQuest(
            **of,
            id=quest,
            key="derby-week",
            name="Derby week",
            description="D",
            started_at=NOW,
            stopped_at=NOW + timedelta(days=9),
            timeout=timedelta(hours=1, seconds=3),
            badge_ids=(badge,),
            attributes=ATTRIBUTES,
        ),
        c.AddQuestTask(
            **of,
            quest_id=quest,
            key="first",
            name="First",
            description="D",
            target_value=Decimal("2.5"),
            default_progress_increment=Decimal("0.5"),
            reward_action_key="watch",
            attributes=ATTRIBUTES,
        ),
        c.AddQuestRewards(
            **of,
            quest_id=quest,
            rewards=(c.NewQuestReward(reward_item_id=item, reward_item_amount=3),),
        ),
        c.CreateLeaderboard(
            **of,
            key="board",
            name="Board",
            reward_item_id=item,
            custom_id="b-1",
            program_ids=(program,),
            is_locked=True,
            attributes=ATTRIBUTES,
        ),
    ]
    return made


async def _handle(backend: TwinBackend, command: Any) -> None:
    async with backend.open_engine() as engine:
        await engine.handle(command)


def club(name: str, *, slug: str = "shop") -> tuple[TwinBackend, ClientId, SourceId]:
    backend = TwinBackend(clock=lambda: NOW)
    if name == "other":  # ids and order differ from the first installation's
        sources.create(backend, "Before", "http")
    made = applications.create(backend, name).application.id
    return backend, made, sources.create(backend, "Shop", "http", slug=slug).id


@pytest.fixture
def full() -> TwinBackend:
    backend, client_id, source_id = club("club")
    for command in everything(client_id, source_id):
        asyncio.run(_handle(backend, command))
    return backend


def the_game(backend: TwinBackend) -> Game:
    return backend.queries.game(backend.access.applications()[0].id)


def definitions(backend: TwinBackend) -> list[Definition]:
    found = the_game(backend)
    return [found.application, *found.definitions]


def without_ids(backend: TwinBackend) -> Any:
    """The game with names in the place of ids, so that two installations can be compared."""
    found = definitions(backend)
    names: dict[str, str] = {each.id: f"{type(each).__name__} {each.name}" for each in found}
    names |= {each.id: f"source {each.slug}" for each in backend.catalog.sources()}

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: replaced(each) for name, each in value.items() if name not in MADE_ANEW}
        if isinstance(value, list | tuple):
            return [replaced(each) for each in value]
        return names.get(value, value) if isinstance(value, str) else value

    return replaced(msgspec.to_builtins(found))


def structs(value: Any) -> Iterator[msgspec.Struct]:
    if isinstance(value, msgspec.Struct):
        yield value
        for name in value.__struct_fields__:
            yield from structs(getattr(value, name))
    elif isinstance(value, tuple | list):
        for each in value:
            yield from structs(each)


def test_the_full_game_has_one_of_every_kind_with_every_field_set(full: TwinBackend) -> None:
    found = list(structs(definitions(full)))
    assert {type(each) for each in found} >= set(get_args(Definition)), "a new kind: add it to `everything`"
    for kind in {type(each) for each in found}:
        for field in msgspec.structs.fields(kind):
            if field.required or field.name in MADE_ANEW | NOT_LIVE:
                continue
            values = [getattr(each, field.name) for each in found if type(each) is kind]
            default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
            assert any(value != default for value in values), f"{kind.__name__}.{field.name}: set it in `everything`"


def test_a_game_that_is_exported_and_applied_elsewhere_is_the_same(full: TwinBackend) -> None:
    other, _, _ = club("other")
    game.apply(other, game.plan(other, game.export(full), file="rules.yaml"))
    assert without_ids(other) == without_ids(full)
    assert not game.plan(other, game.export(full), file="rules.yaml").changes
    assert game.export(other) == game.export(full)


def test_a_trigger_is_changed_and_taken_away_by_a_file(full: TwinBackend) -> None:
    text = game.export(full)
    planned = game.plan(full, text.replace("Video: Watched", "Video: Ended"), file="rules.yaml")
    assert [(each.key, each.fields[0].path) for each in planned.changes] == [("watch", "segment.event")]
    game.apply(full, planned)
    assert the_game(full).reward_actions["watch"].trigger.event == "Video: Ended"  # type: ignore[union-attr]
    game.apply(full, game.plan(full, "reward_actions: {watch: {name: Watch}}", file="rules.yaml"))
    action = the_game(full).reward_actions["watch"]
    assert (action.type, action.trigger) == ("custom", None)


def test_a_source_that_is_not_there_is_named_with_its_line(full: TwinBackend) -> None:
    other, _, _ = club("other", slug="another")
    with pytest.raises(Rejected, match=r"line \d+: reward_actions\.watch\.segment\.source: There is no source 'shop'"):
        game.plan(other, game.export(full), file="rules.yaml")


def test_a_deleted_source_stands_by_its_id_and_changes_nothing(full: TwinBackend) -> None:
    source = sources.find(full, "shop")
    sources.delete(full, "shop")
    assert source.id in game.export(full)
    assert not game.plan(full, game.export(full), file="rules.yaml").changes


def test_an_action_does_not_listen_to_the_source_of_its_own_applications_events(full: TwinBackend) -> None:
    other, client_id, _ = club("other")
    applications.connect(other, client_id, sources.find(other, "shop").write_key, None)
    with pytest.raises(Rejected, match="could trigger itself"):
        game.plan(other, game.export(full), file="rules.yaml")


def test_the_program_of_a_trigger_is_not_archived(full: TwinBackend) -> None:
    text = game.export(full)
    rules = "reward_tables: {match: {name: Match}}\nleaderboards: {board: {name: Board, item: points, custom_id: b-1}}"
    game.apply(full, game.plan(full, rules, file="rules.yaml"))
    kept = text[: text.index("programs:")] + text[text.index("reward_items:") : text.index("reward_tables:")]
    with pytest.raises((Rejected, Conflict), match="derby"):
        game.plan(full, kept, file="rules.yaml", prune=True)
