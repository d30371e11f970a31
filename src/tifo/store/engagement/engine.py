"""Runs the engine on SQL: commands queue, and one writer performs a batch of them and commits it once."""

import random
import time
from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql

from tifo.engagement.commands import Command
from tifo.engagement.dispatch import weight
from tifo.engagement.ports import Idempotency
from tifo.kernel.batching import GroupCommit
from tifo.kernel.clock import Clock
from tifo.kernel.errors import Interrupted
from tifo.kernel.ids import NewId, uuid7
from tifo.store.engagement.batch import Asked, CommandBatch, EngineMemory
from tifo.store.engagement.fans import Fans
from tifo.store.engagement.games import Games
from tifo.store.sql.database import Database
from tifo.store.sql.tables import engagement as t
from tifo.store.sql.times import to_micros

A = TypeVar("A")
PATIENCE_S = 30.0
"""The time for which a batch is tried again: a database restarts in less."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 1.0

_mark = postgresql.insert(t.writers)
_MARK = _mark.on_conflict_do_update(
    index_elements=[t.writers.c.id],
    set_={"batch": _mark.excluded.batch, "at": _mark.excluded.at},
    # A mark that is not lower is this batch's own, from a try whose answer was lost: then nothing is returned.
    where=t.writers.c.batch < _mark.excluded.batch,
).returning(t.writers.c.batch)


class SqlEngine:
    """Implements `engagement.ports.Engine`. Create it inside the event loop that uses it."""

    def __init__(
        self, database: Database, clock: Clock, new_id: NewId, *, max_batch: int = 256, max_waiting: int = 10_000
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._memory = EngineMemory(Games(), Fans())
        self._id = uuid7()
        self._number = 0
        self._commits = GroupCommit[Asked, Any](
            self._commit, max_batch=max_batch, max_waiting=max_waiting, weigh=_weight, name="engine"
        )

    async def handle(self, command: Command[A], idempotency: Idempotency | None = None) -> A:
        answer: A = await self._commits.submit(Asked(command, idempotency))
        return answer

    async def close(self) -> None:
        await self._commits.close()

    def _commit(self, asked: Sequence[Asked]) -> list[Any]:
        """Commits the batch. Performs it again as a whole if another writer or a lost connection interrupts it."""
        # One number for all tries of a batch: the mark of an earlier try shows that it was committed.
        self._number += 1
        deadline = time.monotonic() + PATIENCE_S
        pause_s = FIRST_PAUSE_S
        sent: list[Any] | None = None  # the answers of the last try that got as far as its COMMIT
        while True:
            try:
                with self._database.writing(in_turn=False) as connection:
                    batch = CommandBatch(connection, self._memory, asked, now=self._clock(), new_id=self._new_id)
                    results = batch.run()
                    if not self._mark(connection):
                        # The answer to that COMMIT was lost, but it was done: this try is not.
                        connection.rollback()
                        assert sent is not None  # noqa: S101 (nobody else marks this batch)
                        return sent
                    sent = results
            except Interrupted:
                if time.monotonic() > deadline:
                    raise
                # Chance over the whole pause: engines that stood in one another's way must not come back together.
                time.sleep(random.uniform(0, pause_s))  # noqa: S311 (chance, not a secret)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            else:
                # Only after the commit: a version that was rolled back will be given to somebody else's change.
                self._memory.fans.keep(batch.seen)
                return results

    def _mark(self, connection: Connection) -> bool:
        """Says whether no earlier try has committed this batch. Waits for a try that the server still works on."""
        if not self._database.is_shared:
            return True
        values = {"id": self._id, "batch": self._number, "at": to_micros(self._clock())}
        return connection.execute(_MARK, values).first() is not None


def _weight(asked: Asked) -> int:
    return weight(asked.command)
