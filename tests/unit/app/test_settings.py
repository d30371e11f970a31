from dataclasses import fields
from pathlib import Path

import pytest

from tifo.app.cli.main import app
from tifo.app.demo.script import expected_rows, write_script
from tifo.app.roles.supervisor import pause_s
from tifo.app.settings import Settings, load_settings
from tifo.kernel.errors import Rejected

DOCS = Path(__file__).parents[3] / "docs" / "settings.md"


def test_a_flag_wins_over_a_variable_over_the_file_over_the_default(tmp_path: Path) -> None:
    file = tmp_path / "tifo.toml"
    file.write_text("port = 1\nhost = 'file'\nflush_s = 9\n")
    settings = load_settings({"port": 3, "host": None}, {"TIFO_PORT": "2", "TIFO_HOST": "variable"}, file)
    assert (settings.port, settings.host, settings.flush_s) == (3, "variable", 9.0)
    assert settings.flush_events == 50_000


@pytest.mark.parametrize(
    ("env", "content", "named"),
    [({"TIFO_PORT": "many"}, "", "TIFO_PORT"), ({}, "prot = 1", "prot"), ({}, "port = ", "tifo.toml")],
)
def test_a_bad_setting_is_named(tmp_path: Path, env: dict[str, str], content: str, named: str) -> None:
    file = tmp_path / "tifo.toml"
    file.write_text(content)
    with pytest.raises(Rejected, match=named):
        load_settings({}, env, file)


def test_settings_come_back_from_their_flags() -> None:
    settings = Settings(port=1, data=Path("elsewhere"))
    words = settings.as_flags()
    assert dict(zip(words[::2], words[1::2], strict=True)) == {"--data": "elsewhere", "--port": "1"}


def test_every_setting_is_a_flag_of_tifo_up_with_its_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    app(["up", "--help"], result_action="return_value")
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for known in fields(Settings):
        assert f"--{known.name.replace('_', '-')} " in printed
        assert known.metadata["meaning"].split()[0] in printed


def test_the_documents_table_has_every_setting_with_its_meaning_and_default() -> None:
    text = DOCS.read_text()
    for known in fields(Settings):
        assert f"| `{known.name}` | `{known.default}` | {known.metadata['meaning']} |" in text


def test_a_role_that_keeps_dying_waits_longer_each_time_up_to_a_limit() -> None:
    pauses = [pause_s(failures) for failures in range(1, 20)]
    assert pauses[0] == 0
    assert pauses == sorted(pauses)
    assert pauses[-1] == 10


def test_the_demos_script_is_the_same_for_the_same_seed() -> None:
    assert write_script(50, 3) == write_script(50, 3)
    assert write_script(50, 3) != write_script(50, 4)
    assert all(count > 0 for count in expected_rows(write_script(50, 3)).values())
