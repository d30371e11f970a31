"""Uploaded images in memory."""

from tifo.engagement.images import Image


class InMemoryImages:
    """Implements `engagement.images.Images`."""

    def __init__(self) -> None:
        self._images: dict[str, Image] = {}

    def add(self, digest: str, image: Image) -> None:
        self._images.setdefault(digest, image)

    def find(self, digest: str) -> Image | None:
        return self._images.get(digest)
