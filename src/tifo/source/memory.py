"""Holds the feed of facts in memory, for tests and for a relay that need not outlive its process."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from tifo.engagement.facts import AnyFact
from tifo.kernel.ids import ClientId, FactId
from tifo.leases.ports import Lease
from tifo.source.ports import DeadLetter, RelayReport, Trouble


class InMemoryFactFeed:
    """Implements `FactFeed`. The facts of one `commit` are one transaction's.

    `require` raises `LeaseLost` for a lease that is not its holder's, as `InMemoryLeases.require` does.
    """

    def __init__(self, require: Callable[[Lease], None] = lambda _: None) -> None:
        self._require = require
        self._lock = threading.Lock()
        self._queues: dict[ClientId, _FactQueue] = {}

    def commit(self, *facts: AnyFact) -> None:
        with self._lock:
            for fact in facts:
                self._queue(fact.client_id).append(fact)

    def waiting(self) -> set[ClientId]:
        with self._lock:
            return {client_id for client_id, queue in self._queues.items() if queue.pending(1)}

    def pending(self, client_id: ClientId, limit: int) -> Sequence[AnyFact]:
        with self._lock:
            return self._queue(client_id).pending(limit)

    def advance(self, client_id: ClientId, sent: Sequence[FactId], at: datetime, *, under: Lease | None = None) -> None:
        with self._lock:
            self._check(under)
            queue = self._queue(client_id)
            queue.leave(sent)
            for fact_id in sent:
                queue.dead.pop(fact_id, None)
            # A new report: an accepted fact ends the trouble and the refusals in a row.
            queue.report = RelayReport(last_sent=sent[-1], last_sent_at=at)

    def dead_letter(
        self,
        client_id: ClientId,
        fact_id: FactId,
        status: int,
        answer: str,
        at: datetime,
        *,
        under: Lease | None = None,
    ) -> None:
        with self._lock:
            self._check(under)
            queue = self._queue(client_id)
            queue.leave([fact_id])
            queue.dead[fact_id] = DeadLetter(queue.facts[queue.place[fact_id]], status, answer, at)
            # Status 0 is the relay's own refusal, for size: it says nothing about the endpoint.
            refused = queue.report.refused_in_a_row + (status != 0)
            queue.report = queue.report._replace(refused_in_a_row=refused, trouble=None)

    def dead_letters(self, client_id: ClientId) -> Sequence[DeadLetter]:
        with self._lock:
            queue = self._queue(client_id)
            return sorted(queue.dead.values(), key=lambda one: queue.place[one.fact_id])

    def resend(self, client_id: ClientId, fact_ids: Sequence[FactId] | None = None) -> int:
        with self._lock:
            queue = self._queue(client_id)
            wanted = queue.dead.keys() if fact_ids is None else queue.dead.keys() & set(fact_ids)
            resent = sorted(wanted, key=queue.place.__getitem__)
            for fact_id in resent:
                queue.resent[fact_id] = queue.dead.pop(fact_id).fact
            return len(resent)

    def note(self, client_id: ClientId, trouble: Trouble | None, *, under: Lease | None = None) -> None:
        with self._lock:
            self._check(under)
            queue = self._queue(client_id)
            queue.report = queue.report._replace(trouble=trouble)

    def report(self, client_id: ClientId) -> RelayReport:
        with self._lock:
            queue = self._queue(client_id)
            return queue.report._replace(waiting=len(queue.resent) + len(queue.facts) - queue.cursor)

    def _check(self, lease: Lease | None) -> None:
        if lease is not None:
            self._require(lease)

    def _queue(self, client_id: ClientId) -> "_FactQueue":
        return self._queues.setdefault(client_id, _FactQueue())


class _FactQueue:
    def __init__(self) -> None:
        self.facts: list[AnyFact] = []
        self.place: dict[FactId, int] = {}
        self.cursor = 0
        """The number of `facts` that have left the queue."""
        self.dead: dict[FactId, DeadLetter] = {}
        self.resent: dict[FactId, AnyFact] = {}
        """The front of the queue, in its order."""
        self.report = RelayReport()
        """Everything but the number that waits, which is counted when somebody asks."""

    def append(self, fact: AnyFact) -> None:
        self.place[fact.id] = len(self.facts)
        self.facts.append(fact)

    def pending(self, limit: int) -> list[AnyFact]:
        front = list(self.resent.values())[:limit]
        return front + self.facts[self.cursor : self.cursor + limit - len(front)]

    def leave(self, fact_ids: Sequence[FactId]) -> None:
        for fact_id in fact_ids:
            self.resent.pop(fact_id, None)
            self.cursor = max(self.cursor, self.place[fact_id] + 1)
