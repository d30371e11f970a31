"""Files by the hour, in a folder and in S3-compatible storage."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pyarrow.parquet as pq
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tifo.destinations.kinds.files import Files
from tifo.destinations.kinds.signature import signed
from tifo.destinations.ports import Configured, Event, Fate, Outcome, Tools
from tifo.egress.rules import Egress
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import Position

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)


def event(number: int, minute: int) -> Event:
    body = json.dumps({"messageId": f"m{number}", "name": "Zoë"}, ensure_ascii=False).encode()
    return Event(Position(number), f"m{number}", "track", "Seen", "ada", NOW.timestamp() + 60 * minute, body)


EVENTS = [event(1, 0), event(2, 59), event(3, 60)]


def found(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.*"))


async def sent(settings: dict[str, Any]) -> list[Outcome]:
    kind = Files()
    async with aiohttp.ClientSession() as session:
        tools = Tools(session, Egress(), lambda: NOW, Path())
        destination = await kind.open(Configured("d", "d", kind.check(settings)), tools)
        return list(await destination.send(EVENTS))


async def test_events_are_written_by_the_hour_they_were_received_in(tmp_path: Path) -> None:
    for _ in range(2):  # what is sent again is written over itself
        assert {each.fate for each in await sent({"place": str(tmp_path)})} == {Fate.DELIVERED}
    files = found(tmp_path)
    assert [str(each.parent.relative_to(tmp_path)) for each in files] == ["2026-11-25/10", "2026-11-25/11"]
    lines = gzip.decompress(files[0].read_bytes()).splitlines()
    assert [json.loads(line)["messageId"] for line in lines] == ["m1", "m2"]
    assert lines[0] == EVENTS[0].body


async def test_parquet_has_a_row_an_event(tmp_path: Path) -> None:
    await sent({"place": str(tmp_path), "format": "parquet"})
    first, second = found(tmp_path)
    table = pq.read_table(first)
    assert table["message_id"].to_pylist() == ["m1", "m2"]
    assert table["received_at"].to_pylist()[0] == NOW
    assert json.loads(table["message"].to_pylist()[0])["name"] == "Zoë"
    assert pq.read_table(second).num_rows == 1


async def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcomes = await sent({"place": str(tmp_path / "file" / "below")})
    assert {(each.fate, each.code) for each in outcomes} == {(Fate.RETRY, "EIO")}


@pytest.mark.parametrize("refusal", [503, 403, 404])
async def test_s3_gets_a_signed_put_an_hour_and_what_it_refuses_waits(refusal: int) -> None:
    got: dict[str, tuple[bytes, str]] = {}

    async def take(request: web.Request) -> web.Response:
        got[request.path] = await request.read(), request.headers["Authorization"]
        return web.Response(status=refusal if "/11/" in request.path else 200)

    app = web.Application()
    app.router.add_put("/{path:.*}", take)
    async with TestServer(app) as server:
        address = str(server.make_url("/"))
        keys = {"access_key": "AKID", "secret_key": "hush", "endpoint": address}
        outcomes = await sent({"place": "s3://bucket/some/prefix", **keys})
    assert [each.code for each in outcomes] == ["", "", str(refusal)]
    assert [each.fate for each in outcomes] == [Fate.DELIVERED, Fate.DELIVERED, Fate.RETRY]
    first = min(got)
    assert first.startswith("/bucket/some/prefix/2026-11-25/10/000000000001-000000000002-")
    body, authorization = got[first]
    assert len(gzip.decompress(body).splitlines()) == 2
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=AKID/20261125/us-east-1/s3/aws4_request,")


def test_a_signature_is_the_one_of_awss_own_example() -> None:
    headers = signed(
        "PUT",
        "https://examplebucket.s3.amazonaws.com/test%24file.text",
        b"Welcome to Amazon S3.",
        access_key="AKIAIOSFODNN7EXAMPLE",
        secret_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        region="us-east-1",
        now=datetime(2013, 5, 24, tzinfo=UTC),
        headers={"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
    )
    assert headers["Authorization"].endswith("98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, "place"),
        ({"place": "s3:///x"}, "place"),
        ({"place": "ftp://host/x"}, "place"),
        ({"place": "s3://bucket"}, "access_key"),
        ({"place": "s3://bucket", "access_key": "a", "secret_key": "b", "endpoint": "minio"}, "endpoint"),
        ({"place": "here", "format": "csv"}, "format"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(Rejected) as refused:
        Files().check(settings)
    assert refused.value.field == field
