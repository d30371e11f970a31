from pathlib import Path

from tifo.app.roles.holding import holder_of
from tifo.app.settings import Settings


def test_a_folders_next_process_has_the_name_of_the_one_that_ended(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    with holder_of(settings, "relay") as first:
        pass
    with holder_of(settings, "relay") as second:
        assert second == first
        assert second.inherits


def test_a_second_process_of_a_folder_has_a_name_of_its_own_and_inherits_nothing(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    with holder_of(settings, "relay") as first, holder_of(settings, "relay") as second:
        assert second.name != first.name
        assert (first.inherits, second.inherits) == (True, False)


def test_roles_and_folders_have_different_names(tmp_path: Path) -> None:
    one, two = Settings(data=tmp_path / "one"), Settings(data=tmp_path / "two")
    with holder_of(one, "relay") as a, holder_of(one, "deliverer") as b, holder_of(two, "relay") as c:
        assert len({a.name, b.name, c.name}) == 3
        assert a.inherits
        assert b.inherits
        assert c.inherits
