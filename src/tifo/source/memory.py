"""The feed's twin in memory: for tests, and for a relay that has no need to outlive its process."""

import threading
from collections.abc import Sequence
from datetime import datetime

from tifo.engagement.facts import AnyFact
from tifo.kernel.ids import ClientId, FactId
from tifo.source.ports import RelayReport, SetAside, Trouble


class InMemoryFactFeed:
    """A `FactFeed`. What `commit` gives is one transaction's facts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[ClientId, _Line] = {}

    def commit(self, *facts: AnyFact) -> None:
        with self._lock:
            for fact in facts:
                self._line(fact.client_id).append(fact)

    def waiting(self) -> set[ClientId]:
        with self._lock:
            return {client_id for client_id, line in self._lines.items() if line.pending(1)}

    def pending(self, client_id: ClientId, limit: int) -> Sequence[AnyFact]:
        with self._lock:
            return self._line(client_id).pending(limit)

    def advance(self, client_id: ClientId, sent: Sequence[FactId], at: datetime) -> None:
        with self._lock:
            line = self._line(client_id)
            line.leave(sent)
            for fact_id in sent:
                line.aside.pop(fact_id, None)
            line.report = RelayReport(last_sent=sent[-1], last_sent_at=at)

    def set_aside(self, client_id: ClientId, fact_id: FactId, status: int, answer: str, at: datetime) -> None:
        with self._lock:
            line = self._line(client_id)
            line.leave([fact_id])
            line.aside[fact_id] = SetAside(line.facts[line.place[fact_id]], status, answer, at)
            refused = line.report.refused_in_a_row + (status != 0)
            line.report = line.report._replace(refused_in_a_row=refused, trouble=None)

    def set_aside_facts(self, client_id: ClientId) -> Sequence[SetAside]:
        with self._lock:
            line = self._line(client_id)
            return sorted(line.aside.values(), key=lambda one: line.place[one.fact_id])

    def resend(self, client_id: ClientId, fact_ids: Sequence[FactId] | None = None) -> int:
        with self._lock:
            line = self._line(client_id)
            wanted = line.aside.keys() if fact_ids is None else line.aside.keys() & set(fact_ids)
            again = sorted(wanted, key=line.place.__getitem__)
            for fact_id in again:
                line.again[fact_id] = line.aside.pop(fact_id).fact
            return len(again)

    def note(self, client_id: ClientId, trouble: Trouble | None) -> None:
        with self._lock:
            line = self._line(client_id)
            line.report = line.report._replace(trouble=trouble)

    def report(self, client_id: ClientId) -> RelayReport:
        with self._lock:
            line = self._line(client_id)
            return line.report._replace(waiting=len(line.again) + len(line.facts) - line.cursor)

    def _line(self, client_id: ClientId) -> "_Line":
        return self._lines.setdefault(client_id, _Line())


class _Line:
    def __init__(self) -> None:
        self.facts: list[AnyFact] = []
        self.place: dict[FactId, int] = {}
        self.cursor = 0
        """So many of `facts` have left the line."""
        self.aside: dict[FactId, SetAside] = {}
        self.again: dict[FactId, AnyFact] = {}
        """The front of the line, in its order."""
        self.report = RelayReport()
        """But for what is waiting."""

    def append(self, fact: AnyFact) -> None:
        self.place[fact.id] = len(self.facts)
        self.facts.append(fact)

    def pending(self, limit: int) -> list[AnyFact]:
        front = list(self.again.values())[:limit]
        return front + self.facts[self.cursor : self.cursor + limit - len(front)]

    def leave(self, fact_ids: Sequence[FactId]) -> None:
        for fact_id in fact_ids:
            self.again.pop(fact_id, None)
            self.cursor = max(self.cursor, self.place[fact_id] + 1)
