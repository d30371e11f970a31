"""`tifo game` as a real process: rules as text are planned, applied whole or not at all, exported, and previewed."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands import command
from tifo.app.compose import opened
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import Settings
from tifo.kernel.errors import Conflict, Rejected
from tifo.operations import game

EXAMPLES = Path(__file__).parents[2] / "examples"
FOOTBALL, STREAMING = EXAMPLES / "football-match.yaml", EXAMPLES / "streaming-season.yaml"
Call = Callable[..., Any]


class Club:
    """A data folder with one application, and `tifo game` on it."""

    def __init__(self, data: Path) -> None:
        self.tifo = LocalTifo(data)
        self.settings = Settings(data=data)
        self.app = command(self.settings, "app", "create", "Club")

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tifo", "game", *map(str, words), "--data", str(self.tifo.data)]
        return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    def json(self, *words: str | Path) -> Any:
        return json.loads(self.run(*words, "--json").stdout)

    def export(self) -> str:
        with opened(self.settings) as backend:
            return game.export(backend)

    def plan(self, file: Path) -> game.PlannedGame:
        with opened(self.settings) as backend:
            return game.plan(backend, file.read_text(), file=str(file))

    def apply(self, planned: game.PlannedGame) -> None:
        with opened(self.settings) as backend:
            game.apply(backend, planned)


@pytest.fixture
def club(tmp_path: Path) -> Club:
    return Club(tmp_path / "data")


@pytest.mark.parametrize("example", [FOOTBALL, STREAMING])
def test_an_example_is_applied_once_and_then_changes_nothing(club: Club, example: Path, tmp_path: Path) -> None:
    assert club.json("apply", example, "--yes")["applied"]
    again = club.run("apply", example, "--yes")
    assert (again.returncode, again.stdout) == (0, "No changes.\n")
    exported = club.run("export").stdout
    assert exported == club.export()
    file = tmp_path / "exported.yaml"
    file.write_text(exported)
    planned = club.run("apply", file, "--plan", "--prune")
    assert (planned.returncode, planned.stdout) == (0, "No changes.\n")


def test_one_example_takes_the_place_of_the_other_with_prune(club: Club) -> None:
    club.run("apply", FOOTBALL, "--yes")
    pruned = club.run("apply", STREAMING, "--prune", "--yes")
    assert "- reward_items.scarf" in pruned.stdout.splitlines()
    assert "scarf" not in club.export()


def test_the_plan_shows_each_change_and_without_anyone_to_ask_nothing_is_applied(club: Club, tmp_path: Path) -> None:
    club.run("apply", FOOTBALL, "--yes")
    before = club.export()
    file = tmp_path / "changed.yaml"
    file.write_text(FOOTBALL.read_text().replace("amount: 50", "amount: 60").replace("name: Cheer", "name: Sing"))
    told = club.run("apply", file)
    assert told.returncode == 1
    assert told.stdout.splitlines() == [
        "~ reward_actions.cheer",
        '    name: "Cheer" → "Sing"',
        "~ reward_tables.match-day",
        "    entries[0].amount: 50 → 60",
        "0 to create, 2 to change, 0 to archive.",
    ]
    assert "Nothing is applied" in told.stderr
    assert "--yes" in told.stderr
    planned = club.json("apply", file, "--plan")
    assert planned["applied"] is False
    assert planned["changes"][1]["fields"] == [{"path": "entries[0].amount", "old": 50, "new": 60}]
    assert club.export() == before


@pytest.mark.parametrize(("answer", "code"), [("yes\n", 0), ("no\n", 1)])
def test_on_a_terminal_it_asks(club: Club, answer: str, code: int) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tifo", "game", "apply", str(FOOTBALL), "--data", str(club.tifo.data)]
    process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    os.write(ours, answer.encode())
    assert process.wait(timeout=60) == code
    os.close(ours)
    assert ("match-day" in club.export()) is (code == 0)


def test_a_file_with_problems_changes_nothing_and_tells_them_all(club: Club, tmp_path: Path) -> None:
    before = club.export()
    file = tmp_path / "bad.yaml"
    file.write_text(
        "reward_items: {gems: {name: Gems}}\nquests:\n  q:\n    name: Q\n    tasks:\n      - {nam: x, action: no}\n"
    )
    refused = club.run("apply", file, "--yes")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"{file}: line 6: quests.q.tasks[0].nam: There is no field 'nam' here." in refused.stderr
    assert "quests.q.tasks[0].action: There is no reward action 'no'." in refused.stderr
    assert "Traceback" not in refused.stderr
    assert club.export() == before


def test_a_plan_for_a_game_that_has_changed_since_is_refused(club: Club, tmp_path: Path) -> None:
    file = tmp_path / "more.yaml"
    file.write_text("reward_items: {gems: {name: Gems}}")
    early = club.plan(file)
    file.write_text("reward_items: {coins: {name: Coins}}")
    club.apply(club.plan(file))
    before = club.export()
    with pytest.raises(Conflict, match="Plan them again"):
        club.apply(early)
    assert club.export() == before
    assert "coins" in before


def test_more_changes_than_can_be_made_at_once_are_refused(club: Club, tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    file.write_text("reward_items:\n" + "".join(f"  i{n}: {{name: Item}}\n" for n in range(game.MAX_CHANGES + 1)))
    with pytest.raises(Rejected, match="2,001 changes; at most 2,000"):
        club.plan(file)


@pytest.mark.parametrize("words", [("apply", "nowhere.yaml"), ("export", "--app", "unknown")])
def test_what_is_not_there_is_named(club: Club, words: tuple[str, ...]) -> None:
    refused = club.run(*words)
    assert refused.returncode == 2
    assert words[-1] in refused.stderr
    assert "Traceback" not in refused.stderr


def test_with_several_applications_one_has_to_be_named(club: Club) -> None:
    other = command(club.settings, "app", "create", "Other")
    refused = club.run("export")
    assert (refused.returncode, "--app" in refused.stderr) == (2, True)
    assert club.run("export", "--app", other["client_id"]).stdout.startswith("application:\n  name: Other\n")


def test_a_preview_counts_what_fans_would_have_earned(club: Club, call: Call, tmp_path: Path) -> None:
    """Four fans: 0, 1, 2 and 3 check-ins; the last one also plays the quest of the match to its end."""
    club.run("apply", FOOTBALL, "--yes")
    app, tifo = club.app, club.tifo
    with tifo.up("--roles", "api"):

        def post(path: str, **body: object) -> Any:
            url = f"{tifo.address}/api/v1/{path}"
            answer = call("POST", url, {"client_id": app["client_id"], **body}, token=app["producer_token"])
            assert answer.status == 201, answer
            return answer.body

        def invoke(fan: int, action: str) -> None:
            body = {"program_id": app["program_id"], "profile_id": fans[fan]["id"]}
            post("invoked-actions/", **body, reward_action_key=action)

        fans = [post(f"profile-by-custom-id/{app['client_id']}/fan-{n}/") for n in range(4)]
        for fan in range(4):
            for _ in range(fan):
                invoke(fan, "check-in")
        for action in ("predict-score", "vote-man-of-the-match", *["cheer"] * 10):
            invoke(3, action)
    before = club.export()
    same = rows(club.json("preview", FOOTBALL))
    assert same["points"] == {"fans_now": 3, "fans_would": 3, "total_now": 330, "total_would": 355}, "25 to be claimed"
    assert same["coins"] == {"fans_now": 3, "fans_would": 3, "total_now": 30, "total_would": 32}
    assert same["first-whistle"] == {"fans_now": 3, "fans_would": 3}
    assert same["ninety-minutes"] == {"fans_now": 0, "fans_would": 1}, "likewise"
    assert same["full-match"] == {"started_now": 1, "started_would": 1, "completed_now": 1, "completed_would": 1}

    changed = FOOTBALL.read_text().replace("amount: 50", "amount: 130")
    changed = changed.replace("action: cheer, target: 10", "action: cheer, target: 11")
    arrive = "  arrive:\n    name: Arrive\n    tasks: [{name: Arrive twice, action: check-in, target: 2}]\n"
    file = tmp_path / "changed.yaml"
    file.write_text(changed.replace("quests:\n", f"quests:\n{arrive}"))
    preview = club.json("preview", file)
    would = rows(preview)
    assert (preview["fans"], preview["actions"], preview["left_out"]) == (4, 18, [])
    assert would["points"] == {"fans_now": 3, "fans_would": 3, "total_now": 330, "total_would": 6 * 130 + 30}
    assert would["regular"] == {"fans_now": 0, "fans_would": 2}
    assert would["full-match"] == {"started_now": 1, "started_would": 1, "completed_now": 1, "completed_would": 0}
    assert would["arrive"] == {"started_now": 0, "started_would": 3, "completed_now": 0, "completed_would": 2}
    file.write_text("reward_actions: {cheer: {name: Cheer}}")
    left_out = club.json("preview", file, "--prune")["left_out"]
    assert sum(each["count"] for each in left_out) == 8
    shown = club.run("preview", FOOTBALL)
    assert "4 fans, 18 actions played again." in shown.stdout
    assert club.export() == before


def rows(preview: Any) -> dict[str, Any]:
    sections = (preview[section] for section in ("reward_items", "badges", "quests"))
    return {row.pop("key"): row for section in sections for row in section}
