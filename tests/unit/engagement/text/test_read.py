"""A file of rules is refused with all that is wrong with it, each with its place, value and remedy."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tifo.documents.read import MAX_REPORTED
from tifo.documents.tree import MAX_BYTES, MAX_DEPTH
from tifo.engagement.definitions import MAX_PARTS
from tifo.engagement.text.document import ActionText, QuestText, RewardText, TaskText
from tifo.engagement.text.read import load
from tifo.kernel.errors import Rejected

KNOWN = {"programs": {"default"}, "reward_items": {"coins"}, "reward_actions": {"check-in"}}


def limited(limit: str) -> str:
    return f"reward_tables: {{t: {{name: x, entries: [{{action: check-in, item: coins, amount: 1, {limit}}}]}}}}"


def refused(text: str) -> str:
    with pytest.raises(Rejected) as error:
        load(text, "rules.yaml", KNOWN)
    return error.value.message


def test_every_type_of_value_is_read() -> None:
    document = load(
        """
        application: {auto_claim_quest_rewards: true}
        reward_actions:
          vote: {name: "2026", description: yes}
        quests:
          derby:
            name: Derby
            started_at: 2026-11-24T20:00:00+01:00
            timeout: PT1H30M
            tasks:
              - {name: Vote, action: vote, target: 3, increment: 0.5}
              - {name: Arrive, action: check-in}
            rewards: [{item: coins, amount: 9007199254740991}]
        """,
        "rules.yaml",
        KNOWN,
    )
    assert document.application.written_fields() == {"auto_claim_quest_rewards": True}
    assert document.reward_actions == {"vote": ActionText(name="2026", description="yes")}
    assert document.quests["derby"] == QuestText(
        name="Derby",
        started_at=datetime(2026, 11, 24, 19, tzinfo=UTC),
        timeout=timedelta(minutes=90),
        tasks=(
            TaskText(name="Vote", action="vote", target=Decimal(3), increment=Decimal("0.5")),
            TaskText(name="Arrive", action="check-in"),
        ),
        rewards=(RewardText(item="coins", amount=2**53 - 1),),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "The file holds nothing."),
        ("# only a comment", "The file holds nothing."),
        ("- a", "line 1: a list is not a mapping with fields such as application, programs, reward_items."),
        ("badges: [", "line 2: This is no YAML: while parsing a flow node, did not find expected node content."),
        ("badges: \x01", "This is no YAML: unacceptable character #x0001: control characters are not allowed."),
        ("badges: {}\n---\nquests: {}", "line 3: A second document begins. Keep one in a file."),
        ("badges: []", "line 1: badges: a list is not a mapping from keys."),
        ("badges:\n  b: Welcome", "line 2: badges.b: 'Welcome' is not a mapping with fields such as name, "),
        ("badges: {b: {}}", "line 1: badges.b.name: name is missing. Write it."),
        ("badges: {b: {name: ~}}", "line 1: badges.b.name: name is missing. Write it."),
        ('badges: {b: {name: " "}}', "line 1: badges.b.name: name is empty. Send a text."),
        (f"badges: {{b: {{name: {'x' * 256}}}}}", "badges.b.name: name has 256 characters; at most 255 are accepted."),
        ("badges: {b: {name: 7}}", "badges.b.name: '7' is not a text. Put it in quotes: \"7\"."),
        ("badges: {b: {name: true}}", "badges.b.name: 'true' is not a text. Put it in quotes: \"true\"."),
        ('badges: {b: {name: "\\0"}}', "badges.b.name: '\\x00' is not a text that can be stored."),
        ("badges: {b: {name: [x]}}", "badges.b.name: a list is not a text."),
        ('badges: {"": {name: x}}', "line 1: badges.: key is empty. Send a text."),
        ("badges: {[a]: {name: x}}", "line 1: badges: A key is no text. Write `key: value`."),
        ("bages: {}", "line 1: bages: There is no field 'bages' here. Did you mean 'badges'?"),
        ("badges: {b: {name: x, zzz: 1}}", "badges.b.zzz: There is no field 'zzz' here. Known are name, description,"),
        ("badges:\n  b: {name: x}\n  b: {name: y}", "line 3: badges.b: The key is here twice (line 2). Keep one."),
        ('badges: {"\\e[2J": {}}', "badges.'\\x1b[2J'.name: name is missing. Write it."),
        ("badges: &all {}", "line 1: badges: &all is an anchor. Remove it."),
        ("badges: *all", "line 1: badges: *all is an alias. Write the value out."),
        ("badges: !!python/object:os.system {}", "python/object:os.system' is a tag. Remove it."),
        ("application: {auto_claim_quest_rewards: yes}", "'yes' is not true or false."),
        ("quests: {q: {name: x, tasks: {}}}", "quests.q.tasks: a mapping is not a list."),
        ("quests: {q: {name: x, tasks: [x]}}", "quests.q.tasks[0]: 'x' is not a mapping with fields such as key, name"),
        ("quests: {q: {name: x, tasks: [{name: x, target: two}]}}", "quests.q.tasks[0].target: 'two' is not a number"),
        ("quests: {q: {name: x, tasks: [{name: x, target: 0}]}}", "tasks[0].target: target is 0. Write a number above"),
        ("quests: {q: {name: x, tasks: [{name: x, target: .inf}]}}", "tasks[0].target: '.inf' is not a number such as"),
        ("quests: {q: {name: x, tasks: [{name: x, target: 0.0000000001}]}}", "has more than 9 decimals."),
        ("quests: {q: {name: x, started_at: 2026-01-01}}", "started_at: '2026-01-01' is not a time with its zone,"),
        ("quests: {q: {name: x, started_at: 2026-01-01T00:00:00}}", "is not a time with its zone, such as 2026-"),
        ("quests: {q: {name: x, timeout: 3h}}", "quests.q.timeout: '3h' is not a duration, such as PT90M or P7D."),
        ("quests: {q: {name: x, timeout: PT0S}}", "timeout: 'PT0S' is not longer than nothing and at most 3660 days"),
        (
            "quests: {q: {name: x, started_at: 2026-01-02T00:00:00Z,\n stopped_at: 2026-01-01T00:00:00Z}}",
            "line 2: quests.q.stopped_at: stopped_at is not after started_at. Write a later time, or leave it out.",
        ),
        ("quests: {q: {name: x, rewards: [{item: coins, amount: 0}]}}", "amount is 0. Send a whole number from 1"),
        ("quests: {q: {name: x, rewards: [{item: coins, amount: 1.5}]}}", "'1.5' is not a whole number from 1"),
        ('quests: {q: {name: x, rewards: [{item: coins, amount: "5"}]}}', "without quotes."),
        ("quests: {q: {name: x, rewards: [{amount: 5}]}}", "quests.q.rewards[0].item: item is missing. Write it."),
        (
            "quests: {derby: {name: x, tasks: [{name: x, action: chek-in}]}}",
            "quests.derby.tasks[0].action: There is no reward action 'chek-in'. Did you mean 'check-in'?",
        ),
        (
            "quests: {q: {name: x, tasks: [{key: a, name: x}, {key: a, name: y}]}}",
            "q.tasks: Two tasks have the same key.",
        ),
        ("badges: {b: {name: x}}\nquests: {q: {name: x, badges: [b, b]}}", "q.badges[1]: 'b' is here twice. Keep one."),
        (
            limited("rate_limit: {times: 1, per: year}"),
            "rate_limit.per: per is 'year'. Write one of second, minute, hour",
        ),
        (limited("rate_limit: {times: 0, per: day}"), "rate_limit.times: times is 0. Write a whole number from 1 to"),
        (limited("reward_limit: {times: 1, per: day, timezone: Mars}"), "'Mars' is no time zone. Write one such as"),
        (
            "reward_tables: {t: {name: x, programs: [xyz]}}",
            "t.programs[0]: There is no program 'xyz'. Add it under programs, or name another.",
        ),
        ("reward_tables: {t: {name: x, programs: [default, default]}}", "programs[1]: 'default' is here twice. Keep"),
    ],
)
def test_bad_text_is_told_with_file_line_path_value_and_remedy(text: str, told: str) -> None:
    message = refused(text)
    assert message.startswith("rules.yaml: ")
    assert told in message


def test_all_problems_are_told_at_once_in_the_order_of_lines() -> None:
    message = refused(
        "badges:\n  b: {nam: x}\nquests:\n  q: {name: 3, timeout: x}\n  r: {name: r, rewards: [{item: x}]}"
    )
    assert [line.removeprefix("rules.yaml: ").split(": ")[:2] for line in message.splitlines()] == [
        ["line 2", "badges.b.nam"],
        ["line 2", "badges.b.name"],
        ["line 4", "quests.q.name"],
        ["line 4", "quests.q.timeout"],
        ["line 5", "quests.r.rewards[0].amount"],
        ["line 5", "quests.r.rewards[0].item"],
    ]


def test_a_definition_with_problems_is_none_for_those_that_name_it() -> None:
    message = refused(
        "reward_items: {gems: {name: 3}}\nbadges: {b: {name: B, progressions: [{item: gems, threshold: 1}]}}"
    )
    assert message == "rules.yaml: line 1: reward_items.gems.name: '3' is not a text. Put it in quotes: \"3\"."


def test_a_message_stays_short_however_many_problems_there_are() -> None:
    lines = refused("badges:\n" + "".join(f"  b{n}: {{}}\n" for n in range(MAX_REPORTED + 1_000))).splitlines()
    assert len(lines) == MAX_REPORTED + 1
    assert lines[-1] == "rules.yaml: and 1,000 more problems."


def test_size_depth_and_length_are_bounded() -> None:
    assert f"at most {MAX_BYTES:,} are read" in refused("#" * (MAX_BYTES + 1))
    assert f"more than {MAX_DEPTH} deep" in refused("[" * 100_000)
    parts = ", ".join(["{item: coins, amount: 1}"] * (MAX_PARTS + 1))
    assert "rewards has 1,001 parts; at most 1,000 are allowed." in refused(
        f"quests: {{q: {{name: x, rewards: [{parts}]}}}}"
    )


def test_aliases_are_not_followed_so_a_bomb_stays_small() -> None:
    bomb = "a: &a [x]\n" + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert "*a is an alias. Write the value out." in refused(bomb)
