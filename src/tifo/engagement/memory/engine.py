"""The engine in memory."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from tifo.engagement.commands import Command
from tifo.engagement.dispatch import answer_type, perform
from tifo.engagement.facts import AnyFact
from tifo.engagement.memory.state import InMemoryState
from tifo.engagement.ports import Idempotency
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.ids import NewId, uuid7

A = TypeVar("A")


class InMemoryEngine:
    """Implements `engagement.ports.Engine`. `handle` never waits, so commands run one after the other.

    `on_facts` lets twins of the facts' readers follow: SQL writes the facts in the transaction of the command.
    """

    def __init__(
        self,
        state: InMemoryState,
        clock: Clock = system_clock,
        new_id: NewId = uuid7,
        *,
        on_facts: Callable[[Sequence[AnyFact]], object] = lambda _: None,
    ) -> None:
        self._state = state
        self._clock = clock
        self._new_id = new_id
        self._on_facts = on_facts

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
        self._on_facts([fact for decision in effects.decisions for fact in decision.facts])
        answer: A = effects.answer
        return answer
