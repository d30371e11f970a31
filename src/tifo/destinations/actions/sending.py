"""Sends events to a vendor by the library: matches them to mappings, and passes them to the worker process."""

import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import aiohttp
import msgspec

from tifo.destinations.actions.access import OAuthAccess
from tifo.destinations.actions.installing import SOURCES, folder, node
from tifo.destinations.actions.outcomes import joined, outcomes_of
from tifo.destinations.ports import ActionMapping, Batching, Configured, Event, Exchange, Fate, Outcome, Tools
from tifo.destinations.settings import MASK
from tifo.destinations.workers import Worker, WorkerGone, WorkerProgram
from tifo.egress.rules import Egress
from tifo.tracking.fql import Condition, compiled

TIMEOUT_S = 10.0
# Batches are worth ten times the rate of single events: measured, 10,000 to 27,000 against 500 to 1,200 a second.
_BATCH = Batching(max_events=100, max_bytes=1 << 20, apart=True)
_HALVED = frozenset(("400", "413", "422"))
"""Codes of a batch that was refused whole, perhaps for one of its events."""
_UNAUTHORIZED = "401"
_read = msgspec.json.Decoder(dict[str, Any]).decode


class _MappingRule(NamedTuple):
    mapping: ActionMapping
    condition: Condition
    batch: bool


