"""The plan says what differs, field by field, and nothing else."""

from datetime import UTC, datetime

import pytest

from tifo.documents.changes import Change, FieldChange, Verb
from tifo.engagement.commands import ApplyDefinitions
from tifo.engagement.definitions import apply
from tifo.engagement.model import Application, Game, Program, RateLimit, RewardLimit
from tifo.engagement.text.build import build
from tifo.engagement.text.describe import describe
from tifo.engagement.text.keys import Keys
from tifo.engagement.text.plan import changes
from tifo.engagement.text.read import load
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import ClientId, ProgramId, uuid7

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CLIENT = ClientId("club")
RULES = """
reward_items:
  coins: {name: Coins}
  points: {name: Points}
reward_actions:
  vote: {name: Vote}
reward_tables:
  match:
    name: Match
    entries:
      - {action: vote, item: coins, amount: 5}
      - {action: vote, item: points, amount: 7}
badges:
  fan:
    name: Fan
    progressions: [{item: coins, threshold: 10}]
quests:
  derby:
    name: Derby
    tasks:
      - {name: Arrive}
      - {name: Vote, action: vote, target: 3}
      - {name: Leave}
    rewards: [{item: coins, amount: 1}]
"""


class Club:
    """A game that files are applied to."""

    def __init__(self) -> None:
        program = Program(id=ProgramId("p"), name="Anything", created_at=NOW)
        application = Application(id=CLIENT, name="Club", default_program_id=program.id, created_at=NOW)
        self.game = Game(application, (program,))

    def plan(self, text: str, *, prune: bool = False) -> tuple[Change, ...]:
        wanted = load(text, "rules.yaml", Keys(self.game).known(prune=prune))
        return changes(describe(self.game), wanted, prune=prune)

    def apply(self, text: str, *, prune: bool = False) -> None:
        wanted = load(text, "rules.yaml", Keys(self.game).known(prune=prune))
        made = changes(describe(self.game), wanted, prune=prune)
        commands = build(self.game, wanted, made, uuid7)
        self.game, _ = apply(self.game, ApplyDefinitions(client_id=CLIENT, commands=commands), NOW, uuid7)


@pytest.fixture
def club() -> Club:
    return Club()


def test_what_is_not_there_is_created_in_an_order_in_which_each_names_earlier_ones(club: Club) -> None:
    assert [(each.verb, each.section, each.key) for each in club.plan(RULES)] == [
        (Verb.CREATE, "reward_items", "coins"),
        (Verb.CREATE, "reward_items", "points"),
        (Verb.CREATE, "reward_actions", "vote"),
        (Verb.CREATE, "reward_tables", "match"),
        (Verb.CREATE, "badges", "fan"),
        (Verb.CREATE, "quests", "derby"),
    ]


def test_applying_again_changes_nothing(club: Club) -> None:
    club.apply(RULES)
    assert club.plan(RULES) == ()
    assert club.plan(RULES, prune=True) == ()


def test_a_changed_field_is_told_with_old_and_new(club: Club) -> None:
    club.apply(RULES)
    assert club.plan(RULES.replace("amount: 5", "amount: 10").replace("name: Coins", "name: Münzen")) == (
        Change(Verb.CHANGE, "reward_items", "coins", (FieldChange("name", "Coins", "Münzen"),)),
        Change(Verb.CHANGE, "reward_tables", "match", (FieldChange("entries[0].amount", 5, 10),)),
    )


def test_a_field_that_is_taken_out_of_a_definition_goes_back_to_its_default(club: Club) -> None:
    club.apply("badges: {fan: {name: Fan, description: Loud}}")
    assert club.plan("badges: {fan: {name: Fan}}") == (
        Change(Verb.CHANGE, "badges", "fan", (FieldChange("description", "Loud", None),)),
    )


def test_what_the_file_does_not_name_is_left_alone(club: Club) -> None:
    club.apply(RULES)
    before = club.game
    club.apply("reward_items: {gems: {name: Gems}}")
    assert {d.id for d in before.definitions} < {d.id for d in club.game.definitions}
    assert club.game.application == before.application
    assert club.plan(RULES) == ()


