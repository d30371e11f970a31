"""Who may speak for an application or for the installation: what those who check and hand out tokens need."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from tifo.engagement.model import Application
from tifo.engagement.ports import Idempotency
from tifo.kernel.ids import ClientId


class TokenInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a token: never the token itself, of which a digest is stored."""

    id: str
    name: str
    created_at: datetime


class Access(Protocol):
    """Applications and tokens. Methods block. Secrets come from the caller, so that a repeated request, by its
    `once`, gets the first answer again although the store cannot tell what a token was.

    `client_id` None means the organisation's own tokens. `NotFound` for an unknown application or token.
    """

    def is_organisation_token(self, token: str) -> bool: ...
    def applications(self) -> Sequence[Application]: ...
    def create_application(
        self, name: str, *, client_secret: str, producer_token: str, once: Idempotency | None = None
    ) -> Application: ...
    def tokens(self, client_id: ClientId | None) -> Sequence[TokenInfo]: ...
    def add_token(
        self, client_id: ClientId | None, name: str, token: str, once: Idempotency | None = None
    ) -> TokenInfo: ...
    def revoke_token(self, client_id: ClientId | None, token_id: str, once: Idempotency | None = None) -> None: ...
    def rotate_secret(self, client_id: ClientId, client_secret: str, once: Idempotency | None = None) -> None:
        """Every token of a fan's is signed with it: those made before are invalid from now on."""
