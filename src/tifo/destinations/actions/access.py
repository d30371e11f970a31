"""Holds one destination's OAuth access token, and requests another when the vendor refuses it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tifo.destinations.settings import MASK
from tifo.destinations.workers import WorkerGone

Ask = Callable[[Mapping[str, str]], Awaitable[Mapping[str, Any]]]
"""Asks the worker to `renew` with such an `auth`, and returns its answer."""


class OAuthAccess:
    """Holds and renews the token. `settings` are those that `ActionsKind.oauth` names.

    A requested token is held in memory only.
    """

    def __init__(self, settings: Mapping[str, Any], *, renews: bool, ask: Ask) -> None:
        self._settings = settings
        self.renews = renews
        self._ask = ask
        self._one_at_a_time = asyncio.Lock()
        self.token = str(settings.get("access_token") or "")
        self._before = ""

    @property
    def is_missing(self) -> bool:
        return self.renews and not self.token

    def auth(self) -> dict[str, str]:
        """Returns the token and its settings under the library's names."""
        return {
            "accessToken": self.token,
            "refreshToken": self._settings.get("refresh_token") or "",
            "clientId": self._settings.get("oauth_client_id") or "",
            "clientSecret": self._settings.get("oauth_client_secret") or "",
        }

    async def renew(self, used: str) -> str | None:
        """Requests another token than `used`, which the vendor refused; call it only where `renews`.

        Returns None where there is another token now, else what went wrong.
        """
        # Requests that are refused together need one new token, not one each.
        async with self._one_at_a_time:
            if self.token != used:  # another request has renewed it meanwhile
                return None
            try:
                answer = await self._ask(self.auth())
            except WorkerGone as error:
                return error.message
            if "access_token" in answer:
                self._before, self.token = self.token, str(answer["access_token"])
                return None
        return f"No access token from the vendor: {answer['problem'].get('message', '')}"

    def masked(self, text: str) -> str:
        """Masks the token wherever a text holds it."""
        # A request may still be under way with the token before it.
        for token in filter(None, (self.token, self._before)):
            text = text.replace(token, MASK)
        return text
