"""Reads uploaded images: `multipart/form-data` with the picture in `file`, beside the fields of the JSON body.

The content decides the image's type, not the client's name for it. SVG is refused, because it can hold scripts.
"""

import hashlib
from typing import Any, TypeVar

import msgspec
from litestar import get
from litestar.datastructures import UploadFile
from litestar.exceptions import ValidationException
from litestar.response.base import ASGIResponse

from tifo.engagement.images import Image
from tifo.kernel.errors import NotFound, Rejected, TooLarge
from tifo.livelike.errors import invalid_field
from tifo.livelike.request import LiveLikeRequest

MAX_IMAGE_BYTES = 1 << 20
MAX_UPLOAD_BYTES = 2 * MAX_IMAGE_BYTES
"""The limit of a whole request: above the image's, so that a picture slightly too large gets a clear error."""

T = TypeVar("T")
_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"}


async def decoded_with_image(request: LiveLikeRequest, decoder: msgspec.json.Decoder[T]) -> T:
    """Decodes a JSON body or a form. The address of a form's picture becomes `image_url`."""
    if not (request.header(b"content-type") or "").lower().startswith("multipart/form-data"):
        return await request.decoded(decoder)
    # The digest of an Idempotency-Key needs the raw body, which is gone once the form has consumed the stream.
    await request.body()
    try:
        form = await request.form()
    except (ValidationException, ValueError) as exc:
        raise Rejected(f"The form cannot be read: {exc}.") from exc
    fields: dict[str, Any] = {name: _value(name, text) for name, text in form.items() if isinstance(text, str)}
    if "file" in form:
        fields["image_url"] = await _stored(request, form["file"])
    try:
        # Not strict: in a form every number and truth value is a text.
        return msgspec.convert(fields, decoder.type, strict=False)
    except msgspec.ValidationError as exc:
        raise invalid_field(exc) from exc


@get("/media/{name:str}")
async def serve_image(request: LiveLikeRequest) -> ASGIResponse:
    """Needs no token. The address holds the content's digest, so caches may store it indefinitely."""
    digest, _, extension = request.part("name").partition(".")
    images = request.services.images
    image = None if images is None else await request.in_thread(images.find, digest)
    if image is None or _EXTENSIONS[image.media_type] != extension:
        raise NotFound("There is no such image.")
    return ASGIResponse(body=image.content, media_type=image.media_type, headers=_HEADERS)


# An uploaded file must never run as a page of this origin, whatever a browser makes of its content.
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


def media_type_of(content: bytes) -> str | None:
    """Recognises the media type by the first bytes; None for content that is not served as an image."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    # WAV and AVI are RIFF files too: the form's name stands behind the size.
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return None


async def _stored(request: LiveLikeRequest, file: object) -> str:
    if not isinstance(file, UploadFile):
        raise Rejected("Send the picture as a file.", field="file")
    content = await file.read()
    if len(content) > MAX_IMAGE_BYTES:
        raise TooLarge(f"The image has {len(content):,} bytes; at most {MAX_IMAGE_BYTES:,} are accepted.", field="file")
    media_type = media_type_of(content)
    if media_type is None:
        raise Rejected("This is no PNG, JPEG, GIF or WebP image.", field="file")
    if request.services.images is None:
        raise Rejected("Images are not stored here; send an image_url.", field="file")
    # The address follows from the content: equal pictures are stored once, and a cache never holds an old one.
    digest = hashlib.sha256(content).hexdigest()
    await request.in_thread(request.services.images.add, digest, Image(content, media_type))
    return f"{request.links.base}/media/{digest}.{_EXTENSIONS[media_type]}"


def _value(name: str, text: str) -> Any:
    """Decodes a form's field, which holds a list as JSON."""
    if "\0" in text:
        raise Rejected("Holds a NUL character; leave it out.", field=name)
    if not text.startswith("["):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