def test_with_prune_what_the_file_does_not_name_is_archived_but_the_default_program(club: Club) -> None:
    club.apply(RULES)
    club.apply("programs: {cup: {name: Cup}}")
    assert [
        (each.verb, each.section, each.key) for each in club.plan("reward_items: {coins: {name: Coins}}", prune=True)
    ] == [
        (Verb.ARCHIVE, "quests", "derby"),
        (Verb.ARCHIVE, "badges", "fan"),
        (Verb.ARCHIVE, "reward_tables", "match"),
        (Verb.ARCHIVE, "reward_actions", "vote"),
        (Verb.ARCHIVE, "reward_items", "points"),
        (Verb.ARCHIVE, "programs", "cup"),
    ]


def test_settings_of_the_application_are_changed_where_the_file_says_them(club: Club) -> None:
    club.apply("application: {auto_claim_quest_rewards: true}")
    assert club.game.application.auto_claim_quest_rewards
    assert club.plan("application: {name: Verein, auto_claim_quest_rewards: true}") == (
        Change(Verb.CHANGE, "application", "", (FieldChange("name", "Club", "Verein"),)),
    )


def test_ids_outlive_changes_of_any_field_so_fans_keep_what_they_have(club: Club) -> None:
    club.apply(RULES)
    before = club.game
    changed = (
        RULES.replace("target: 3", "target: 4")
        .replace("name: Derby", "name: Cup")
        .replace("threshold: 10", "threshold: 9")
    )
    club.apply(changed.replace("- {name: Arrive}\n      - {name: Vote", "- {name: Come}\n      - {name: Vote"))
    assert {d.id for d in club.game.definitions} == {d.id for d in before.definitions}
    (old,), (new,) = before.quests.values(), club.game.quests.values()
    assert [task.id for task in new.tasks] == [task.id for task in old.tasks]
    assert [task.name for task in new.tasks] == ["Come", "Vote", "Leave"]


def test_tasks_stay_in_the_order_of_their_making_so_moving_one_in_the_file_changes_nothing(club: Club) -> None:
    club.apply(RULES)
    moved = RULES.replace("- {name: Arrive}\n      ", "").replace(
        "{name: Leave}", "{name: Leave}\n      - {name: Arrive}"
    )
    assert moved != RULES
    assert club.plan(moved) == ()


def test_entries_that_move_keep_their_ids(club: Club) -> None:
    club.apply(RULES)
    (old,) = club.game.reward_tables.values()
    first, second = (
        "      - {action: vote, item: coins, amount: 5}\n",
        "      - {action: vote, item: points, amount: 7}\n",
    )
    moved = RULES.replace(first + second, second + first)
    ((_, _, _, fields),) = club.plan(moved)
    assert [field.path for field in fields] == ["entries (order)"]
    club.apply(moved)
    (new,) = club.game.reward_tables.values()
    assert [entry.id for entry in new.entries] == [entry.id for entry in reversed(old.entries)]


def test_a_task_with_a_key_may_be_renamed_and_moved_at_once(club: Club) -> None:
    club.apply("quests: {q: {name: Q, tasks: [{key: a, name: One}, {key: b, name: Two}]}}")
    (old,) = club.game.quests.values()
    club.apply("quests: {q: {name: Q, tasks: [{key: b, name: One}, {key: a, name: Two}]}}")
    (new,) = club.game.quests.values()
    assert [(task.id, task.name) for task in new.tasks] == [(old.tasks[0].id, "Two"), (old.tasks[1].id, "One")]


def test_a_task_that_goes_is_archived_for_those_who_run_it(club: Club) -> None:
    club.apply(RULES)
    club.apply(RULES.replace("      - {name: Arrive}\n", ""))
    (quest,) = club.game.quests.values()
    assert [(task.name, task.archived_at) for task in quest.tasks] == [("Arrive", NOW), ("Vote", None), ("Leave", None)]
    assert club.plan(RULES.replace("      - {name: Arrive}\n", "")) == ()


