"""The sender: every application's facts to its webhooks' subscribers, signed, in order for a profile.

Facts of different profiles go out side by side. One that the endpoint does not take waits for its next attempt, and
so do the later ones of its profile; the others go on. An endpoint that takes nothing at all is another matter: after
`DEAD_AFTER` facts its whole line waits where it is, one fact is tried now and then, and nothing is set aside.
"""

import asyncio
import random
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import aiohttp
import structlog
from prometheus_client import Counter

from tifo.engagement.facts import AnyFact
from tifo.kernel.backoff import Backoff
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import ProfileId
from tifo.kernel.waiting import wait
from tifo.source.answers import Answer
from tifo.source.endpoint import post
from tifo.source.outbox import Late, LateState, Placed, Subscriber, WebhookOutbox
from tifo.source.webhooks_out import EVENTS, FactContext, headers_of, webhook_of

GIVE_UP = timedelta(hours=4)
"""After so long a fact is set aside, if the endpoint takes others."""
DEAD_AFTER = 5
BACKOFF = Backoff(base_s=1.0, cap_s=600.0)
"""After the n-th failed attempt: 1 s, 2 s, 4 s … 10 min, of which chance takes off up to a half."""
TIMEOUT_S = 10.0

_PROBE_CAP_S = 60.0
"""A dead endpoint is tried with a new fact at least so often: all that failed may have been at fault itself."""
_ABOUT_THE_WEBHOOK = frozenset((400, 406, 409, 411, 413, 414, 415, 422, 431))
"""An endpoint that answers so is alive: it refuses this one."""
_POLL_S = 0.2
_READ = 200
_AT_ONCE = 16
_GRACE_S = 5.0
_ANSWER_LENGTH = 1_000

_attempts = Counter("tifo_webhooks_out", "Attempts to post webhooks, by outcome", ["subscriber_id", "outcome"])
_log = structlog.get_logger(__name__)


class _Tried(NamedTuple):
    placed: Placed
    answer: Answer | None
    """None: not tried, as it stands behind one of its profile that was not taken."""

    @property
    def is_taken(self) -> bool:
        return self.answer is not None and 200 <= self.answer.status < 300  # noqa: PLR2004 (HTTP's class of success)


