"""Tokens identify callers: a producer (its whole application), a fan (own data), the organisation (applications).

A fan's token is a JWT, HS256, signed with the application's client secret. Tifo's own holds `iss` (client id), `id`
(profile id) and `iat`. An integrator's holds `iss`, `iat`, `custom_profile_id` and perhaps `exp`, as in LiveLike's
docs. Every other token is opaque: a producer's or the organisation's.
"""

import base64
import hashlib
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Annotated, Generic, NamedTuple, TypeVar

import jwt
import msgspec

from tifo.engagement.access import Access
from tifo.engagement.model import Profile
from tifo.engagement.ports import Queries
from tifo.kernel.clock import Clock
from tifo.kernel.errors import Forbidden, NotFound, Unauthorized
from tifo.kernel.ids import ClientId, ProfileId
from tifo.livelike.blocking import in_thread

RECHECK_AFTER = timedelta(seconds=5)
"""Maximum time for which this process accepts a token after another process revoked it or replaced its secret."""
MAX_TOKEN_LENGTH = 4_096
CACHED_TOKENS = 20_000

V = TypeVar("V")


class Caller(NamedTuple):
    """The owner of a valid token."""

    client_id: ClientId
    is_producer: bool
    profile_id: ProfileId | None = None
    """None for a producer, and for a fan with an integrator's token who has no profile yet."""
    custom_id: str | None = None

    @property
    def subject(self) -> str:
        """Identifies the caller within the application. Idempotency-Keys are scoped by it."""
        return "producer" if self.is_producer else f"profile {self.profile_id} {self.custom_id}"

    def must_be_of(self, client_id: str | None) -> None:
        """Raises `Forbidden` for another application. None names none, and means the caller's."""
        if client_id is not None and client_id != self.client_id:
            raise Forbidden("This token belongs to another application than the client_id in the request.")

    def must_reach(self, profile_id: str) -> None:
        if not self.is_producer and profile_id != self.profile_id:
            raise Forbidden("A fan's token reaches the fan's own profile only; this needs a producer token.")

    def must_be_producer(self) -> None:
        if not self.is_producer:
            raise Forbidden("A fan's token may not do this; it needs a producer token.")

    def own_profile(self) -> ProfileId:
        if self.is_producer:
            raise Forbidden("A producer token has no profile of its own; name one by its id, or use a fan's token.")
        if self.profile_id is None:
            raise NotFound("This fan has no profile yet; GET the application's profile_url once to create it.")
        return self.profile_id


