"""Where an installation says that it is."""

from pathlib import Path

from tifo.app.compose import note_address, own_address, public_address
from tifo.app.settings import Settings


def test_a_command_finds_the_address_at_which_the_api_of_the_folder_answers(tmp_path: Path) -> None:
    note_address(Settings(data=tmp_path, port=9123, host="0.0.0.0"))  # noqa: S104 (compared, not bound)
    assert public_address(Settings(data=tmp_path)) == "http://127.0.0.1:9123"
    note_address(Settings(data=tmp_path, port=9123, public_url="https://tifo.example.com/"))
    assert public_address(Settings(data=tmp_path)) == "https://tifo.example.com"


def test_a_public_url_of_the_commands_own_settings_wins(tmp_path: Path) -> None:
    note_address(Settings(data=tmp_path, port=9123))
    assert public_address(Settings(data=tmp_path, public_url="https://mine/")) == "https://mine"


def test_without_a_node_the_settings_say_where_it_will_be(tmp_path: Path) -> None:
    assert public_address(Settings(data=tmp_path, port=8200)) == "http://127.0.0.1:8200"


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert own_address(Settings(host="::1", port=8100)) == "http://[::1]:8100"
