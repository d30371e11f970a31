"""OAuth with a vendor: the access token of one destination, and how the library asks for another."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tifo.destinations.settings import MASK
from tifo.destinations.workers import WorkerGone

Ask = Callable[[Mapping[str, str]], Awaitable[Mapping[str, Any]]]
"""The worker's answer to `renew` with such an `auth`."""


class OAuthAccess:
    """`settings` are those that `ActionsKind.oauth` names. A token that was asked for is kept as long as this is."""

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
        """As the library wants it."""
        return {
            "accessToken": self.token,
            "refreshToken": self._settings.get("refresh_token") or "",
            "clientId": self._settings.get("oauth_client_id") or "",
            "clientSecret": self._settings.get("oauth_client_secret") or "",
        }

    async def renew(self, used: str) -> str | None:
        """Get another token than `used`, which the vendor refused; only where `renews`. Returns what went wrong; None
        where there is one now.
        """
        async with self._one_at_a_time:
            if self.token != used:  # another request was quicker
                return None
            try:
                told = await self._ask(self.auth())
            except WorkerGone as error:
                return error.message
            if "access_token" in told:
                self._before, self.token = self.token, str(told["access_token"])
                return None
        return f"No access token from the vendor: {told['problem'].get('message', '')}"

    def masked(self, text: str) -> str:
        """Also without the token before, with which a request may still be under way."""
        for token in filter(None, (self.token, self._before)):
            text = text.replace(token, MASK)
        return text
