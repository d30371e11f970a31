"""LiveLike's webhooks on their way to their sources: completed, then sent as track events with the source's key."""

import asyncio
import random
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import aiohttp
import structlog
from prometheus_client import Counter

from tifo.engagement.facts import AnyFact
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import NotFound, Rejected, Transient
from tifo.kernel.ids import FactId, SourceId
from tifo.kernel.waiting import wait
from tifo.source.answers import BACKOFF, Sent, Split, decide
from tifo.source.batches import EncodedFact, Limits, cut, encode, envelope
from tifo.source.endpoint import TIMEOUT_S, post_batch
from tifo.source.inbox import Intake, WaitingWebhook, WebhookInbox, WebhookOutcome, WebhookState
from tifo.source.lookup import LiveLikeApi
from tifo.source.webhooks_in import DATA, LiveLikeWebhook, LookedUp, fact_of, read_webhook
from tifo.workspace.model import Catalog, Source

REMEMBERED = timedelta(days=30)
"""How long the ids of sent webhooks are kept, to know a second copy by."""
NOT_THERE_ATTEMPTS = 10
"""What LiveLike's API does not know may only be late: so often it is asked (some three minutes) before the webhook is
set aside."""

_POLL_S = 0.1
_FORGET_EVERY_S = 3600.0
_AT_ONCE = 200
_LOOKUPS_AT_ONCE = 16
_NO_API = (
    "It lacks what only LiveLike's API tells, and none is set. Set one: tifo source webhooks-in SOURCE --api URL"
    " --token TOKEN."
)

_outcomes = Counter("tifo_webhooks_in", "Webhooks of LiveLike's by what became of them", ["source_id", "outcome"])
_log = structlog.get_logger(__name__)


class _Ready(NamedTuple):
    waiting: WaitingWebhook
    message: EncodedFact


