from tifo.workspace.memory import InMemoryCatalog
from tifo.workspace.model import SourceType
from tifo.workspace.write_keys import WriteKeys


class Keys:
    """A look-up over a catalog, with a clock that stands still."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.catalog = InMemoryCatalog(())
        self.keys = WriteKeys(self.catalog, monotonic=lambda: self.now)

    def make(self) -> str:
        return self.catalog.create_source("Demo", SourceType.HTTP).write_key

    def knows(self, write_key: str) -> bool:
        return self.keys.source_of(write_key) in self.catalog.sources()


def test_a_write_key_made_a_moment_ago_is_found_and_a_wrong_one_is_not() -> None:
    keys = Keys()
    first = keys.make()
    assert keys.knows(first)
    assert not keys.knows("wrong")
    second = keys.make()
    keys.now += 0.06
    assert keys.knows(second)


def test_the_catalog_is_not_read_for_each_request_with_an_unknown_key() -> None:
    keys = Keys()
    assert not keys.knows("wrong")
    made = keys.make()
    keys.now += 0.04
    assert not keys.knows(made)
    keys.now += 0.02
    assert keys.knows(made)


def test_the_key_of_a_deleted_source_stops_after_half_a_second() -> None:
    keys = Keys()
    made = keys.make()
    assert keys.knows(made)
    [source] = keys.catalog.sources()
    keys.catalog.delete_source(source.id)
    assert keys.keys.source_of(made) == source
    keys.now += 0.51
    assert keys.keys.source_of(made) is None
