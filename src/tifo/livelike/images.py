"""Images that come as uploads: `multipart/form-data` with the picture in `file`, beside the fields of the JSON body.

What it is, is judged by its content, whatever the client calls it. SVG is refused: it can carry scripts.
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
from tifo.livelike.call import LiveLikeRequest
from tifo.livelike.errors import invalid_field

MAX_IMAGE_BYTES = 1 << 20
MAX_UPLOAD_BYTES = 2 * MAX_IMAGE_BYTES
"""Of a whole request: above the image's limit, so that a picture somewhat too large gets a clear answer."""

T = TypeVar("T")
_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"}


async def decoded_with_image(request: LiveLikeRequest, decoder: msgspec.json.Decoder[T]) -> T:
    """As `LiveLikeRequest.decoded`; of a form, with the address of the uploaded picture as `image_url`."""
    if not (request.header(b"content-type") or "").lower().startswith("multipart/form-data"):
        return await request.decoded(decoder)
    await request.body()  # kept, for the digest of an Idempotency-Key
    try:
        form = await request.form()
    except (ValidationException, ValueError) as exc:
        raise Rejected(f"The form cannot be read: {exc}.") from exc
    fields: dict[str, Any] = {name: _value(name, text) for name, text in form.items() if isinstance(text, str)}
    if "file" in form:
        fields["image_url"] = await _kept(request, form["file"])
    try:
        return msgspec.convert(fields, decoder.type, strict=False)
    except msgspec.ValidationError as exc:
        raise invalid_field(exc) from exc


@get("/media/{name:str}")
async def serve_image(request: LiveLikeRequest) -> ASGIResponse:
    """Needs no token. The address holds the content's digest, so it can be cached for ever."""
    digest, _, extension = request.part("name").partition(".")
    images = request.desk.images
    image = None if images is None else await request.ask(images.find, digest)
    if image is None or _EXTENSIONS[image.media_type] != extension:
        raise NotFound("There is no such image.")
    return ASGIResponse(body=image.content, media_type=image.media_type, headers=_HEADERS)


_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


def media_type_of(content: bytes) -> str | None:
    """By the first bytes; None for what is no image that we serve."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return None


async def _kept(request: LiveLikeRequest, file: object) -> str:
    if not isinstance(file, UploadFile):
        raise Rejected("Send the picture as a file.", field="file")
    content = await file.read()
    if len(content) > MAX_IMAGE_BYTES:
        raise TooLarge(f"The image has {len(content):,} bytes; at most {MAX_IMAGE_BYTES:,} are taken.", field="file")
    media_type = media_type_of(content)
    if media_type is None:
        raise Rejected("This is no PNG, JPEG, GIF or WebP image.", field="file")
    if request.desk.images is None:
        raise Rejected("Images are not kept here; send an image_url.", field="file")
    digest = hashlib.sha256(content).hexdigest()
    await request.ask(request.desk.images.keep, digest, Image(content, media_type))
    return f"{request.links.base}/media/{digest}.{_EXTENSIONS[media_type]}"


def _value(name: str, text: str) -> Any:
    """Lists come as JSON in a form's field."""
    if "\0" in text:
        raise Rejected("Holds a NUL character; leave it out.", field=name)
    if not text.startswith("["):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
