"""Uploaded images: found by their digest, and stored once."""

import pytest

from tests.conftest import NewState
from tifo.engagement.images import Image, Images
from tifo.engagement.memory import InMemoryImages
from tifo.store.engagement.images import SqlImages


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def images(request: pytest.FixtureRequest, new_state: NewState) -> Images:
    return InMemoryImages() if request.param == "memory" else SqlImages(new_state(request.param))


def test_an_image_is_found_by_its_digest_and_never_changes(images: Images) -> None:
    image = Image(b"\x89PNG", "image/png")
    images.add("digest", image)
    images.add("digest", Image(b"other", "image/gif"))
    assert images.find("digest") == image


def test_an_unknown_image_is_not_found(images: Images) -> None:
    assert images.find("digest") is None
