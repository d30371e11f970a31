"""Applications and tokens in memory."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tifo.engagement.access import TokenInfo, token_digest
from tifo.engagement.memory.state import ApplicationState, InMemoryState, StoredToken
from tifo.engagement.model import Application, Game, Program
from tifo.engagement.ports import Idempotency
from tifo.engagement.values import check_text
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId, NewId, ProgramId, uuid7

T = TypeVar("T")
_ORGANISATION = "organisation"


class InMemoryAccess:
    """Implements `engagement.access.Access`."""

    def __init__(self, state: InMemoryState, clock: Clock = system_clock, new_id: NewId = uuid7) -> None:
        self._state = state
        self._clock = clock
        self._new_id = new_id

    def is_organisation_token(self, token: str) -> bool:
        digest = token_digest(token)
        return any(each.client_id is None and each.digest == digest for each in self._state.tokens)

    def applications(self) -> Sequence[Application]:
        return [each.game.application for each in self._state.applications.values()]

    def create_application(
        self, name: str, *, client_secret: str, producer_token: str, once: Idempotency | None = None
    ) -> Application:
        check_text(name, "name")
        return self._once(once, Application, lambda: self._create(name, client_secret, producer_token))

    def tokens(self, client_id: ClientId | None) -> Sequence[TokenInfo]:
        self._check(client_id)
        return [each.info for each in self._state.tokens if each.client_id == client_id]

    def add_token(
        self, client_id: ClientId | None, name: str, token: str, once: Idempotency | None = None
    ) -> TokenInfo:
        check_text(name, "name")

        def add() -> TokenInfo:
            self._check(client_id)
            return self._add(client_id, name, token)

        return self._once(once, TokenInfo, add)

    def revoke_token(self, client_id: ClientId | None, token_id: str, once: Idempotency | None = None) -> None:
        def revoke() -> None:
            found = [each for each in self._state.tokens if each.client_id == client_id and each.info.id == token_id]
            if not found:
                raise NotFound(f"There is no token {token_id!r:.100} here.", field="token_id")
            self._state.tokens.remove(found[0])

        self._once(once, type(None), revoke)

    def rotate_secret(self, client_id: ClientId, client_secret: str, once: Idempotency | None = None) -> None:
        def rotate() -> None:
            self._state.application(client_id).client_secret = client_secret

        self._once(once, type(None), rotate)

    def _create(self, name: str, client_secret: str, producer_token: str) -> Application:
        now = self._clock()
        # LiveLike: tables pay and actions are invoked in a program, so an application without one could do nothing.
        program = Program(id=ProgramId(self._new_id()), name="Default", created_at=now)
        client_id = ClientId(self._new_id())
        application = Application(id=client_id, name=name, default_program_id=program.id, created_at=now)
        self._state.applications[client_id] = ApplicationState(Game(application, (program,)), client_secret)
        self._add(client_id, "first", producer_token)
        return application

    def _add(self, client_id: ClientId | None, name: str, token: str) -> TokenInfo:
        info = TokenInfo(id=self._new_id(), name=name, created_at=self._clock())
        self._state.tokens.append(StoredToken(digest=token_digest(token), client_id=client_id, info=info))
        return info

    def _check(self, client_id: ClientId | None) -> None:
        if client_id is not None:
            self._state.application(client_id)

    def _once(self, once: Idempotency | None, answers: Any, work: Callable[[], T]) -> T:
        if once is None:
            return work()
        answer: T = self._state.answers.once(_ORGANISATION, once, answers, work)
        return answer