class WebhookIntake:
    """At least once, under the webhook's id as `messageId`: the event log drops what comes twice.

    Each source has a task of its own, so that one source's dead API never delays another's events. Events that lack
    nothing go first, and go out while an API is down. `session` goes to Tifo's own api, `outside` to LiveLike's.
    """

    def __init__(
        self,
        inbox: WebhookInbox,
        catalog: Catalog,
        session: aiohttp.ClientSession,
        own_endpoint: str,
        *,
        outside: aiohttp.ClientSession,
        clock: Clock = system_clock,
        chance: Callable[[], float] = random.random,
        poll_s: float = _POLL_S,
        api_of: Callable[[aiohttp.ClientSession, str, str], LiveLikeApi] = LiveLikeApi,
    ) -> None:
        self._inbox = inbox
        self._catalog = catalog
        self._session = session
        self._own_endpoint = own_endpoint
        self._outside = outside
        self._clock = clock
        self._chance = chance
        self._poll_s = poll_s
        self._api_of = api_of
        self._apis: dict[SourceId, tuple[Intake, LiveLikeApi]] = {}
        self._draining: dict[SourceId, asyncio.Task[None]] = {}
        self._forget_at = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. What is under way then is done again at the next start."""
        try:
            while not stop.is_set():
                await self._look()
                await wait(stop, self._poll_s)
        finally:
            for task in self._draining.values():
                task.cancel()
            await asyncio.gather(*self._draining.values(), return_exceptions=True)

    async def _look(self) -> None:
        try:
            intakes = await asyncio.to_thread(self._inbox.intakes)
            sources = (
                {source.id: source for source in await asyncio.to_thread(self._catalog.sources)} if intakes else {}
            )
            await self._forget()
        except Transient as error:
            _log.warning("webhooks_store_out_of_reach", error=str(error))
            return
        for intake in intakes:
            source = sources.get(intake.source_id)
            if source is not None and source.enabled and source.id not in self._draining:
                self._start(intake, source)

    def _start(self, intake: Intake, source: Source) -> None:
        task = asyncio.create_task(self._drain(intake, source), name=f"webhooks of {source.slug}")
        self._draining[source.id] = task
        task.add_done_callback(lambda _: self._draining.pop(source.id))

    async def _drain(self, intake: Intake, source: Source) -> None:
        """Never raises: what goes wrong with one source touches no other, and is tried again at the next look."""
        try:
            while due := await asyncio.to_thread(self._inbox.due, source.id, self._clock(), _AT_ONCE):
                await self._handle(intake, source, due)
        except Transient as error:
            _log.warning("webhooks_put_off", source=source.slug, error=str(error))
        except Exception as error:  # noqa: BLE001 (of whatever kind: it must not end the others)
            _log.error("webhooks_failed", source=source.slug, traceback="".join(traceback.format_exception(error)))
            await asyncio.sleep(BACKOFF.pause_s(6, self._chance()))

    async def _handle(self, intake: Intake, source: Source, due: Sequence[WaitingWebhook]) -> None:
        complete: list[_Ready] = []
        lacking: list[tuple[WaitingWebhook, LiveLikeWebhook]] = []
        for waiting in due:
            try:
                webhook = read_webhook(waiting.body) if waiting.event in DATA else None
                if webhook is None:
                    await self._settle(source, [WebhookOutcome(waiting.number, WebhookState.IGNORED)])
                elif webhook.lacks_nothing:
                    complete.append(_Ready(waiting, _encoded(fact_of(webhook, LookedUp()))))
                else:
                    lacking.append((waiting, webhook))
            except Rejected as error:
                await self._settle(source, [WebhookOutcome(waiting.number, WebhookState.ASIDE, error.message)])
        await self._send(source, complete)
        await self._send(source, await self._completed(intake, source, lacking))

    async def _completed(
        self, intake: Intake, source: Source, lacking: Sequence[tuple[WaitingWebhook, LiveLikeWebhook]]
    ) -> list[_Ready]:
        """Those whose look-ups all succeeded, in order; the others are held back."""
        api = self._api(intake)
        gate = asyncio.Semaphore(_LOOKUPS_AT_ONCE)

        async def complete(waiting: WaitingWebhook, webhook: LiveLikeWebhook) -> _Ready | WebhookOutcome:
            if api is None:
                return self._put_off(waiting, _NO_API)
            try:
                async with gate:
                    fact: AnyFact = fact_of(webhook, await api.find(webhook))
            except Transient as error:
                return self._put_off(waiting, error.message, error.retry_after_s)
            except NotFound as error:
                if waiting.attempts + 1 < NOT_THERE_ATTEMPTS:
                    return self._put_off(waiting, error.message)
                return WebhookOutcome(waiting.number, WebhookState.ASIDE, error.message)
            except Rejected as error:
                return WebhookOutcome(waiting.number, WebhookState.ASIDE, error.message)
            return _Ready(waiting, _encoded(fact))

        done = await asyncio.gather(*(complete(waiting, webhook) for waiting, webhook in lacking))
        await self._settle(source, [each for each in done if isinstance(each, WebhookOutcome)])
        return [each for each in done if isinstance(each, _Ready)]

    async def _send(self, source: Source, ready: Sequence[_Ready]) -> None:
        waiting = {each.message.fact_id: each.waiting for each in ready}
        for batch in cut([each.message for each in ready], Limits()):
            await self._send_batch(source, batch, waiting)

    async def _send_batch(
        self, source: Source, batch: Sequence[EncodedFact], waiting: Mapping[FactId, WaitingWebhook]
    ) -> None:
        """Tifo's own api takes it, or refuses one of it (which is set aside), or is out of reach (all wait)."""
        body = envelope(batch, source.write_key, self._clock())
        answer = await post_batch(
            self._session, self._own_endpoint, source.write_key, body, timeout_s=TIMEOUT_S, clock=self._clock
        )
        decision = decide(answer, attempt=1, chance=self._chance())
        rows = [waiting[message.fact_id] for message in batch]
        if isinstance(decision, Split) and len(batch) > 1:
            for message in batch:
                await self._send_batch(source, [message], waiting)
        elif isinstance(decision, Sent):
            await self._settle(source, [WebhookOutcome(row.number, WebhookState.SENT) for row in rows])
        elif isinstance(decision, Split):
            await self._settle(source, [WebhookOutcome(row.number, WebhookState.ASIDE, str(answer)) for row in rows])
        else:
            await self._settle(source, [self._put_off(row, f"Tifo's own api: {answer}") for row in rows])

    async def _settle(self, source: Source, outcomes: Sequence[WebhookOutcome]) -> None:
        if not outcomes:
            return
        await asyncio.to_thread(self._inbox.settle, outcomes)
        for outcome in outcomes:
            _outcomes.labels(source.id, outcome.state.value).inc()
        troubled = [outcome for outcome in outcomes if outcome.reason is not None]
        if troubled:
            _log.warning("webhooks_held", source=source.slug, count=len(troubled), reason=troubled[0].reason)

    def _put_off(self, waiting: WaitingWebhook, reason: str, after_s: float = 0.0) -> WebhookOutcome:
        pause_s = BACKOFF.pause_s(waiting.attempts + 1, self._chance(), after_s)
        return WebhookOutcome(waiting.number, WebhookState.WAITING, reason, self._clock() + timedelta(seconds=pause_s))

    def _api(self, intake: Intake) -> LiveLikeApi | None:
        """The same one, with what it remembers, as long as the intake does not change."""
        if intake.api is None or intake.token is None:
            return None
        known = self._apis.get(intake.source_id)
        if known is None or known[0] != intake:
            known = self._apis[intake.source_id] = (intake, self._api_of(self._outside, intake.api, intake.token))
        return known[1]

    async def _forget(self) -> None:
        now = self._clock()
        if now.timestamp() >= self._forget_at:
            self._forget_at = now.timestamp() + _FORGET_EVERY_S
            await asyncio.to_thread(self._inbox.forget, now - REMEMBERED)


def _encoded(fact: AnyFact) -> EncodedFact:
    """Tells whose webhook it was: an event of this Tifo's own is no action (see delivery/actions.py)."""
    return encode(fact, {"livelike": {"client_id": fact.client_id}})
