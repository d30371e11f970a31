"""Performs one batch of commands in one transaction: load, play, write. The engine commits."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from tifo.engagement.batch import Working
from tifo.engagement.commands import Command
from tifo.engagement.dispatch import answer_type, defines, perform, play_commands
from tifo.engagement.idempotency import FirstAnswers
from tifo.engagement.model import Game
from tifo.engagement.ports import Idempotency
from tifo.kernel.errors import NotFound, TifoError
from tifo.kernel.ids import ClientId, NewId, ProfileId
from tifo.store.engagement.answers import load_answers
from tifo.store.engagement.fans import Fans, Known, raise_versions
from tifo.store.engagement.games import Games
from tifo.store.engagement.loading import load_working, lock_applications
from tifo.store.engagement.writing import Written, write_answers, write_definitions, write_play
from tifo.store.sql.bulk import without_waiting


class Asked(NamedTuple):
    command: Command[Any]
    idempotency: Idempotency | None


class EngineMemory(NamedTuple):
    """Games and fans that the engine's batches have seen."""

    games: Games
    fans: Fans


class CommandBatch:
    """Performs the commands of one transaction."""

    def __init__(
        self, connection: Connection, memory: EngineMemory, asked: Sequence[Asked], *, now: datetime, new_id: NewId
    ) -> None:
        self._connection = connection
        self._memory = memory
        self._asked = asked
        self._now = now
        self._new_id = new_id
        self._results: list[Any] = [None] * len(asked)
        self.seen: dict[ProfileId, Known] = {}
        """The fans that were read, as they will be once this is committed."""

    def run(self) -> list[Any]:
        """Returns each command's answer, or the error that refuses it. Accepted ones are written, not yet committed."""
        by_client: dict[ClientId, list[int]] = defaultdict(list)
        for number, (command, _) in enumerate(self._asked):
            by_client[command.client_id].append(number)
        defining = {each.command.client_id for each in self._asked if defines(each.command)}
        # Locks come first and reads after them: what is read stays true until the commit (docs/decisions/0005).
        lock_applications(self._connection, set(by_client), defining)
        games = self._memory.games.load(self._connection, set(by_client), locked=True)
        # In one order, so that two writers never wait for one another in a circle.
        for client_id, numbers in sorted(by_client.items()):
            if client_id not in games:
                error = NotFound(f"There is no application {client_id!r:.100}.", field="client_id")
                for number in numbers:
                    self._results[number] = error
            else:
                self._run_application(games[client_id], numbers)
        return self._results

    def _run_application(self, game: Game, numbers: Sequence[int]) -> None:
        commands = [each for number in numbers for each in play_commands(self._asked[number].command)]
        working, loaded = load_working(self._connection, game, self._memory.fans, commands)
        answers = self._first_answers(numbers)
        before = dict(working.fans)
        written = Written()
        for number in numbers:
            try:
                self._results[number] = self._answer(self._asked[number], working, written, answers)
            # A refused command leaves nothing in `written`, so its neighbours go on.
            except TifoError as error:
                self._results[number] = error
        # Rules return an unchanged fan as the same object.
        after = {fan_id: fan for fan_id, fan in working.fans.items() if before.get(fan_id) is not fan}
        # Before the play, because a new board is filled from the balances of before. Not pipelined: it reads what it
        # needs.
        write_definitions(self._connection, working.game, written.definitions.values())
        with without_waiting(self._connection):
            write_play(self._connection, working.game, written.decisions, before=before, after=after)
            write_answers(self._connection, answers.new, self._now)
            self.seen |= loaded | raise_versions(self._connection, after, loaded)

    def _first_answers(self, numbers: Sequence[int]) -> FirstAnswers:
        """Reads the earlier answers to the commands' keys. Call it after the fans were read.

        An answer commits together with the effects of its command. Read before the fans, it could be missing where
        their state shows the effects: the retry would be refused as a second command.
        """
        asked = [self._asked[number] for number in numbers]
        keyed = [(each.command.client_id, each.idempotency.key) for each in asked if each.idempotency]
        # Two processes may still both find no answer to one key. The table's primary key then lets one commit, and the
        # other finds the answer when it performs its batch again.
        return FirstAnswers(load_answers(self._connection, keyed))

    def _answer(self, asked: Asked, working: Working, written: Written, answers: FirstAnswers) -> object:
        command, idempotency = asked
        if idempotency is None:
            return self._perform(command, working, written)
        return answers.once(
            command.client_id,
            idempotency,
            answer_type(type(command)),
            lambda: self._perform(command, working, written),
        )

    def _perform(self, command: Command[Any], working: Working, written: Written) -> object:
        effects = perform(working, command, self._now, self._new_id)
        written.add(effects)
        return effects.answer