class Tokens:
    """Checks tokens and makes Tifo's own. Belongs to one event loop; blocking calls run in a thread."""

    def __init__(
        self, queries: Queries, clock: Clock, access: Access | None = None, *, capacity: int = CACHED_TOKENS
    ) -> None:
        self._access = access
        self._queries = queries
        self._clock = clock
        self._capacity = capacity
        self._callers: _Recent[bytes, Caller] = _Recent(capacity)
        self._secrets: _Recent[ClientId, str] = _Recent(capacity)

    async def caller(self, token: str) -> Caller:
        """Returns the token's owner. Raises `Unauthorized` for a token that is not, or no longer, valid."""
        now = self._clock()
        # The cache is keyed by a digest, so that it holds no usable token.
        digest = hashlib.sha256(token.encode()).digest()
        known = self._callers.get(digest, now)
        if known is not None:
            return known
        if len(token) > MAX_TOKEN_LENGTH:
            raise Unauthorized(f"The token is longer than {MAX_TOKEN_LENGTH} characters.")
        caller, valid_until = await (self._fan(token, now) if token.count(".") == 2 else self._producer(token, now))  # noqa: PLR2004 (a JWT's three parts)
        # A fan without a profile gets one at any moment, so "no profile yet" must not be cached.
        if caller.is_producer or caller.profile_id is not None:
            self._callers.put(digest, caller, valid_until)
        return caller

    async def must_be_organisation(self, token: str) -> None:
        """Raises `Forbidden` for a valid token of anyone else. Reads the store each time: such requests are few."""
        if not await self.is_organisation(token):
            await self.caller(token)
            raise Forbidden("Only the organisation's token may do this.")

    def forget(self) -> None:
        """Empties the caches, because a token was revoked or a client secret was replaced."""
        self._callers = _Recent(self._capacity)
        self._secrets = _Recent(self._capacity)

    async def is_organisation(self, token: str) -> bool:
        return (
            self._access is not None
            and len(token) <= MAX_TOKEN_LENGTH
            and await in_thread(self._access.is_organisation_token, token)
        )

    async def mint(self, profile: Profile) -> str:
        """Makes the fan's token: the same each time, so that a repeated request gets the first answer again."""
        # `iat` is the profile's time, not the present one, so that the token is the same each time.
        claims = {"iss": profile.client_id, "id": profile.id, "iat": int(profile.created_at.timestamp())}
        return jwt.encode(claims, await self._secret(profile.client_id, self._clock()), algorithm="HS256")

    async def _producer(self, token: str, now: datetime) -> "tuple[Caller, datetime]":
        client_id = await in_thread(self._queries.client_of_producer_token, token)
        if client_id is None:
            # A clear refusal: the token is valid, but not for this.
            if await self.is_organisation(token):
                raise Forbidden("The organisation's token makes and changes applications only; use a producer token.")
            raise Unauthorized("The token is not valid.")
        return Caller(client_id, is_producer=True), now + RECHECK_AFTER

    async def _fan(self, token: str, now: datetime) -> "tuple[Caller, datetime]":
        claims = await self._verified(token, now)
        valid_until = now + RECHECK_AFTER
        if claims.exp is not None:
            remaining_s = claims.exp - now.timestamp()
            if remaining_s <= 0:
                raise Unauthorized("The token has expired.")
            valid_until = now + min(RECHECK_AFTER, timedelta(seconds=min(remaining_s, RECHECK_AFTER.total_seconds())))
        if claims.id is not None:
            return Caller(claims.iss, is_producer=False, profile_id=claims.id), valid_until
        if claims.custom_profile_id is None:
            raise Unauthorized("The token names nobody: it has neither an id nor a custom_profile_id.")
        profile_id = await self._profile_of(claims.iss, claims.custom_profile_id)
        return Caller(claims.iss, False, profile_id, claims.custom_profile_id), valid_until

    async def _verified(self, token: str, now: datetime) -> "_Claims":
        try:
            # The issuer is read before the signature is checked, because it names the secret that checks it.
            secret = await self._secret(_CLAIMS.decode(_claims_part(token)).iss, now)
            # A token that names another algorithm than HS256, or none, is refused. `_fan` checks `exp`, by the clock.
            return _CLAIMS.decode(_JWS.decode(token, secret, algorithms=["HS256"]))
        except (jwt.PyJWTError, ValueError, RecursionError, NotFound) as exc:
            raise Unauthorized("The token is not valid: a fan's token is a JWT, HS256, with iss and iat.") from exc

    async def _secret(self, client_id: ClientId, now: datetime) -> str:
        secret = self._secrets.get(client_id, now)
        if secret is None:
            secret = await in_thread(self._queries.client_secret, client_id)
            self._secrets.put(client_id, secret, now + RECHECK_AFTER)
        return secret

    async def _profile_of(self, client_id: ClientId, custom_id: str) -> ProfileId | None:
        try:
            return (await in_thread(self._queries.profile_by_custom_id, client_id, custom_id)).id
        except NotFound:
            return None


class _Claims(msgspec.Struct, frozen=True):
    iss: ClientId
    iat: int | float
    id: ProfileId | None = None
    # LiveLike: at most 255 characters. PostgreSQL stores no NUL.
    custom_profile_id: Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[^\x00]*$")] | None = None
    exp: int | float | None = None


_CLAIMS = msgspec.json.Decoder(_Claims)
_JWS = jwt.PyJWS()


def _claims_part(token: str) -> bytes:
    part = token.split(".")[1]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


K = TypeVar("K")


class _Recent(Generic[K, V]):
    """Caches the entries used last, each until its own time."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[K, tuple[V, datetime]] = OrderedDict()

    def get(self, key: K, now: datetime) -> V | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now >= entry[1]:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: K, value: V, valid_until: datetime) -> None:
        self._entries[key] = (value, valid_until)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
