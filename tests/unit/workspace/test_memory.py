import pytest

from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import ClientId
from tifo.workspace.memory import InMemoryCatalog
from tifo.workspace.model import SourceType

APP = ClientId("app-1")


@pytest.fixture
def catalog() -> InMemoryCatalog:
    return InMemoryCatalog({APP})


def test_sources_are_listed_as_they_were_made(catalog: InMemoryCatalog) -> None:
    made = [catalog.create_source(name, SourceType.HTTP) for name in ("Demo", "Demo")]
    assert catalog.sources() == made
    assert [one.slug for one in made] == ["demo", "demo_2"]


def test_a_later_connection_replaces_the_earlier_one(catalog: InMemoryCatalog) -> None:
    key = catalog.create_source("Demo", SourceType.LIVELIKE).write_key
    catalog.connect(APP, key, None)
    second = catalog.connect(APP, "other", "https://api.segment.io/")
    assert catalog.connections() == [second]
    assert second.endpoint == "https://api.segment.io"
    assert "other" not in repr(second)


def test_an_unknown_application_is_not_found(catalog: InMemoryCatalog) -> None:
    with pytest.raises(NotFound):
        catalog.connect(ClientId("nobody"), "key", "https://api.segment.io")


def test_a_rejected_connection_leaves_the_earlier_one(catalog: InMemoryCatalog) -> None:
    first = catalog.connect(APP, "key", "https://api.segment.io")
    with pytest.raises(Rejected):
        catalog.connect(APP, "key", "nowhere")
    with pytest.raises(Rejected):
        catalog.connect(APP, "key", None)
    assert catalog.connections() == [first]
