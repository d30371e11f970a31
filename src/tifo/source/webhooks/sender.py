"""Sends every application's facts to its webhooks' subscribers: signed, and in order for each profile.

A fact that the endpoint does not accept waits for its next attempt, and so do the later ones of its profile; those of
other profiles go on. While an endpoint is dead, all facts wait, and none is dead-lettered.
"""

import asyncio
import random
import traceback
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import NamedTuple

import aiohttp
import structlog
from prometheus_client import Counter

from tifo.egress.answers import HttpAnswer
from tifo.egress.http import HttpRequest, send
from tifo.engagement.facts import AnyFact
from tifo.kernel.backoff import Backoff
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import ProfileId
from tifo.kernel.waiting import wait
from tifo.leases.ports import Lease, LeaseLost
from tifo.leases.share import WorkShare
from tifo.source.tasks import finish
from tifo.source.webhooks.health import EndpointHealth
from tifo.source.webhooks.outbox import (
    PlacedFact,
    Subscriber,
    UndeliveredWebhook,
    UndeliveredWebhookState,
    WebhookOutbox,
)
from tifo.source.webhooks.outgoing import EVENTS, FactContext, headers_of, webhook_of

# LiveLike documents neither retries nor timeout nor order of its webhooks. Ours: the 4 hours are those of Segment's
# destinations, and each profile's webhooks stay in order.
EXPIRE_AFTER = timedelta(hours=4)
"""Time after which a fact that still fails is dead-lettered, if the endpoint accepts others."""
BACKOFF = Backoff(base_s=1.0, cap_s=600.0)
"""Pauses after failed attempts: 1 s, 2 s, 4 s … 10 min, of which chance takes off up to a half."""
TIMEOUT_S = 10.0

_POLL_S = 0.2
_READ = 200
_AT_ONCE = 16
_GRACE_S = 5.0
_ANSWER_BYTES = 2_048
_ANSWER_LENGTH = 1_000

_attempts = Counter("tifo_webhooks_out", "Attempts to post webhooks, by outcome", ["subscriber_id", "outcome"])
_log = structlog.get_logger(__name__)


class _Tried(NamedTuple):
    placed: PlacedFact
    answer: HttpAnswer | None
    """None: not tried, because an earlier fact of its profile was not accepted."""

    @property
    def is_accepted(self) -> bool:
        return self.answer is not None and self.answer.is_success


class SenderTools(NamedTuple):
    """Holds the parts that all subscribers' senders share."""

    outbox: WebhookOutbox
    outside: aiohttp.ClientSession
    """A guarded session: people configure subscribers' addresses."""
    share: WorkShare
    """Says which subscribers are this process's."""
    clock: Clock
    chance: Callable[[], float]
    timeout_s: float


