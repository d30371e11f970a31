"""The contract of those who store uploaded images."""

from typing import NamedTuple, Protocol


class Image(NamedTuple):
    content: bytes
    media_type: str


class Images(Protocol):
    """Stores images by digest, so that equal images are stored once and never change. Methods block."""

    def add(self, digest: str, image: Image) -> None: ...
    def find(self, digest: str) -> Image | None: ...
