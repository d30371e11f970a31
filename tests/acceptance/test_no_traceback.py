"""Every command of the command line, with every kind of bad input: a clear line and a documented exit code."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from unittest.mock import patch

import pytest

from tests.postgres import PostgresServer
from tifo.app.cli.main import EXIT_CODES, FAULT, app, run

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"
TIFO = (sys.executable, "-m", "tifo")
NOT_RUN = {("demo",), ("destination", "install-actions")}
"""The first plays a match whatever it is given, the second installs packages."""
MAKERS = {
    ("up",),
    ("app", "create"),
    ("source", "create"),
    ("plan", "create"),
    ("warehouse", "add"),
    ("workspace", "apply"),
    ("workspace", "token", "create"),
    ("org", "token", "create"),
}
"""Commands that may make an installation where there is none."""


@dataclass
class Command:
    words: tuple[str, ...]
    arguments: Any

    def parameters(self) -> Iterator[tuple[str, Any, bool]]:
        """Yields name, type and whether it is positional, of each parameter that must be given."""
        for each in self.arguments:
            if each.required or (each.required is None and each.field_info.required):
                yield each.names[0] if each.names else "", each.hint, not each.names[0].startswith("-")

    def given(self, texts: str, files: str) -> list[str]:
        words: list[str] = []
        for name, kind, positional in self.parameters():
            value = files if kind is Path else "1" if kind in {int, float} else texts
            if get_origin(kind) is Literal:
                value = get_args(kind)[0]
            words += [value] if positional else [name, value]
        return [*self.words, *words]

    def takes(self, flag: str) -> bool:
        return any(flag in each.names for each in self.arguments)


def every_command(group: Any = app, words: tuple[str, ...] = ()) -> Iterator[Command]:
    for name in group:
        if name.startswith("-"):
            continue
        found = group[name]
        if found.default_command is None:
            yield from every_command(found, (*words, name))
        elif (*words, name) not in NOT_RUN:
            yield Command((*words, name), found.assemble_argument_collection())


COMMANDS = list(every_command())
WITH_STATE = [each for each in COMMANDS if each.takes("--data") and each.words != ("up",)]
by_words = pytest.mark.parametrize("command", COMMANDS, ids=lambda each: "-".join(each.words))
with_state = pytest.mark.parametrize("command", WITH_STATE, ids=lambda each: "-".join(each.words))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "garbage").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "text").write_text("not: [a, document")
    return tmp_path


@pytest.fixture
def club(folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """An installation with one application and one source."""
    assert run(["app", "create", "Club"]) == 0
    assert run(["source", "create", "Web", "--type", "http"]) == 0
    capsys.readouterr()
    return folder


def ends_well(capsys: pytest.CaptureFixture[str], words: Sequence[str]) -> tuple[int, str]:
    code = run([str(word) for word in words])
    printed = capsys.readouterr()
    assert code in EXIT_CODES, words
    assert code != FAULT, printed.err
    assert "Traceback" not in printed.out + printed.err
    assert code == 0 or printed.out or re.search("^tifo: ", printed.err, re.MULTILINE), words
    return code, printed.err


@pytest.mark.usefixtures("folder")
@by_words
def test_a_command_without_its_arguments_names_what_is_missing(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    if not list(command.parameters()):
        return
    code, said = ends_well(capsys, command.words)
    assert (code, "equires" in said) == (2, True), said


@pytest.mark.usefixtures("folder")
@by_words
def test_an_unknown_flag_is_refused(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ends_well(capsys, [*command.given("x", "garbage"), "--no-such-flag", "1"])
    assert (code, "no-such-flag" in said) == (2, True)


@pytest.mark.usefixtures("club")
@pytest.mark.parametrize(
    ("text", "file"),
    [
        *(
            (text, "text")
            for text in ("no-such-thing", "", "x" * 5_000, "a\tb\x1b[1m", "' OR 1=1 --", "é\N{PILE OF POO}")
        ),
        *(("web", file) for file in ("garbage", "no-such-file", ".", "/proc/self/mem", "x" * 300)),
    ],
    ids=lambda each: repr(each)[:12],
)
def test_any_command_survives_any_argument(capsys: pytest.CaptureFixture[str], text: str, file: str) -> None:
    for command in WITH_STATE:
        ends_well(capsys, command.given(text, file))


@with_state
def test_a_data_folder_that_is_a_file_is_named(
    command: Command, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = ends_well(capsys, [*command.given("x", "garbage"), "--data", "garbage"])
    assert (code, f"{folder}/garbage is a file" in said) == (2, True), said


@pytest.mark.usefixtures("folder")
@with_state
def test_a_folder_that_cannot_be_made_is_named(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ends_well(capsys, [*command.given("postgres", "garbage"), "--data", "/proc/nowhere/tifo"])
    assert code == 2
    assert "/proc/nowhere" in said or command.words in {("warehouse", "add"), ("workspace", "apply")}, said


@with_state
def test_a_state_that_is_no_database_is_named(
    command: Command, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "tifo-data").mkdir()
    (folder / "garbage").rename(folder / "tifo-data" / "tifo.db")
    (folder / "text").write_text("{}")
    code, said = ends_well(capsys, command.given("x", "text"))
    assert code == 2
    # An argument that is refused before the state is opened is named first.
    assert "is no database" in said or list(command.parameters()) or command.words == ("workspace", "apply"), said


@with_state
def test_a_command_in_the_wrong_folder_makes_none_and_says_where_it_looked(
    command: Command, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if command.words in MAKERS:
        return
    code, said = ends_well(capsys, command.given("x", "text"))
    assert code == 2
    assert f"{folder}/tifo-data" in said
    assert "--data" in said
    assert not (folder / "tifo-data").exists()


def test_planning_a_workspace_makes_no_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "w.yaml").write_text("sources: {web: {name: Web, type: http}}")
    assert ends_well(capsys, ["workspace", "apply", "w.yaml", "--plan"])[0] == 2
    assert not (folder / "tifo-data").exists()


@pytest.mark.usefixtures("club")
@pytest.mark.parametrize("words", [["source", "list"], ["audit"], ["app", "list"], ["game", "export"], ["--help"]])
def test_a_reader_that_ends_early_changes_nothing(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([*TIFO, *words], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, "rror" in done.stderr) == (0, False), done.stderr


@pytest.mark.usefixtures("club")
@pytest.mark.parametrize("words", [["source", "list"], ["workspace", "export"], ["source", "list", "--json"]])
def test_a_full_disk_under_the_output_is_told(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*TIFO, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (75, 1), done.stderr
    assert "No space left" in done.stderr


def test_a_command_without_any_output_or_input_works(club: Path) -> None:
    shell = f"{' '.join(TIFO)} workspace apply w.yaml <&- >&- 2>&-"
    (club / "w.yaml").write_text("sources: {shop: {name: Shop, type: http}}")
    assert subprocess.run(["sh", "-c", shell], check=False).returncode == 1


def test_ctrl_c_in_a_long_command_is_one_line(club: Path) -> None:
    (club / "waits.py").write_text(
        "import os, signal, sys\nfrom tifo.app.cli import main\n"
        "main.app.command(lambda: os.kill(os.getpid(), signal.SIGINT), name='wait')\nmain.main()\n"
    )
    done = subprocess.run([sys.executable, "waits.py", "wait"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "tifo: interrupted.\n")


@pytest.mark.usefixtures("club")
def test_a_fault_of_tifos_is_one_line_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    with patch("tifo.operations.applications.listed", side_effect=ZeroDivisionError("by zero")):
        assert run(["app", "list"]) == FAULT
    said = capsys.readouterr().err
    assert "ZeroDivisionError: by zero" in said
    assert said.count("\n") == 1


def test_a_database_that_cannot_be_used_is_named_with_the_reason(
    postgres: PostgresServer, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = postgres.new_database()
    postgres.run("CREATE ROLE reader LOGIN")
    for url, reason in (
        (postgres.url("no_such_database"), 'database "no_such_database" does not exist'),
        (postgres.url("postgres", "stranger"), 'role "stranger" does not exist'),
        (good, "There is no Tifo in 127.0.0.1"),
    ):
        monkeypatch.setenv("TIFO_DATABASE_URL", url)
        code, said = ends_well(capsys, ["source", "list"])
        assert (code, reason in said, "Send this again" in said) == (2, True, False), said
    assert postgres.run("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", good) == "0"
    assert ends_well(capsys, ["app", "create", "Club"])[0] == 0
    monkeypatch.setenv("TIFO_DATABASE_URL", good.replace("postgres@", "reader@"))
    code, said = ends_well(capsys, ["source", "list"])
    assert (code, "permission denied" in said) == (2, True), said
    assert not (folder / "tifo-data").exists()


def test_every_exit_code_is_documented() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", DOCS.read_text(), re.MULTILINE)}
    assert documented == set(EXIT_CODES)
