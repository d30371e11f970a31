"""The cached look-up of write keys: each request of the Tracking API needs one."""

import hashlib
import time
from collections.abc import Callable

from tifo.workspace.model import Catalog, Source

_FRESH_S = 0.5
"""A change in another process is seen after at most this time; the contract promises a second."""
_AGAIN_S = 0.05
"""An unknown key may have been made a moment ago, so the catalog is read again; but not for each request with one."""


class WriteKeys:
    """Looks up sources by write key in constant time, from a copy of the catalog that is at most half a second old."""

    def __init__(self, catalog: Catalog, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._catalog = catalog
        self._monotonic = monotonic
        self._sources: dict[bytes, Source] = {}
        self._read_at = float("-inf")

    def source_of(self, write_key: str) -> Source | None:
        """Blocks for a moment where it reads the catalog again."""
        # A dictionary compares texts letter by letter; the time that two digests take says nothing of the key.
        digest = hashlib.sha256(write_key.encode()).digest()
        age_s = self._monotonic() - self._read_at
        if age_s > _FRESH_S or (digest not in self._sources and age_s > _AGAIN_S):
            # A new dictionary in one step: threads that look a key up meanwhile see the old one or the new one.
            self._sources = {
                hashlib.sha256(key.encode()).digest(): source
                for source in self._catalog.sources()
                for key in source.write_keys
            }
            self._read_at = self._monotonic()
        return self._sources.get(digest)
