"""Turns stored webhooks into track events: completes each by LiveLike's API where it lacks something, and sends it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import aiohttp
import structlog
from prometheus_client import Counter

from tifo.engagement.facts import AnyFact
from tifo.kernel.clock import Clock
from tifo.kernel.errors import NotFound, Rejected, Transient
from tifo.kernel.ids import FactId
from tifo.leases.ports import Lease
from tifo.leases.share import WorkShare
from tifo.source.answers import BACKOFF, Sent, Split, decide
from tifo.source.batches import TIMEOUT_S, EncodedFact, Limits, cut, encode, envelope, post_batch
from tifo.source.webhooks.inbox import WaitingWebhook, WebhookInbox, WebhookOutcome, WebhookState
from tifo.source.webhooks.incoming import DATA, LiveLikeWebhook, LookedUp, fact_of, read_webhook
from tifo.source.webhooks.lookup import LiveLikeApi
from tifo.workspace.model import Source

NOT_THERE_ATTEMPTS = 10
"""Attempts to look up a resource that LiveLike's API does not know, over some three minutes."""

_LOOKUPS_AT_ONCE = 16
_NO_API = (
    "It lacks data that only LiveLike's API has, and no API is set. Set one: tifo source webhooks-in SOURCE --api URL"
    " --token TOKEN."
)

_outcomes = Counter("tifo_webhooks_in", "LiveLike's webhooks, by what became of them", ["source_id", "outcome"])
_log = structlog.get_logger(__name__)


class IntakeTools(NamedTuple):
    """Holds the parts that all sources' intakes share."""

    inbox: WebhookInbox
    session: aiohttp.ClientSession
    """Reaches Tifo's own endpoint."""
    own_endpoint: str
    share: WorkShare
    """Says which sources are this process's."""
    clock: Clock
    chance: Callable[[], float]


class _Ready(NamedTuple):
    waiting: WaitingWebhook
    message: EncodedFact


class SourceIntake:
    """Completes and sends one source's webhooks, under one lease. `api` is None where the source has none set."""

    def __init__(self, source: Source, api: LiveLikeApi | None, tools: IntakeTools, lease: Lease) -> None:
        self._source = source
        self._api = api
        self._tools = tools
        self._lease = lease

    async def handle(self, due: Sequence[WaitingWebhook]) -> None:
        """Sends, puts off or dead-letters each webhook that is due. Raises `LeaseLost`."""
        complete: list[_Ready] = []
        lacking: list[tuple[WaitingWebhook, LiveLikeWebhook]] = []
        for waiting in due:
            try:
                webhook = read_webhook(waiting.body) if waiting.event in DATA else None
                if webhook is None:
                    await self._settle([WebhookOutcome(waiting.number, WebhookState.IGNORED)])
                elif webhook.lacks_nothing:
                    complete.append(_Ready(waiting, _encoded(fact_of(webhook, LookedUp()))))
                else:
                    lacking.append((waiting, webhook))
            except Rejected as error:
                await self._settle([_dead_letter(waiting, error.message)])
        # Those that lack nothing first: they must go out while LiveLike's API is down.
        await self._send(complete)
        await self._send(await self._completed(lacking))

    async def _completed(self, lacking: Sequence[tuple[WaitingWebhook, LiveLikeWebhook]]) -> list[_Ready]:
        """Returns the webhooks whose look-ups all succeeded, in order, and settles the others."""
        gate = asyncio.Semaphore(_LOOKUPS_AT_ONCE)

        async def complete(waiting: WaitingWebhook, webhook: LiveLikeWebhook) -> _Ready | WebhookOutcome:
            async with gate:
                return await self._complete(waiting, webhook)

        done = await asyncio.gather(*(complete(waiting, webhook) for waiting, webhook in lacking))
        await self._settle([each for each in done if isinstance(each, WebhookOutcome)])
        return [each for each in done if isinstance(each, _Ready)]

    async def _complete(self, waiting: WaitingWebhook, webhook: LiveLikeWebhook) -> _Ready | WebhookOutcome:
        if self._api is None:
            # Not dead-lettered: the API may be set in a minute, and then the webhook must go out by itself.
            return self._put_off(waiting, _NO_API)
        try:
            return _Ready(waiting, _encoded(fact_of(webhook, await self._api.find(webhook))))
        except Transient as error:
            return self._put_off(waiting, error.message, error.retry_after_s)
        except NotFound as error:
            # LiveLike's API may know a resource a little later than its webhook names it.
            if waiting.attempts + 1 < NOT_THERE_ATTEMPTS:
                return self._put_off(waiting, error.message)
            return _dead_letter(waiting, error.message)
        except Rejected as error:
            return _dead_letter(waiting, error.message)

    async def _send(self, ready: Sequence[_Ready]) -> None:
        waiting = {each.message.fact_id: each.waiting for each in ready}
        for batch in cut([each.message for each in ready], Limits()):
            await self._send_batch(batch, waiting)

    async def _send_batch(self, batch: Sequence[EncodedFact], waiting: Mapping[FactId, WaitingWebhook]) -> None:
        """Sends a batch to Tifo's own endpoint. Where it refuses one of several, each is sent alone to find it."""
        tools, write_key = self._tools, self._source.write_key
        tools.share.check(self._source.id, self._lease)
        body = envelope(batch, write_key, tools.clock())
        answer = await post_batch(
            tools.session, tools.own_endpoint, write_key, body, timeout_s=TIMEOUT_S, clock=tools.clock
        )
        # Always a first attempt: the inbox itself counts attempts, and `_put_off` computes the pause.
        decision = decide(answer, attempt=1, chance=tools.chance())
        rows = [waiting[message.fact_id] for message in batch]
        if isinstance(decision, Split) and len(batch) > 1:
            for message in batch:
                await self._send_batch([message], waiting)
        elif isinstance(decision, Sent):
            await self._settle([WebhookOutcome(row.number, WebhookState.SENT) for row in rows])
        elif isinstance(decision, Split):
            await self._settle([_dead_letter(row, str(answer)) for row in rows])
        else:
            await self._settle([self._put_off(row, f"Tifo's own api: {answer}") for row in rows])

    async def _settle(self, outcomes: Sequence[WebhookOutcome]) -> None:
        if not outcomes:
            return
        await asyncio.to_thread(self._tools.inbox.settle, outcomes, under=self._lease)
        for outcome in outcomes:
            _outcomes.labels(self._source.id, outcome.state.value).inc()
        troubled = [outcome for outcome in outcomes if outcome.reason is not None]
        if troubled:
            _log.warning("webhooks_held", source=self._source.slug, count=len(troubled), reason=troubled[0].reason)

    def _put_off(self, waiting: WaitingWebhook, reason: str, after_s: float = 0.0) -> WebhookOutcome:
        pause_s = BACKOFF.pause_s(waiting.attempts + 1, self._tools.chance(), after_s)
        next_at = self._tools.clock() + timedelta(seconds=pause_s)
        return WebhookOutcome(waiting.number, WebhookState.WAITING, reason, next_at)


def _dead_letter(waiting: WaitingWebhook, reason: str) -> WebhookOutcome:
    return WebhookOutcome(waiting.number, WebhookState.DEAD_LETTERED, reason)


def _encoded(fact: AnyFact) -> EncodedFact:
    """Encodes the event, with the application that sent its webhook."""
    # segment_actions knows events of this Tifo's own applications by it: those trigger nothing.
    return encode(fact, {"livelike": {"client_id": fact.client_id}})
