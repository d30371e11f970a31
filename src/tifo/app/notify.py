"""Sends notices of alerts: a POST with JSON, and mail over SMTP."""

import asyncio
import dataclasses
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiohttp
import msgspec

from tifo.destinations.http import send
from tifo.destinations.ports import Fate
from tifo.egress.http import HttpRequest
from tifo.kernel.clock import Clock, to_iso
from tifo.kernel.errors import Rejected
from tifo.operations.notifying import AlertNotice
from tifo.workspace.alerts import Alert

_TIMEOUT_S = 10.0
_HEADERS = {"Content-Type": "application/json", "User-Agent": "Tifo"}


class OutsideNotifier:
    """Implements `operations.notifying.Notifier`. The session reaches allowed addresses only."""

    def __init__(self, session: aiohttp.ClientSession, clock: Clock, *, smtp_url: str, smtp_from: str) -> None:
        self._session = session
        self._clock = clock
        self._smtp_url = smtp_url
        self._smtp_from = smtp_from

    async def notify(self, alert: Alert, notice: AlertNotice) -> str:
        lines = {**dataclasses.asdict(notice), "at": to_iso(notice.at)}
        problems = [
            await self._post(alert.url, lines) if alert.url else "",
            await self._mail(alert.email, notice, lines) if alert.email else "",
        ]
        return "; ".join(problem for problem in problems if problem)

    async def _post(self, url: str, lines: Mapping[str, object]) -> str:
        body = msgspec.json.encode(lines)
        request = HttpRequest(url=url, body=body, headers=_HEADERS, timeout_s=_TIMEOUT_S)
        outcome = await send(self._session, request, self._clock)
        return "" if outcome.fate is Fate.DELIVERED else f"{url} answered {outcome.code} {outcome.detail:.200}"

    async def _mail(self, email: str, notice: AlertNotice, lines: Mapping[str, object]) -> str:
        message = EmailMessage()
        message["Subject"] = f"Tifo: {notice.alert} is {notice.state}"
        message["From"], message["To"] = self._smtp_from or "tifo@localhost", email
        message.set_content("\n".join(f"{name}: {value}" for name, value in lines.items()))
        try:
            await asyncio.to_thread(send_mail, self._smtp_url, message)
        except (OSError, smtplib.SMTPException, Rejected) as error:
            return f"No mail to {email}: {error}"
        return ""


def send_mail(smtp_url: str, message: EmailMessage) -> None:
    """Hands a mail to the server at `smtp://user:password@host:587` (with STARTTLS where it is offered), or `smtps://`.

    Blocks. Raises `OSError` or `SMTPException` where the server does not accept it, `Rejected` where there is none.
    """
    if not smtp_url:
        raise Rejected("The setting smtp_url says nothing about where mail goes.", field="smtp_url")
    parts = urlsplit(smtp_url)
    host = parts.hostname or "localhost"
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, parts.port or 465, timeout=_TIMEOUT_S, context=ssl.create_default_context()
        )
    else:
        server = smtplib.SMTP(host, parts.port or 25, timeout=_TIMEOUT_S)
    with server:
        if parts.scheme != "smtps" and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