class _SharedWorker:
    """Counts the destinations that use one worker process.

    One process serves all of a role's destinations (docs/decisions/0009): it needs 70 MB or more.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.users = 0


_shared: "WeakKeyDictionary[aiohttp.ClientSession, _SharedWorker]" = WeakKeyDictionary()
"""A session lives as long as its role, so the worker is found by it."""


class VendorDestination:
    """Sends to one vendor's destination.

    `secrets` names the settings that are masked in what people see, `oauth` those for the access token, and
    `not_the_librarys` those that the library does not know.
    """

    batching = _BATCH
    ordered = False

    def __init__(
        self,
        slug: str,
        configured: Configured,
        tools: Tools,
        *,
        secrets: Collection[str],
        oauth: Collection[str],
        not_the_librarys: Collection[str],
        renews: bool,
        batched: Collection[str],
    ) -> None:
        self._slug = slug
        self._tools = tools
        self._shared = _shared.setdefault(tools.session, _SharedWorker(Worker(_program(tools.egress))))
        self._shared.users += 1
        settings = configured.settings
        own = {*oauth, *not_the_librarys}
        self._settings = {name: value for name, value in settings.items() if value is not None and name not in own}
        self._access = OAuthAccess({name: settings.get(name) for name in oauth}, renews=renews, ask=self._renew)
        self._secrets = [str(settings[name]) for name in secrets if settings.get(name)]
        self._rules = [
            _MappingRule(each, compiled(each.trigger, "trigger"), each.action in batched and _may_batch(each.mapping))
            for each in configured.mappings
            if each.enabled
        ]

    async def send(self, events: Sequence[Event]) -> Sequence[Outcome]:
        messages = [_read(event.body) for event in events]
        left = [None if event.left is None else frozenset(json.loads(event.left)) for event in events]
        found: list[list[tuple[str, Outcome]]] = [[] for _ in events]
        # Mapping by mapping, not by the library's `onEvent`: the first error of that one hides the other mappings'
        # results. Only matching events are passed on: the library counts others as refused.
        for rule in self._rules:
            own = [
                at
                for at, message in enumerate(messages)
                if rule.condition(message) and ((wanted := left[at]) is None or rule.mapping.id in wanted)
            ]
            outcomes = await self._execute(rule, [messages[at] for at in own]) if own else []
            for at, outcome in zip(own, outcomes, strict=True):
                found[at].append((rule.mapping.id, outcome))
        return [joined(each) for each in found]

    async def close(self) -> None:
        self._shared.users -= 1
        if not self._shared.users:
            await self._shared.worker.close()

    async def _execute(self, rule: _MappingRule, messages: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """Sends the events by one mapping. A batch that is refused whole is halved until the refused event is alone."""
        batch = rule.batch and len(messages) > 1
        outcomes = await self._send_with_access(rule, messages, batch=batch)
        # An error of the whole batch is the same for all its events. One of them may be at fault.
        codes = {outcome.code for outcome in outcomes}
        if batch and len(codes) == 1 and codes <= _HALVED:
            middle = len(messages) // 2
            return [*await self._execute(rule, messages[:middle]), *await self._execute(rule, messages[middle:])]
        return outcomes

    async def _send_with_access(
        self, rule: _MappingRule, messages: Sequence[Mapping[str, Any]], *, batch: bool
    ) -> list[Outcome]:
        """Sends events; those refused for the access token once more, with another token."""
        if self._access.is_missing and (problem := await self._access.renew("")):
            return [self._no_access(problem)] * len(messages)
        used = self._access.token
        outcomes = await self._send(rule, messages, batch=batch)
        refused = [at for at, outcome in enumerate(outcomes) if outcome.code == _UNAUTHORIZED]
        if not refused or not self._access.renews:
            return outcomes
        if problem := await self._access.renew(used):
            retried = [self._no_access(problem, outcomes[at].exchange) for at in refused]
        else:
            retried = await self._send(rule, [messages[at] for at in refused], batch=batch)
        for at, outcome in zip(refused, retried, strict=True):
            outcomes[at] = outcome
        return outcomes

    def _no_access(self, problem: str, exchange: Exchange | None = None) -> Outcome:
        # The events wait: a person has to correct the OAuth application, and none of them is at fault.
        return Outcome(Fate.RETRY, "OAUTH_REFRESH_FAILED", self._masked(problem), exchange=exchange)

    async def _send(self, rule: _MappingRule, messages: Sequence[Mapping[str, Any]], *, batch: bool) -> list[Outcome]:
        try:
            answer = await self._request(
                "send",
                auth=self._access.auth(),
                action=rule.mapping.action,
                mapping=rule.mapping.mapping,
                events=messages,
                batch=batch,
            )
        except WorkerGone as error:
            return [Outcome(Fate.RETRY, "INTERNAL", error.message)] * len(messages)
        return outcomes_of(answer, len(messages), self._tools.clock(), self._masked)

    async def _renew(self, auth: Mapping[str, str]) -> Mapping[str, Any]:
        return await self._request("renew", auth=auth)

    async def _request(self, do: str, **more: object) -> Mapping[str, Any]:
        """Raises `WorkerGone`."""
        shared = {"slug": self._slug, "settings": self._settings, "timeout_ms": int(TIMEOUT_S * 1000)}
        return await self._shared.worker.ask({"do": do, **shared, **more}, TIMEOUT_S)

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return self._access.masked(text)


def _program(egress: Egress) -> Callable[[], WorkerProgram]:
    """Returns how the worker is started: Node with worker.cjs, in the library's folder."""
    # The worker judges addresses itself (guard.cjs): its requests do not pass Tifo's guarded session.
    allowed = ",".join(map(str, egress.allowed))
    route = {"TIFO_ACTIONS_ROUTE": os.environ["TIFO_ACTIONS_ROUTE"]} if "TIFO_ACTIONS_ROUTE" in os.environ else {}
    return lambda: WorkerProgram(
        # The heap's limit is beyond the size at which the worker is replaced: it is for a leap in between.
        command=(node(), "--max-old-space-size=1024", str(SOURCES / "worker.cjs")),
        folder=folder(),
        environment={"TIFO_EGRESS_ALLOW": allowed, **route},
    )


def _may_batch(mapping: Mapping[str, Any]) -> bool:
    """Says whether the mapping allows batches."""
    # `enable_batching` is the library's own field. Ours: an action that can batch does, unless the mapping says no.
    return mapping.get("enable_batching") is not False
