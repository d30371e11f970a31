"""The engine in memory."""

from typing import TypeVar

from tifo.engagement.commands import Command
from tifo.engagement.dispatch import answer_type, perform
from tifo.engagement.memory.state import InMemoryState
from tifo.engagement.ports import Idempotency
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.ids import NewId, uuid7

A = TypeVar("A")


class InMemoryEngine:
    """Implements `engagement.ports.Engine`. `handle` never waits, so commands run one after the other."""

    def __init__(self, state: InMemoryState, clock: Clock = system_clock, new_id: NewId = uuid7) -> None:
        self._state = state
        self._clock = clock
        self._new_id = new_id

    async def handle(self, command: Command[A], idempotency: Idempotency | None = None) -> A:
        answer: A
        if idempotency is None:
            answer = self._perform(command)
        else:
            answer = self._state.answers.once(
                command.client_id, idempotency, answer_type(type(command)), lambda: self._perform(command)
            )
        return answer

    async def close(self) -> None:
        """Does nothing: the SQL engine has something to close."""

    def _perform(self, command: Command[A]) -> A:
        application = self._state.application(command.client_id)
        effects = perform(application.working, command, self._clock(), self._new_id)
        application.store(effects)
        answer: A = effects.answer
        return answer
