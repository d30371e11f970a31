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


BAD_VALUES = [
    *((name, value) for name in ("flush_s", "alert_look_s") for value in ("-1", "0", "nan", "inf", "-inf", "1e999")),
    *(
        (name, value)
        for name in ("rate_limit", "log_waits_days", "log_retention_days", "max_event_tables")
        for value in ("-1", "nan", "inf", "many")
    ),
    *(("flush_events", value) for value in ("0", "-5", "1.5", "nan")),
    *(("port", value) for value in ("-1", "65536", "80000", "8100.5", "tcp://10.0.0.1:80")),
    *(("public_url", value) for value in ("tifo.example.com", "ftp://x", "http://", "http://a b", "https://x:0")),
    *(("database_url", value) for value in ("localhost/tifo", "mysql://x/y", "postgresql:tifo")),
    *(("smtp_url", value) for value in ("mail.example.com:25", "http://mail", "smtp://")),
    *(("host", value) for value in ("http://0.0.0.0", "a b", "0.0.0.0/8")),
    ("egress_allow", "10.0.0.0/99"),
    ("data", "/dev/null"),
    ("data", "/dev/null/below"),
]


@pytest.mark.parametrize(("name", "value"), BAD_VALUES)
def test_a_value_that_cannot_work_is_refused_wherever_it_stands(tmp_path: Path, name: str, value: str) -> None:
    file = tmp_path / "tifo.toml"
    variable = f"TIFO_{name.upper()}"
    with pytest.raises(Rejected, match=variable):
        load_settings({}, {variable: value}, file)
    with pytest.raises(Rejected, match=f"--{name.replace('_', '-')}"):
        load_settings({name: value}, {}, file)
    file.write_text(f'{name} = "{value}"')
    with pytest.raises(Rejected, match=f"{name} in .*tifo.toml"):
        load_settings({}, {}, file)


@pytest.mark.parametrize(
    "line", ["port = 1.9", "port = true", "flush_s = false", "host = 5", "flush_s = nan", "data = []"]
)
def test_a_value_of_another_type_in_the_file_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "tifo.toml"
    file.write_text(line)
    with pytest.raises(Rejected, match=r"tifo\.toml is"):
        load_settings({}, {}, file)


def test_the_refusal_of_a_secret_does_not_repeat_it() -> None:
    with pytest.raises(Rejected) as refused:
        load_settings({}, {"TIFO_DATABASE_URL": "hidden-word@db/tifo"})
    assert "hidden-word" not in refused.value.message


def test_an_unknown_name_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    file = tmp_path / "tifo.toml"
    with pytest.raises(Rejected, match=r"TIFO_FLUS_S is no setting\. Did you mean TIFO_FLUSH_S\?"):
        load_settings({}, {"TIFO_FLUS_S": "1"}, file)
    file.write_text("prot = 1")
    with pytest.raises(Rejected, match=r"'prot', which is no setting\. Did you mean port\?"):
        load_settings({}, {}, file)


def test_variables_of_others_and_empty_ones_are_left_alone() -> None:
    kubernetes = {"TIFO_SERVICE_HOST": "10.0.0.1", "TIFO_PORT_8100_TCP_ADDR": "10.0.0.1", "TIFO_PORT_8100_TCP": "x"}
    others = {"TIFO_TOKEN": "t", "TIFO_ACTIONS_ROUTE": "http://x", "TIFO_SUPERVISED": "1", "PATH": "/bin"}
    assert load_settings({}, {**kubernetes, **others, "TIFO_PORT": ""}).port == 8100


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x00\x01", b"port = ", b"\xef\xbb\xbfport = 'x'"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "tifo.toml"
    file.write_bytes(content)
    with pytest.raises(Rejected, match=r"tifo\.toml"):
        load_settings({}, {}, file)


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
