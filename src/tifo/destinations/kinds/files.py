"""Writes events by hour of receipt, as NDJSON or Parquet, into a folder or S3-compatible storage.

A file is `<place>/<date>/<hour>/<first position>-<last position>-<digest>.ndjson.gz` (UTC), and whole or not there.
"""

import asyncio
import gzip
import hashlib
import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from tifo.destinations.http import send
from tifo.destinations.kinds.base import OwnKind
from tifo.destinations.kinds.signature import signed
from tifo.destinations.ports import (
    DELIVERED,
    Batching,
    Configured,
    Event,
    Exchange,
    Fate,
    Outcome,
    Setting,
    Settings,
    SettingType,
    Tools,
)
from tifo.destinations.settings import checked
from tifo.egress.http import HttpRequest
from tifo.kernel.errors import Rejected

LINGER_S = 10.0
_BATCHING = Batching(max_events=5_000, max_bytes=16 << 20, linger_s=LINGER_S)
_FORMATS = ("ndjson", "parquet")
_TIMEOUT_S = 60.0
_SCHEMA = pa.schema(
    [
        ("message_id", pa.string()),
        ("type", pa.string()),
        ("name", pa.string()),
        ("user", pa.string()),
        ("received_at", pa.timestamp("us", "UTC")),
        ("message", pa.string()),
    ]
)


class Files(OwnKind):
    """Describes the kind `files`, and opens its destinations."""

    id = "files"
    name = "Files"
    description = "Writes NDJSON or Parquet by the hour, into a folder or S3-compatible storage."
    local = True
    settings = (
        Setting("place", SettingType.TEXT, "Place", "A folder, or s3://bucket/prefix.", required=True),
        Setting("format", SettingType.CHOICE, "Format", "ndjson.gz or parquet.", default="ndjson", choices=_FORMATS),
        Setting("access_key", SettingType.SECRET, "Access key", "The access key of S3."),
        Setting("secret_key", SettingType.SECRET, "Secret key", "The secret key of S3."),
        Setting("region", SettingType.TEXT, "Region", "The bucket's region.", default="us-east-1"),
        Setting(
            "endpoint",
            SettingType.TEXT,
            "Endpoint",
            "The address of storage that is not Amazon's: https://minio.example.com.",
        ),
    )

    def check(self, settings: Settings) -> dict[str, Any]:
        value = checked(self.settings, settings)
        parts = urlsplit(value["place"])
        if parts.scheme == "s3":
            if not parts.hostname:
                raise Rejected(f"place {value['place']!r:.200} has no bucket. Give s3://bucket/prefix.", field="place")
            for name in ("access_key", "secret_key"):
                if not value[name]:
                    raise Rejected(f"{name} is missing. Give it: S3 requires it.", field=name)
            if value["endpoint"] and urlsplit(value["endpoint"]).scheme not in {"http", "https"}:
                raise Rejected(
                    f"endpoint {value['endpoint']!r:.200} is no address. Give one such as https://minio.example.com.",
                    field="endpoint",
                )
        elif parts.scheme:
            raise Rejected(
                f"place {value['place']!r:.200} is neither a folder nor s3://…. Give one of them.", field="place"
            )
        else:
            value["place"] = str(Path(value["place"]).absolute())
        return value

    async def open(self, configured: Configured, tools: Tools) -> "_Files":
        settings = configured.settings
        store = _Bucket(settings, tools) if settings["place"].startswith("s3://") else _Folder(Path(settings["place"]))
        return _Files(store, settings["format"])


class _Store(Protocol):
    async def put(self, name: str, content: bytes) -> Outcome: ...


