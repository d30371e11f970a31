import asyncio
from typing import Any

import pytest

from tests.twins import TwinBackend
from tifo.documents.changes import Verb
from tifo.engagement.commands import Command, CreateProfile, InvokeAction
from tifo.engagement.model import Application
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.operations import applications, game
from tifo.operations.game import NotReplayed, NowAndWould, PreviewedBadge, PreviewedItem, PreviewedQuest

FILE = "rules.yaml"
RULES = """\
reward_items:
  points: {name: Points}
reward_actions:
  vote: {name: Vote}
reward_tables:
  votes:
    name: Votes
    entries: [{action: vote, item: points, amount: 5}]
badges:
  ten:
    name: Ten
    progressions: [{item: points, threshold: 10}]
quests:
  loyal:
    name: Loyal
    tasks: [{name: Vote twice, action: vote, target: 2}]
"""


@pytest.fixture
def club(backend: TwinBackend) -> Application:
    return applications.create(backend, "Club").application


def apply(backend: TwinBackend, text: str, **options: Any) -> game.PlannedGame:
    planned = game.plan(backend, text, file=FILE, **options)
    game.apply(backend, planned)
    return planned


def play(backend: TwinBackend, club: Application, votes: int) -> None:
    """One fan votes."""

    async def run() -> None:
        async with backend.open_engine() as engine:

            def ask(command: Command[Any]) -> Any:
                return engine.handle(command)

            fan = await ask(CreateProfile(client_id=club.id, custom_id=f"fan of {votes}"))
            for _ in range(votes):
                await ask(
                    InvokeAction(
                        client_id=club.id,
                        program_id=club.default_program_id,
                        reward_action_key="vote",
                        profile_id=fan.id,
                    )
                )

    asyncio.run(run())


def test_rules_are_planned_without_a_change_then_applied_and_exported(backend: TwinBackend, club: Application) -> None:
    before = game.export(backend)
    planned = game.plan(backend, RULES, file=FILE)
    assert {each.verb for each in planned.changes} == {Verb.CREATE}
    assert game.export(backend, club.id) == before
    game.apply(backend, planned)
    assert game.plan(backend, RULES, file=FILE).changes == ()
    assert game.plan(backend, game.export(backend), file=FILE, prune=True).changes == ()


def test_what_a_text_does_not_name_stays_unless_it_prunes(backend: TwinBackend, club: Application) -> None:
    apply(backend, RULES)
    other = "reward_items: {coins: {name: Coins}}"
    assert [each.key for each in game.plan(backend, other, file=FILE).changes] == ["coins"]
    apply(backend, other, application=club.id, prune=True)
    assert "points" not in game.export(backend)


def test_a_plan_for_a_game_that_has_changed_since_is_refused(backend: TwinBackend, club: Application) -> None:
    assert club.name == "Club"
    early = game.plan(backend, RULES, file=FILE)
    apply(backend, "reward_items: {coins: {name: Coins}}")
    before = game.export(backend)
    with pytest.raises(Conflict):
        game.apply(backend, early)
    assert game.export(backend) == before


def test_all_problems_of_a_text_are_named_with_its_file(backend: TwinBackend, club: Application) -> None:
    with pytest.raises(Rejected) as refused:
        game.plan(backend, "badges: {b: {nam: x}}\nquests: {q: {tasks: 1}}", file=FILE, application=club.id)
    assert refused.value.message.count(FILE) > 1


@pytest.mark.usefixtures("club")
def test_more_changes_than_can_be_made_at_once_are_refused(backend: TwinBackend) -> None:
    text = "reward_items:\n" + "".join(f"  i{n}: {{name: Item}}\n" for n in range(game.MAX_CHANGES + 1))
    with pytest.raises(Rejected, match="2,001 changes; at most 2,000"):
        game.plan(backend, text, file=FILE)


def test_the_application_is_named_where_there_is_not_one_alone(backend: TwinBackend) -> None:
    with pytest.raises(Rejected, match="tifo app create"):
        game.export(backend)
    first = applications.create(backend, "First").application
    assert "First" in game.export(backend)
    applications.create(backend, "Second")
    with pytest.raises(Rejected, match="--app"):
        game.export(backend)
    assert "First" in game.export(backend, first.id)
    with pytest.raises(NotFound):
        game.export(backend, "nowhere")


def test_a_preview_counts_what_fans_have_and_would_have_earned(backend: TwinBackend, club: Application) -> None:
    apply(backend, RULES)
    for votes in (0, 1, 2):
        play(backend, club, votes)
    before = game.export(backend)
    seen: list[tuple[int, int]] = []
    planned = game.plan(backend, RULES.replace("amount: 5", "amount: 10"), file=FILE)
    previewed = game.preview(backend, planned, lambda done, of: seen.append((done, of)))
    assert (previewed.client_id, previewed.fans, previewed.actions, seen) == (club.id, 3, 3, [(3, 3)])
    assert previewed.reward_items == [PreviewedItem("points", NowAndWould(2, 2), NowAndWould(15, 30))]
    assert previewed.badges == [PreviewedBadge("ten", NowAndWould(1, 2))]
    assert previewed.quests == [PreviewedQuest("loyal", NowAndWould(0, 0), NowAndWould(0, 0))]
    assert previewed.left_out == []
    assert game.export(backend) == before


def test_a_preview_starts_a_new_quest_with_the_first_action_that_counts(
    backend: TwinBackend, club: Application
) -> None:
    old, _, quests = RULES.partition("quests:")
    apply(backend, old)
    play(backend, club, 2)
    (quest,) = game.preview(backend, game.plan(backend, f"quests:{quests}", file=FILE)).quests
    assert quest == PreviewedQuest("loyal", NowAndWould(0, 1), NowAndWould(0, 1))


def test_actions_that_the_new_rules_do_not_have_are_left_out(backend: TwinBackend, club: Application) -> None:
    apply(backend, RULES)
    play(backend, club, 2)
    planned = game.plan(backend, "reward_actions: {cheer: {name: Cheer}}", file=FILE, prune=True)
    (left_out,) = game.preview(backend, planned).left_out
    assert left_out == NotReplayed("actions 'vote', which these rules do not have", 2)