class Sender:
    """At least once: a fact's webhook is sent again, under the same id, until the endpoint has answered with 2xx.

    Each subscriber has a task of its own, so one's dead endpoint never delays another's. `outside` is a session with
    a guarded connector (`egress.guard`).
    """

    def __init__(
        self,
        outbox: WebhookOutbox,
        outside: aiohttp.ClientSession,
        *,
        clock: Clock = system_clock,
        chance: Callable[[], float] = random.random,
        timeout_s: float = TIMEOUT_S,
        poll_s: float = _POLL_S,
    ) -> None:
        self._outbox = outbox
        self._outside = outside
        self._clock = clock
        self._chance = chance
        self._timeout_s = timeout_s
        self._poll_s = poll_s
        self._failed_in_a_row: dict[str, int] = {}
        self._probe_at: dict[str, datetime] = {}
        self._draining: dict[str, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then the attempts under way get a few seconds. What is cut off is sent again."""
        try:
            while not stop.is_set():
                await self._look(stop)
                await wait(stop, self._poll_s)
        finally:
            tasks = list(self._draining.values())
            if tasks:
                _, late = await asyncio.wait(tasks, timeout=_GRACE_S)
                for task in late:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self, stop: asyncio.Event) -> None:
        try:
            subscribers = await asyncio.to_thread(self._outbox.subscribers)
        except Transient as error:
            _log.warning("webhooks_store_out_of_reach", error=error.message)
            return
        for subscriber in subscribers:
            if subscriber.id not in self._draining:
                self._start(subscriber, stop)

    def _start(self, subscriber: Subscriber, stop: asyncio.Event) -> None:
        task = asyncio.create_task(self._drain(subscriber, stop), name=f"webhooks to {subscriber.id}")
        self._draining[subscriber.id] = task
        task.add_done_callback(lambda _: self._draining.pop(subscriber.id))

    async def _drain(self, subscriber: Subscriber, stop: asyncio.Event) -> None:
        """Never raises: what goes wrong with one subscriber touches no other, and is tried again at the next look."""
        try:
            while not stop.is_set() and await self._step(subscriber):
                pass
        except Exception as error:  # noqa: BLE001 (of whatever kind: it must not reach the other subscribers)
            # As text: a renderer of tracebacks that shows local variables would show the secret.
            lines = "".join(traceback.format_exception(error))
            _log.error("webhooks_out_failed", subscriber_id=subscriber.id, traceback=lines)
            await wait(stop, 1.0)

    async def _step(self, subscriber: Subscriber) -> bool:
        """One round; whether there may be more to do at once."""
        outbox, is_dead = self._outbox, await self._failures_of(subscriber) >= DEAD_AFTER
        again = await asyncio.to_thread(outbox.due, subscriber, self._clock(), 1 if is_dead else _READ)
        if again:
            await self._send(subscriber, again, are_new=False)
        failed = await self._failures_of(subscriber)
        if failed >= DEAD_AFTER and self._clock() < self._probe_at.get(subscriber.id, self._clock()):
            return False
        limit = _READ if failed == 0 else 1 if failed >= DEAD_AFTER else DEAD_AFTER
        new = await asyncio.to_thread(outbox.new, subscriber, limit)
        if new:
            await self._send(subscriber, new, are_new=True)
        return bool(new or again)

    async def _failures_of(self, subscriber: Subscriber) -> int:
        """As an earlier sender left it: a restart does not make a dead endpoint look alive."""
        if subscriber.id not in self._failed_in_a_row:
            report = await asyncio.to_thread(self._outbox.report, subscriber.client_id, subscriber.id)
            self._failed_in_a_row[subscriber.id] = report.failed_in_a_row
        return self._failed_in_a_row[subscriber.id]

    async def _send(self, subscriber: Subscriber, facts: Sequence[Placed], *, are_new: bool) -> None:
        wanted = [placed for placed in facts if EVENTS[type(placed.fact)] in subscriber.events]
        tried = await self._try_all(subscriber, wanted, are_new=are_new)
        late = [self._late(subscriber, each) for each in tried if not each.is_taken]
        await asyncio.to_thread(
            self._outbox.settle,
            subscriber,
            through=facts[-1].position if are_new else None,
            delivered=[each.placed for each in tried if each.is_taken],
            late=late,
            failed_in_a_row=self._failed_in_a_row[subscriber.id],
            at=self._clock(),
        )
        aside = [each for each in late if each.state is LateState.ASIDE]
        if aside:
            _log.error("webhooks_set_aside", subscriber_id=subscriber.id, count=len(aside), answer=aside[0].answer)

    async def _try_all(self, subscriber: Subscriber, facts: Sequence[Placed], *, are_new: bool) -> list[_Tried]:
        """Each profile's facts one after the other, those of different profiles side by side."""
        lines: dict[ProfileId, list[tuple[Placed, FactContext]]] = {}
        around = await asyncio.to_thread(self._outbox.around, [placed.fact for placed in facts])
        for placed, known in zip(facts, around, strict=True):
            lines.setdefault(placed.fact.profile_id, []).append((placed, known))
        behind: set[ProfileId] = set()
        if are_new:
            behind = await asyncio.to_thread(self._outbox.held_up, subscriber, list(lines))
        gate = asyncio.Semaphore(_AT_ONCE)

        async def try_line(profile_id: ProfileId) -> list[_Tried]:
            tried, is_open = [], profile_id not in behind
            for placed, known in lines[profile_id]:
                async with gate:
                    # Others may have shown meanwhile that the endpoint is dead.
                    is_open = is_open and (len(facts) == 1 or self._failed_in_a_row[subscriber.id] < DEAD_AFTER)
                    answer = await self._post(subscriber, placed.fact, known) if is_open else None
                    if answer is not None:
                        self._learn(subscriber.id, answer, is_new=are_new)
                tried.append(_Tried(placed, answer))
                is_open = is_open and tried[-1].is_taken
            return tried

        return [each for line in await asyncio.gather(*map(try_line, lines)) for each in line]

    async def _post(self, subscriber: Subscriber, fact: AnyFact, around: FactContext) -> Answer:
        body = webhook_of(fact, around)
        headers = headers_of(body, subscriber.secret)
        answer = await post(self._outside, subscriber.url, body, headers, timeout_s=self._timeout_s, clock=self._clock)
        is_taken = 200 <= answer.status < 300  # noqa: PLR2004 (HTTP's class of success)
        _attempts.labels(subscriber.id, "delivered" if is_taken else "failed").inc()
        if not is_taken:
            _log.warning("webhook_not_taken", subscriber_id=subscriber.id, fact_id=fact.id, answer=str(answer)[:200])
        return answer

    def _learn(self, subscriber_id: str, answer: Answer, *, is_new: bool) -> None:
        """Whether the endpoint is alive. That one fact fails again and again tells nothing about it."""
        failed = self._failed_in_a_row
        if 200 <= answer.status < 300 or answer.status in _ABOUT_THE_WEBHOOK:  # noqa: PLR2004 (as above)
            failed[subscriber_id] = 0
        elif is_new:
            failed[subscriber_id] += 1
            after_s = min(_PROBE_CAP_S, BACKOFF.pause_s(failed[subscriber_id], self._chance()))
            self._probe_at[subscriber_id] = self._clock() + timedelta(seconds=after_s)

    def _late(self, subscriber: Subscriber, tried: _Tried) -> Late:
        placed, answer = tried.placed, tried.answer
        fact, now = placed.fact, self._clock()
        late = Late(placed.position, fact.id, fact.profile_id, EVENTS[type(fact)])
        if answer is None:
            return late
        first_at, attempts = placed.first_at or now, placed.attempts + 1
        gives_up = now - first_at >= GIVE_UP and self._failed_in_a_row[subscriber.id] < DEAD_AFTER
        after_s = BACKOFF.pause_s(attempts, self._chance(), answer.retry_after_s)
        return late._replace(
            state=LateState.ASIDE if gives_up else LateState.WAITING,
            attempts=attempts,
            first_at=first_at,
            tried_at=now,
            next_at=None if gives_up else now + timedelta(seconds=after_s),
            status=answer.status,
            answer=answer.text[:_ANSWER_LENGTH],
        )
