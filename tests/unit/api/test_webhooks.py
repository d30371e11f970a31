"""The address that LiveLike posts to, as an ASGI application over an inbox in memory."""

import json
import os
import shutil
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tifo.api.webhooks import MAX_BODY_BYTES, Intakes, WebhookApi
from tifo.kernel.batching import GroupCommit
from tifo.kernel.clock import system_clock
from tifo.source.webhooks.inbox import Intake, ReceivedWebhook
from tifo.source.webhooks.incoming import signature
from tifo.source.webhooks.memory import InMemoryWebhookInbox
from tifo.workspace.memory import InMemoryCatalog
from tifo.workspace.model import SourceType

HOOK = {"id": "wh-1", "event": "badge-awarded", "created_at": "2026-11-24T10:00:00Z", "data": {"badge_title": "Zoë ☕"}}
BODY = json.dumps(HOOK, ensure_ascii=False).encode()


class Rig:
    def __init__(self, api: WebhookApi, inbox: InMemoryWebhookInbox, catalog: InMemoryCatalog) -> None:
        self.api, self.inbox = api, inbox
        self.source = catalog.create_source("Fans", SourceType.LIVELIKE)
        inbox.configure(Intake(self.source.id, "secret"))
        catalog.create_source("Website", SourceType.HTTP)

    async def post(
        self, body: bytes = BODY, signed: str | None = None, source: str = "fans", method: str = "POST"
    ) -> tuple[int, dict[str, Any]]:
        parts: list[Any] = []
        sent = signature("secret", body) if signed is None else signed
        headers = [(b"x-webhook-signature", sent.encode())] if sent else []
        scope = {"type": "http", "method": method, "path": f"/webhooks/livelike/{source}", "headers": headers}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            parts.append(message)

        await self.api(scope, receive, send)
        return parts[0]["status"], json.loads(parts[1]["body"])

    def kept(self) -> list[bytes]:
        return [each.body for each in self.inbox.due(self.source.id, system_clock(), 100)]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    inbox, catalog = InMemoryWebhookInbox(), InMemoryCatalog(())
    arrivals = GroupCommit[ReceivedWebhook, bool](inbox.add, max_batch=10, max_waiting=10)
    yield Rig(WebhookApi(arrivals, Intakes(inbox, catalog), system_clock), inbox, catalog)
    await arrivals.close()


async def test_a_signed_webhook_is_kept_byte_for_byte_before_it_is_answered(rig: Rig) -> None:
    assert await rig.post() == (200, {"success": True, "duplicate": False})
    assert rig.kept() == [BODY]
    assert await rig.post(BODY.replace(b"wh-1", b"wh-2"), source=rig.source.id) == (
        200,
        {"success": True, "duplicate": False},
    )


async def test_a_replayed_id_is_answered_with_200_and_kept_once(rig: Rig) -> None:
    await rig.post()
    assert await rig.post() == (200, {"success": True, "duplicate": True})
    assert len(rig.kept()) == 1


@pytest.mark.skipif(
    shutil.which("openssl") is None and "CI" not in os.environ, reason="openssl is not installed; CI must have it"
)
async def test_the_signature_that_openssl_computes_is_taken(rig: Rig) -> None:
    command = ["openssl", "dgst", "-sha1", "-hmac", "secret", "-binary"]
    digest = subprocess.run(command, input=BODY, capture_output=True, check=True).stdout  # noqa: ASYNC221 (a moment)
    assert (await rig.post(signed=b64encode(digest).decode()))[0] == 200


@pytest.mark.parametrize("signed", ["AAAA", "é", signature("other", BODY), signature("secret", BODY + b"\n")])
async def test_a_wrong_signature_is_refused_and_nothing_is_kept(rig: Rig, signed: str) -> None:
    status, answer = await rig.post(signed=signed)
    assert (status, answer["code"]) == (401, "wrong_signature")
    assert rig.kept() == []


async def test_a_missing_signature_is_refused_by_name(rig: Rig) -> None:
    status, answer = await rig.post(signed="")
    assert (status, answer["code"]) == (401, "unsigned")
    assert "X-Webhook-Signature" in answer["message"]


async def test_a_signature_over_the_compact_form_is_refused_with_the_remedy(rig: Rig) -> None:
    compact = json.dumps(HOOK, separators=(",", ":")).encode()
    status, answer = await rig.post(signed=signature("secret", compact))
    assert status == 401
    assert "--signed compact" in answer["message"]


@pytest.mark.parametrize("source", ["website", "nothing", "", "fans/more"])
async def test_a_source_that_takes_no_webhooks_is_not_found(rig: Rig, source: str) -> None:
    status, answer = await rig.post(source=source)
    assert (status, answer["code"]) == (404, "unknown_source")


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"event":"badge-awarded"}', b'{"id":"' + b"x" * 101 + b'"}'])
async def test_what_is_signed_but_no_webhook_is_refused(rig: Rig, body: bytes) -> None:
    status, answer = await rig.post(body)
    assert (status, answer["success"]) == (400, False)
    assert rig.kept() == []


async def test_a_body_that_is_too_large_is_refused(rig: Rig) -> None:
    assert (await rig.post(b"x" * (MAX_BODY_BYTES + 1)))[0] == 413


async def test_only_posts_are_taken(rig: Rig) -> None:
    assert (await rig.post(method="GET"))[0] == 405