class SubscriberSender:
    """Sends one subscriber its webhooks. A webhook is sent again, under the same id, until the answer is 2xx."""

    def __init__(self, subscriber: Subscriber, tools: SenderTools) -> None:
        self.subscriber = subscriber
        self._tools = tools
        self._outbox = tools.outbox
        self._health: EndpointHealth | None = None
        self._lease: Lease | None = None

    async def step(self) -> bool:
        """Sends due retries and then new facts, once. Returns whether more may be there to send at once."""
        lease = self._tools.share.lease(self.subscriber.id)
        if lease is None:
            return False
        if lease != self._lease:
            self._lease, self._health = lease, None  # another process may have stored another health since
        try:
            return await self._step()
        except LeaseLost:
            self._tools.share.lost(lease)
            return False

    async def _step(self) -> bool:
        health = await self._known_health()
        limit = 1 if health.is_dead else _READ
        due = await asyncio.to_thread(self._outbox.due, self.subscriber, self._tools.clock(), limit)
        if due:
            await self._send(due, health, are_new=False)
        if not self._may_go_on() or not health.may_send_new(self._tools.clock()):
            return False
        new = await asyncio.to_thread(self._outbox.new, self.subscriber, health.new_facts(_READ))
        if new:
            await self._send(new, health, are_new=True)
        # Also after retries alone: the profile's next webhook is due at once, and must not wait for the next look.
        return bool(new or due)

    async def _known_health(self) -> EndpointHealth:
        """Returns the endpoint's health; at first as an earlier sender stored it."""
        # A restart must not make a dead endpoint look alive: many facts would be tried, and would expire.
        if self._health is None:
            subscriber = self.subscriber
            report = await asyncio.to_thread(self._outbox.report, subscriber.client_id, subscriber.id)
            self._health = EndpointHealth(report.failed_in_a_row)
        return self._health

    async def _send(self, facts: Sequence[PlacedFact], health: EndpointHealth, *, are_new: bool) -> None:
        # All facts move the cursor, also those whose event nobody asked for: they must not be read again.
        wanted = [placed for placed in facts if EVENTS[type(placed.fact)] in self.subscriber.events]
        tried = await self._try_all(wanted, health, are_new=are_new)
        undelivered = [self._undelivered(each, health) for each in tried if not each.is_accepted]
        await asyncio.to_thread(
            self._outbox.settle,
            self.subscriber,
            through=facts[-1].position if are_new else None,
            delivered=[each.placed for each in tried if each.is_accepted],
            undelivered=undelivered,
            failed_in_a_row=health.failed_in_a_row,
            at=self._tools.clock(),
            under=self._lease,
        )
        dead = [each for each in undelivered if each.state is UndeliveredWebhookState.DEAD_LETTERED]
        if dead:
            _log.error("webhooks_set_aside", subscriber_id=self.subscriber.id, count=len(dead), answer=dead[0].answer)

    async def _try_all(self, facts: Sequence[PlacedFact], health: EndpointHealth, *, are_new: bool) -> list[_Tried]:
        """Tries each profile's facts one after the other, and those of different profiles side by side."""
        contexts = await asyncio.to_thread(self._outbox.contexts, [placed.fact for placed in facts])
        queues: dict[ProfileId, list[tuple[PlacedFact, FactContext]]] = {}
        for placed, context in zip(facts, contexts, strict=True):
            queues.setdefault(placed.fact.profile_id, []).append((placed, context))
        blocked: set[ProfileId] = set()
        if are_new:
            # One question for all profiles. Retries are not asked about: `due` returns each profile's first one.
            blocked = await asyncio.to_thread(self._outbox.waiting_profiles, self.subscriber, list(queues))
        gate = asyncio.Semaphore(_AT_ONCE)

        async def try_queue(profile_id: ProfileId) -> list[_Tried]:
            tried, is_open = [], profile_id not in blocked
            for placed, context in queues[profile_id]:
                async with gate:
                    # Other profiles' facts may have shown meanwhile that the endpoint is dead. A single fact is its
                    # probe.
                    is_open = is_open and (len(facts) == 1 or not health.is_dead) and self._may_go_on()
                    answer = await self._post(placed.fact, context) if is_open else None
                    if answer is not None:
                        health.learn(answer, is_new=are_new, now=self._tools.clock(), pause_s=self._pause_s)
                tried.append(_Tried(placed, answer))
                is_open = is_open and tried[-1].is_accepted
            return tried

        return [each for queue in await asyncio.gather(*map(try_queue, queues)) for each in queue]

    def _may_go_on(self) -> bool:
        return self._tools.share.lease(self.subscriber.id) == self._lease

    def _pause_s(self, attempt: int) -> float:
        return BACKOFF.pause_s(attempt, self._tools.chance())

    async def _post(self, fact: AnyFact, context: FactContext) -> HttpAnswer:
        subscriber = self.subscriber
        body = webhook_of(fact, context)
        request = HttpRequest(
            url=subscriber.url,
            body=body,
            headers=headers_of(body, subscriber.secret),
            timeout_s=self._tools.timeout_s,
            answer_bytes=_ANSWER_BYTES,
        )
        answer = await send(self._tools.outside, request, self._tools.clock)
        _attempts.labels(subscriber.id, "delivered" if answer.is_success else "failed").inc()
        if not answer.is_success:
            _log.warning("webhook_not_taken", subscriber_id=subscriber.id, fact_id=fact.id, answer=str(answer)[:200])
        return answer

    def _undelivered(self, tried: _Tried, health: EndpointHealth) -> UndeliveredWebhook:
        placed, answer = tried.placed, tried.answer
        fact, now = placed.fact, self._tools.clock()
        undelivered = UndeliveredWebhook(
            position=placed.position, fact_id=fact.id, profile_id=fact.profile_id, event=EVENTS[type(fact)]
        )
        if answer is None:
            return undelivered
        first_at, attempts = placed.first_at or now, placed.attempts + 1
        # Not while the endpoint is dead: an outage must lose nothing, however long it lasts.
        expires = now - first_at >= EXPIRE_AFTER and not health.is_dead
        after_s = BACKOFF.pause_s(attempts, self._tools.chance(), answer.retry_after_s)
        return undelivered._replace(
            state=UndeliveredWebhookState.DEAD_LETTERED if expires else UndeliveredWebhookState.WAITING,
            attempts=attempts,
            first_at=first_at,
            tried_at=now,
            next_at=None if expires else now + timedelta(seconds=after_s),
            status=answer.status,
            answer=answer.text[:_ANSWER_LENGTH],
        )


