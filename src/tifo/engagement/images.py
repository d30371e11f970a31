"""What keeps uploaded images."""

from typing import NamedTuple, Protocol


class Image(NamedTuple):
    content: bytes
    media_type: str


class Images(Protocol):
    """Methods block. An image is found by its digest, so the same one is kept once and never changes."""

    def keep(self, digest: str, image: Image) -> None: ...
    def find(self, digest: str) -> Image | None: ...
