"""Reads the body of a Tracking API request: plain, or compressed with gzip."""

import zlib
from collections.abc import Mapping

from tifo.kernel.errors import Rejected, TooLarge
from tifo.tracking.limits import MAX_BODY_BYTES
from tifo.web.asgi import Receive, read_body

_PLAIN = frozenset((b"identity", b""))


async def read_message_body(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """Returns the body decompressed. Neither the compressed nor the decompressed bytes are held beyond the limit.

    Raises `Rejected` for another encoding or a damaged gzip, `TooLarge`, or `ClientDisconnected`.
    """
    encoding = headers.get(b"content-encoding")
    is_gzip = encoding is not None and _is_gzip(encoding)
    try:
        body = await read_body(receive, MAX_BODY_BYTES)
    except TooLarge as error:
        raise _too_large() from error
    return _gunzip(body) if is_gzip else body


def _is_gzip(encoding: bytes) -> bool:
    name = encoding.strip().lower()
    if name == b"gzip":
        return True
    if name in _PLAIN:
        return False
    raise Rejected(f"Content-Encoding {name.decode(errors='replace')!r:.40} is not known. Send gzip or none.")


def _gunzip(body: bytes) -> bytes:
    # zlib stops one byte behind the limit: a small body that inflates to gigabytes never gets its memory.
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = inflater.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise Rejected(f"The body is no gzip: {error}. Leave Content-Encoding out, or compress it.") from error
    if len(content) > MAX_BODY_BYTES:
        raise _too_large()
    if not inflater.eof:
        raise Rejected("The gzip body ends too early. Send it whole.")
    if inflater.unused_data:
        raise Rejected("The gzip body has bytes behind its end. Send one gzip stream, and nothing else.")
    return content


def _too_large() -> TooLarge:
    return TooLarge(
        f"The body is larger than {MAX_BODY_BYTES:,} bytes (decompressed). Send smaller batches.",
        code="payload_too_large",
    )