class _Files:
    """Writes each batch as one file an hour of receipt."""

    batching = _BATCHING
    ordered = False

    def __init__(self, store: _Store, format_: str) -> None:
        self._store = store
        self._format = format_

    async def send(self, events: Sequence[Event]) -> Sequence[Outcome]:
        hours: dict[str, list[int]] = {}
        for at, event in enumerate(events):
            hour = datetime.fromtimestamp(event.received_at, UTC).strftime("%Y-%m-%d/%H")
            hours.setdefault(hour, []).append(at)
        outcomes = [DELIVERED] * len(events)
        for hour, own in hours.items():
            outcome = await self._write(hour, [events[at] for at in own])
            for at in own:
                outcomes[at] = outcome
        return outcomes

    async def close(self) -> None:
        """Closes nothing: every file is whole already."""

    async def _write(self, hour: str, events: Sequence[Event]) -> Outcome:
        content = await asyncio.to_thread(_parquet if self._format == "parquet" else _ndjson, events)
        # The same events make the same name: sent again after a crash, they overwrite their file. In another batch they
        # make another file, and `message_id` shows the duplicates.
        digest = hashlib.sha256(b"\n".join(event.message_id.encode() for event in events)).hexdigest()[:8]
        suffix = "parquet" if self._format == "parquet" else "ndjson.gz"
        return await self._store.put(
            f"{hour}/{events[0].position:012}-{events[-1].position:012}-{digest}.{suffix}", content
        )


def _ndjson(events: Sequence[Event]) -> bytes:
    # mtime=0: the same events make the same bytes.
    return gzip.compress(b"".join(event.body + b"\n" for event in events), 6, mtime=0)


def _parquet(events: Sequence[Event]) -> bytes:
    columns: Mapping[str, Any] = {
        "message_id": [event.message_id for event in events],
        "type": [event.type for event in events],
        "name": [event.name for event in events],
        "user": [event.user for event in events],
        "received_at": [int(event.received_at * 1_000_000) for event in events],
        "message": [event.body.decode(errors="replace") for event in events],
    }
    target = io.BytesIO()
    pq.write_table(pa.table(columns, schema=_SCHEMA), target, compression="zstd")
    return target.getvalue()


class _Folder:
    def __init__(self, place: Path) -> None:
        self._place = place

    async def put(self, name: str, content: bytes) -> Outcome:
        try:
            await asyncio.to_thread(_put, self._place / name, content)
        except OSError as error:
            return Outcome(Fate.RETRY, "ENOSPC" if error.errno == 28 else "EIO", str(error))  # noqa: PLR2004 (its number)
        return DELIVERED._replace(exchange=Exchange(f"write {self._place / name}", f"{len(content):,} bytes"))


def _put(path: Path, content: bytes) -> None:
    """Writes the file whole; durable on return."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(part).chmod(0o644)  # mkstemp makes it readable by its owner only
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    # The new name is an entry of the folder: without its fsync a crash may lose the file.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class _Bucket:
    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        parts = urlsplit(settings["place"])
        prefix = parts.path.strip("/")
        # Storage that is not Amazon's seldom has a host name for each bucket, so the path names the bucket.
        if settings["endpoint"]:
            self._base = f"{settings['endpoint'].rstrip('/')}/{parts.hostname}"
        else:
            self._base = f"https://{parts.hostname}.s3.{settings['region']}.amazonaws.com"
        self._base += f"/{prefix}" if prefix else ""

    async def put(self, name: str, content: bytes) -> Outcome:
        url = f"{self._base}/{name}"
        headers = signed(
            "PUT",
            url,
            content,
            access_key=self._settings["access_key"],
            secret_key=self._settings["secret_key"],
            region=self._settings["region"],
            now=self._tools.clock(),
        )
        request = HttpRequest(method="PUT", url=url, body=content, headers=headers, timeout_s=_TIMEOUT_S)
        outcome = await send(self._tools.session, request, self._tools.clock)
        exchange = outcome.exchange
        shown = None if exchange is None else exchange._replace(request=f"PUT {url}\n\n{len(content):,} bytes")
        # The place is at fault (a key, a bucket), never the events: they wait.
        if outcome.fate is Fate.FAILED:
            outcome = outcome._replace(fate=Fate.RETRY)
        return outcome._replace(exchange=shown)
