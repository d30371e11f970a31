import pytest

from tests.twins import TwinBackend
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.operations import sources
from tifo.workspace.model import SourceChange
from tifo.workspace.tokens import Role


def test_a_source_is_found_by_slug_and_by_id(backend: TwinBackend) -> None:
    made = sources.create(backend, "Web Shop", "http")
    assert sources.find(backend, "web_shop") == sources.find(backend, made.id) == made
    with pytest.raises(NotFound):
        sources.find(backend, "Web Shop")


def test_an_unknown_kind_makes_no_source(backend: TwinBackend) -> None:
    with pytest.raises(NotFound):
        sources.create(backend, "Shop", "carrier-pigeon")
    assert sources.listed(backend) == []


def test_a_viewer_sees_no_write_key(backend: TwinBackend) -> None:
    made = sources.create(backend, "Shop", "http")
    assert sources.visible_write_keys(made, Role.VIEWER) == ()
    assert [each.key for each in sources.visible_write_keys(made, Role.EDITOR)] == [made.write_key]


def test_setup_instructions_hold_the_write_key_and_the_public_address(backend: TwinBackend) -> None:
    made = sources.create(backend, "Shop", "http")
    instructions = sources.setup(backend, "shop").instructions
    assert made.write_key in instructions
    assert "https://tifo.example/v1/track" in instructions


def test_a_source_without_a_write_key_has_no_setup(backend: TwinBackend) -> None:
    made = sources.create(backend, "Shop", "http")
    sources.change(backend, "shop", SourceChange(enabled=False))
    sources.remove_write_key(backend, "shop", made.write_key)
    with pytest.raises(Rejected, match="source key create shop"):
        sources.setup(backend, "shop")


def test_the_last_write_key_of_an_enabled_source_stays(backend: TwinBackend) -> None:
    made = sources.create(backend, "Shop", "http")
    with pytest.raises(Conflict):
        sources.remove_write_key(backend, "shop", made.write_key)
    assert sources.create_write_key(backend, "shop").write_keys[0] == made.write_key


def test_deleting_tells_what_the_source_was(backend: TwinBackend) -> None:
    made = sources.create(backend, "Shop", "http")
    assert sources.delete(backend, "shop") == sources.DeletedSource(made, [])
    assert sources.listed(backend) == []
