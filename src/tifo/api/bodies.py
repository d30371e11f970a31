"""Decides whether a Tracking API request's body is compressed, and decompresses it within the limit. Pure."""

import zlib
from collections.abc import Mapping

from tifo.kernel.errors import Rejected, TooLarge
from tifo.tracking.limits import MAX_BODY_BYTES

# Segment's Python client compresses on request, RudderStack's by default. None uses another encoding than gzip.
_PLAIN = frozenset((b"identity", b""))


def is_gzip(headers: Mapping[bytes, bytes]) -> bool:
    """Raises `Rejected` for any other encoding than gzip and none."""
    encoding = headers.get(b"content-encoding")
    if encoding is None:
        return False
    name = encoding.strip().lower()
    if name == b"gzip" or name in _PLAIN:
        return name == b"gzip"
    raise Rejected(f"Content-Encoding {name.decode(errors='replace')!r:.40} is not known. Send gzip or none.")


def gunzip(body: bytes, limit_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Raises `Rejected` for a damaged gzip, `TooLarge` for one that is larger than a body may be."""
    # zlib stops one byte behind the limit: a small body that inflates to gigabytes never gets its memory.
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = inflater.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise Rejected(f"The body is no gzip: {error}. Leave Content-Encoding out, or compress it.") from error
    if len(content) > limit_bytes:
        raise batch_too_large()
    if not inflater.eof:
        raise Rejected("The gzip body ends too early. Send it whole.")
    # Dropped in silence, the events in a second stream would be lost.
    if inflater.unused_data:
        raise Rejected("The gzip body has bytes behind its end. Send one gzip stream, and nothing else.")
    return content


def batch_too_large(_read_bytes: int = 0) -> TooLarge:
    return TooLarge(
        f"The body is larger than {MAX_BODY_BYTES:,} bytes (decompressed). Send smaller batches.",
        code="payload_too_large",
    )