def test_archived_definitions_free_their_keys(club: Club) -> None:
    club.apply(RULES)
    club.apply("reward_items: {coins: {name: Coins}}", prune=True)
    assert [each.key for each in club.plan(RULES)] == ["points", "vote", "match", "fan", "derby"]
    club.apply(RULES)
    assert club.plan(RULES, prune=True) == ()


def test_a_table_without_programs_is_linked_to_none(club: Club) -> None:
    text = "reward_tables: {t: {name: T, programs: []}}"
    club.apply(text)
    (table,) = club.game.reward_tables.values()
    assert table.program_ids == ()
    assert club.plan(text) == ()


BOARD = """
reward_items: {coins: {name: Coins}, points: {name: Points}}
leaderboards:
  season: {name: Season, item: coins, custom_id: season-26, programs: []}
"""


def test_a_leaderboard_is_made_changed_and_locked(club: Club) -> None:
    club.apply(BOARD)
    assert club.plan(BOARD) == ()
    changed = BOARD.replace("programs: []", "locked: true").replace("name: Season", "name: Table")
    ((verb, section, key, fields),) = club.plan(changed)
    assert (verb, section, key) == (Verb.CHANGE, "leaderboards", "season")
    assert [(field.path, field.old, field.new) for field in fields] == [
        ("name", "Season", "Table"),
        ("programs[0]", None, "default"),
        ("locked", False, True),
    ]
    club.apply(changed)
    assert club.plan(changed, prune=True) == ()


@pytest.mark.parametrize("changed", [("item: coins", "item: points"), ("custom_id: season-26,", "")])
def test_what_a_leaderboard_has_for_good_can_not_be_changed(club: Club, changed: tuple[str, str]) -> None:
    club.apply(BOARD)
    with pytest.raises(Rejected, match="for good"):
        club.apply(BOARD.replace(*changed))


def test_limits_and_badges_of_quests_are_applied(club: Club) -> None:
    text = """
reward_items: {coins: {name: Coins}}
reward_actions: {vote: {name: Vote}}
badges: {fan: {name: Fan}}
reward_tables:
  t:
    name: T
    entries:
      - action: vote
        item: coins
        amount: 1
        rate_limit: {times: 2, per: minute}
        reward_limit: {times: 5, per: week, timezone: Europe/Madrid}
quests:
  q: {name: Q, badges: [fan]}
"""
    club.apply(text)
    assert club.plan(text) == ()
    ((entry,),) = (table.entries for table in club.game.reward_tables.values())
    assert entry.rate_limit == RateLimit(frequency=2, unit="minute")
    assert entry.reward_limit == RewardLimit(action_limit_count=5, duration="week", timezone="Europe/Madrid")
    assert [quest.badge_ids for quest in club.game.quests.values()] == [tuple(club.game.badges)]


def test_parts_that_come_and_go_are_told_one_by_one(club: Club) -> None:
    club.apply(RULES)
    ((_, _, _, fields),) = club.plan(RULES.replace("      - {name: Arrive}\n", ""))
    assert [(field.path, field.old.name, field.new) for field in fields] == [("tasks[0]", "Arrive", None)]
    ((_, _, _, fields),) = club.plan(RULES.replace("- {name: Arrive}", "- {name: Wait}\n      - {name: Arrive}"))
    assert [(field.path, field.old, field.new.name) for field in fields] == [("tasks[0]", None, "Wait")]


def test_what_was_made_without_a_key_is_known_by_one_made_of_its_name(club: Club) -> None:
    for name in ("Über Fan!", "Über Fan?", "🎉", "Default"):
        number = len(club.game.definitions)
        club.game = club.game.with_(Program(id=ProgramId(f"p{number}"), name=name, created_at=NOW))
    assert list(describe(club.game).programs) == ["default", "über-fan", "über-fan-2", "program", "default-2"]