class Sender:
    """Sends all subscribers their webhooks, at least once. Senders over one store share the subscribers by `share`.

    `outside` is a guarded session.
    """

    def __init__(
        self,
        outbox: WebhookOutbox,
        outside: aiohttp.ClientSession,
        share: WorkShare,
        *,
        clock: Clock = system_clock,
        chance: Callable[[], float] = random.random,
        timeout_s: float = TIMEOUT_S,
        poll_s: float = _POLL_S,
    ) -> None:
        self._outbox = outbox
        self._share = share
        self._tools = SenderTools(
            outbox=outbox, outside=outside, share=share, clock=clock, chance=chance, timeout_s=timeout_s
        )
        self._poll_s = poll_s
        self._senders: dict[str, SubscriberSender] = {}
        self._draining: dict[str, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set; then the attempts under way get a few seconds. What is cut off is sent again."""
        try:
            while not stop.is_set():
                await self._look(stop)
                await wait(stop, self._poll_s)
        finally:
            await finish(self._draining.values(), _GRACE_S)
            await self._share.close()

    async def _look(self, stop: asyncio.Event) -> None:
        try:
            subscribers = await asyncio.to_thread(self._outbox.subscribers)
            await self._share.look({each.id for each in subscribers}, self._draining)
        except Transient as error:
            _log.warning("webhooks_store_out_of_reach", error=error.message)
            return
        for subscriber in subscribers:
            if subscriber.id not in self._draining and self._share.lease(subscriber.id):
                self._start(subscriber, stop)

    def _start(self, subscriber: Subscriber, stop: asyncio.Event) -> None:
        sender = self._senders.setdefault(subscriber.id, SubscriberSender(subscriber, self._tools))
        sender.subscriber = subscriber
        # A task for each subscriber, so that one's dead endpoint never delays another's webhooks.
        task = asyncio.create_task(_drain(sender, stop), name=f"webhooks to {subscriber.id}")
        self._draining[subscriber.id] = task
        task.add_done_callback(lambda _: self._draining.pop(subscriber.id))


async def _drain(sender: SubscriberSender, stop: asyncio.Event) -> None:
    """Never raises: what goes wrong with one subscriber touches no other, and is tried again at the next look."""
    try:
        while not stop.is_set() and await sender.step():
            pass
    except Exception as error:  # noqa: BLE001 (of whatever kind: it must not reach the other subscribers)
        # As text: a renderer of tracebacks that shows local variables would show the secret.
        text = "".join(traceback.format_exception(error))
        _log.error("webhooks_out_failed", subscriber_id=sender.subscriber.id, traceback=text)
        await wait(stop, 1.0)
