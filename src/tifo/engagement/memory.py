"""The engine's twin in memory: for tests, and for trying a game out. Nothing of it is durable."""

from collections.abc import Iterable
from typing import Any, TypeVar, get_args

from tifo.engagement.batch import Working
from tifo.engagement.commands import ApplyDefinitions, Command, DefinitionCommand, InvokeActions
from tifo.engagement.definitions import apply, define
from tifo.engagement.facts import AnyFact
from tifo.engagement.model import Game, InvokedAction, Transaction
from tifo.engagement.ports import Decision, Idempotency
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Conflict, NotFound
from tifo.kernel.ids import ClientId, NewId, uuid7

A = TypeVar("A")
_DEFINES: tuple[type, ...] = get_args(DefinitionCommand)


class InMemoryEngine:
    """An `Engine`. What the accepted commands left behind stands in its lists, in the order of acceptance."""

    def __init__(self, games: Iterable[Game] = (), *, clock: Clock = system_clock, new_id: NewId = uuid7) -> None:
        self._clock = clock
        self._new_id = new_id
        self._answers: dict[tuple[ClientId, str], tuple[bytes, Any]] = {}
        self.applications: dict[ClientId, Working] = {}
        self.transactions: list[Transaction] = []
        self.invoked: list[InvokedAction] = []
        self.facts: list[AnyFact] = []
        for game in games:
            self.add(game)

    def add(self, game: Game) -> None:
        self.applications[game.application.id] = Working(game)

    async def handle(self, command: Command[A], idempotency: Idempotency | None = None) -> A:
        """Never blocks, so no other command comes in between."""
        answer: A
        if idempotency is None:
            answer = self._do(command)
            return answer
        key = (command.client_id, idempotency.key)
        if key in self._answers and self._answers[key][0] != idempotency.digest:
            raise Conflict(f"Idempotency-Key {idempotency.key!r:.100} came with another request before. Use a new key.")
        if key not in self._answers:
            self._answers[key] = (idempotency.digest, self._do(command))
        answer = self._answers[key][1]
        return answer

    def _do(self, command: Any) -> Any:
        working = self.applications.get(command.client_id)
        if working is None:
            raise NotFound(f"There is no application {command.client_id!r:.100}.", field="client_id")
        now = self._clock()
        if isinstance(command, ApplyDefinitions):
            working.game, made = apply(working.game, command, now, self._new_id)
            return made
        if isinstance(command, _DEFINES):
            definition = define(working.game, command, now, self._new_id)  # type: ignore[arg-type]
            working.game = working.game.with_(definition)
            return definition
        if isinstance(command, InvokeActions):
            decisions, outcomes = working.invoke_all(command, now, self._new_id)
            for decision in decisions:
                self._keep(decision)
            return outcomes
        decision = working.play(command, now, self._new_id)
        self._keep(decision)
        return decision.answer

    def _keep(self, decision: Decision) -> None:
        self.transactions += decision.transactions
        self.facts += decision.facts
        if decision.invoked is not None:
            self.invoked.append(decision.invoked)
