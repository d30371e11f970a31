"""Signs a request with AWS's Signature Version 4. Its test is AWS's own example."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, unquote, urlsplit


def signed(
    method: str,
    url: str,
    body: bytes,
    *,
    access_key: str,
    secret_key: str,
    region: str,
    now: datetime,
    service: str = "s3",
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Returns the headers to send, `headers` among them. The address must have no query."""
    parts = urlsplit(url)
    at = now.astimezone(UTC)
    day, moment = at.strftime("%Y%m%d"), at.strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    # S3 wants the body's digest as a header too, and signs it.
    sent = {**(headers or {}), "Host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": moment}
    lowered = sorted((name.lower(), value.strip()) for name, value in sent.items())
    names = ";".join(name for name, _ in lowered)
    # AWS encodes all but these characters; the path may come encoded by other rules, so it is decoded first.
    path = quote(unquote(parts.path or "/"), safe="/-_.~")
    canonical = "".join(f"{name}:{value}\n" for name, value in lowered)
    request = f"{method}\n{path}\n\n{canonical}\n{names}\n{digest}"
    scope = f"{day}/{region}/{service}/aws4_request"
    to_sign = "\n".join(("AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    signature = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
    credentials = f"Credential={access_key}/{scope},SignedHeaders={names},Signature={signature}"
    return {**sent, "Authorization": f"AWS4-HMAC-SHA256 {credentials}"}
