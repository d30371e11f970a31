"""One vendor's kind: its settings and presets as the library declares them, and what the library's answers mean."""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import aiohttp
import msgspec

from tifo.destinations.actions.access import OAuthAccess
from tifo.destinations.actions.installing import SOURCES, folder, is_installed, node
from tifo.destinations.ports import (
    DELIVERED,
    EXCHANGE_CHARACTERS,
    NO_MATCHING_MAPPING,
    Action,
    ActionField,
    ActionMapping,
    Batching,
    Configured,
    Event,
    Exchange,
    Fate,
    Outcome,
    Setting,
    Settings,
    SettingType,
    Tools,
)
from tifo.destinations.settings import MASK, checked
from tifo.destinations.workers import Worker, WorkerGone, WorkerProgram
from tifo.egress.rules import Egress
from tifo.egress.waits import retry_after_s
from tifo.kernel.errors import Rejected, Transient
from tifo.tracking.fql import Condition, compiled

TIMEOUT_S = 10.0
_BATCH = Batching(max_events=100, max_bytes=1 << 20, apart=True)
_AGAIN = frozenset((408, 429))
_FOR_ONE = frozenset((400, 413, 422))
_UNAUTHORIZED = "401"
_UNSEEN = frozenset(
    (
        "amazon-eventbridge",
        "aws-kinesis",
        "aws-s3",
        "kafka",
        "liveramp-audiences",
        "s3",
        "sftp",
        "the-trade-desk-crm",
    )
)
"""Kinds that do not speak by HTTP, or not by the library's client: what they send cannot be shown."""
_SECRET = re.compile(r"key|secret|token|password", re.IGNORECASE)
_SHOWN = frozenset(("content-type", "user-agent"))
_TYPES = {
    "string": SettingType.TEXT,
    "password": SettingType.SECRET,
    "number": SettingType.NUMBER,
    "boolean": SettingType.BOOLEAN,
}
_HANDLES = frozenset(("track", "identify", "page", "screen", "group", "alias"))
_TOKEN = Setting(
    "access_token", SettingType.SECRET, "Access token", "Of your own OAuth application with the vendor.", required=True
)
_RENEWED = (
    Setting("access_token", SettingType.SECRET, "Access token", "Where there is none yet, it is asked for."),
    Setting("refresh_token", SettingType.SECRET, "Refresh token", "By it a new access token is asked for after a 401."),
    Setting("oauth_client_id", SettingType.TEXT, "Client id", "Of your own OAuth application with the vendor."),
    Setting("oauth_client_secret", SettingType.SECRET, "Client secret", "Likewise."),
)
_ALLOW = Setting(
    "allow_unseen",
    SettingType.BOOLEAN,
    "Allow unseen requests",
    "This kind does not speak by HTTP: requests and answers cannot be shown. Addresses are guarded all the same.",
    default=False,
)
_read = msgspec.json.Decoder(dict[str, Any]).decode


class ActionsKind:
    """Implements `ports.Kind`. `entry` is the library's description, as worker.cjs gives it."""

    handles = _HANDLES
    local = False

    def __init__(self, entry: Mapping[str, Any], kind_id: str) -> None:
        self.id = kind_id
        self.slug = str(entry["slug"])
        self.name = str(entry["name"])
        self.description = str(entry["description"] or f"Segment's action destination {entry['name']}.")
        is_oauth = str(entry["scheme"]).startswith("oauth")
        self.renews = is_oauth and bool(entry["renews"])
        """Whether the library knows how to ask for another access token."""
        self.oauth = _RENEWED if self.renews else (_TOKEN,) if is_oauth else ()
        own = [*self.oauth, *([_ALLOW] if self.slug in _UNSEEN else [])]
        self.settings: Sequence[Setting] = (*(_setting(name, each) for name, each in entry["fields"].items()), *own)
        self.actions = tuple(_action(each) for each in entry["actions"])
        given = [each for each in entry["presets"] if each["trigger"]]
        self.presets = tuple(
            ActionMapping(f"preset-{number}", each["name"], each["action"], each["trigger"].strip(), each["mapping"])
            for number, each in enumerate(given)
        )
        self.automatic = tuple(preset for preset, each in zip(self.presets, given, strict=True) if each["automatic"])

    def check(self, settings: Settings) -> dict[str, Any]:
        allow = {name: value for name, value in settings.items() if name == _ALLOW.name}
        if self.slug in _UNSEEN and not checked([_ALLOW], allow)[_ALLOW.name]:
            raise Rejected(f"{self.id} needs allow_unseen=true: {_ALLOW.description}", field=_ALLOW.name)
        return checked(self.settings, settings)

    async def open(self, configured: Configured, tools: Tools) -> "_Actions":
        if not is_installed():
            raise Transient("The vendors' library is not on this machine: run tifo destination install-actions.")
        return _Actions(self, configured, tools)


def _setting(name: str, field: Mapping[str, Any]) -> Setting:
    sort = _TYPES.get(str(field.get("type", "string")), SettingType.TEXT)
    choices = [each["value"] if isinstance(each, dict) else each for each in field.get("choices") or ()]
    sort = SettingType.CHOICE if choices and sort is SettingType.TEXT and not field.get("multiple") else sort
    return Setting(
        name,
        SettingType.LIST if field.get("multiple") else sort,
        str(field.get("label") or name),
        str(field.get("description") or ""),
        required=field.get("required") is True,
        default=field.get("default"),
        choices=tuple(map(str, choices)) if sort is SettingType.CHOICE else (),
        secret=bool(_SECRET.search(name)),
    )


def _action(each: Mapping[str, Any]) -> Action:
    fields = tuple(
        ActionField(
            field["key"],
            field["label"],
            field["type"],
            field["description"],
            required=field["required"],
            multiple=field["multiple"],
            default=field["default"],
            choices=field["choices"],
        )
        for field in each["fields"]
    )
    return Action(each["slug"], each["name"], each["description"], each["trigger"].strip(), fields, batch=each["batch"])


class _Rule(NamedTuple):
    mapped: ActionMapping
    condition: Condition
    batch: bool


def _program(egress: Egress) -> Callable[[], WorkerProgram]:
    allowed = ",".join(map(str, egress.allowed))
    route = {"TIFO_ACTIONS_ROUTE": os.environ["TIFO_ACTIONS_ROUTE"]} if "TIFO_ACTIONS_ROUTE" in os.environ else {}
    return lambda: WorkerProgram(
        (node(), "--max-old-space-size=1024", str(SOURCES / "worker.cjs")),
        folder(),
        {"TIFO_EGRESS_ALLOW": allowed, **route},
    )


class _Shared:
    """One process for all of a role's destinations: it takes 70 MB or more."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.users = 0


_shared: "WeakKeyDictionary[aiohttp.ClientSession, _Shared]" = WeakKeyDictionary()


class _Actions:
    """One that is set up."""

    batching = _BATCH
    ordered = False

    def __init__(self, kind: ActionsKind, configured: Configured, tools: Tools) -> None:
        self._kind = kind
        self._tools = tools
        self._shared = _shared.setdefault(tools.session, _Shared(Worker(_program(tools.egress))))
        self._shared.users += 1
        settings = {name: value for name, value in configured.settings.items() if value is not None}
        oauth = {each.name: settings.pop(each.name, None) for each in kind.oauth}
        settings.pop(_ALLOW.name, None)
        self._settings = settings
        self._access = OAuthAccess(oauth, renews=kind.renews, ask=self._renew)
        hidden = [each.name for each in kind.settings if each.is_secret]
        self._secrets = [str(configured.settings[name]) for name in hidden if configured.settings.get(name)]
        batches = {action.slug for action in kind.actions if action.batch}
        self._rules = [
            _Rule(each, compiled(each.trigger, "trigger"), each.action in batches and _may_batch(each.mapping))
            for each in configured.mappings
            if each.enabled
        ]

    async def send(self, events: Sequence[Event]) -> Sequence[Outcome]:
        messages = [_read(event.body) for event in events]
        left = [None if event.left is None else frozenset(json.loads(event.left)) for event in events]
        found: list[list[tuple[str, Outcome]]] = [[] for _ in events]
        for rule in self._rules:
            own = [
                at
                for at, message in enumerate(messages)
                if rule.condition(message) and ((wanted := left[at]) is None or rule.mapped.id in wanted)
            ]
            outcomes = await self._execute(rule, [messages[at] for at in own]) if own else []
            for at, outcome in zip(own, outcomes, strict=True):
                found[at].append((rule.mapped.id, outcome))
        return [_joined(each) for each in found]

    async def close(self) -> None:
        self._shared.users -= 1
        if not self._shared.users:
            await self._shared.worker.close()

    async def _execute(self, rule: _Rule, messages: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        batch = rule.batch and len(messages) > 1
        outcomes = await self._ask_with_access(rule, messages, batch=batch)
        codes = {outcome.code for outcome in outcomes}
        if batch and len(codes) == 1 and codes <= {str(code) for code in _FOR_ONE}:
            middle = len(messages) // 2  # the whole request was refused, perhaps for one of its events
            return [*await self._execute(rule, messages[:middle]), *await self._execute(rule, messages[middle:])]
        return outcomes

    async def _ask_with_access(
        self, rule: _Rule, messages: Sequence[Mapping[str, Any]], *, batch: bool
    ) -> list[Outcome]:
        """What the vendor refuses for its access token is sent once more with another one."""
        if self._access.is_missing and (problem := await self._access.renew("")):
            return [self._no_access(problem)] * len(messages)
        used = self._access.token
        outcomes = await self._ask(rule, messages, batch=batch)
        refused = [at for at, outcome in enumerate(outcomes) if outcome.code == _UNAUTHORIZED]
        if not refused or not self._access.renews:
            return outcomes
        if problem := await self._access.renew(used):
            again = [self._no_access(problem, outcomes[at].exchange) for at in refused]
        else:
            again = await self._ask(rule, [messages[at] for at in refused], batch=batch)
        for at, outcome in zip(refused, again, strict=True):
            outcomes[at] = outcome
        return outcomes

    def _no_access(self, problem: str, exchange: Exchange | None = None) -> Outcome:
        return Outcome(Fate.RETRY, "OAUTH_REFRESH_FAILED", self._masked(problem), exchange=exchange)

    async def _renew(self, auth: Mapping[str, str]) -> Mapping[str, Any]:
        return await self._request("renew", auth=auth)

    async def _request(self, do: str, **more: object) -> Mapping[str, Any]:
        """Raises `WorkerGone`."""
        shared = {"slug": self._kind.slug, "settings": self._settings, "timeout_ms": int(TIMEOUT_S * 1000)}
        return await self._shared.worker.ask({"do": do, **shared, **more}, TIMEOUT_S)

    async def _ask(self, rule: _Rule, messages: Sequence[Mapping[str, Any]], *, batch: bool) -> list[Outcome]:
        try:
            answer = await self._request(
                "send",
                auth=self._access.auth(),
                action=rule.mapped.action,
                mapping=rule.mapped.mapping,
                events=messages,
                batch=batch,
            )
        except WorkerGone as error:
            return [Outcome(Fate.RETRY, "INTERNAL", error.message)] * len(messages)
        shown = [self._exchange(each) for each in answer["exchanges"]]
        one_each = len(shown) == len(messages)
        now = self._tools.clock()
        return [
            self._outcome(result, (shown[at] if one_each else shown[-1]) if shown else None, now)
            for at, result in enumerate(answer["results"])
        ]

    def _outcome(self, result: Mapping[str, Any], exchange: Exchange | None, now: datetime) -> Outcome:
        if result.get("ok"):
            return DELIVERED._replace(exchange=exchange)
        status, code = result.get("status"), result.get("code")
        detail = self._masked(str(result.get("message") or ""))[:EXCHANGE_CHARACTERS]
        if result.get("name") == "FetchError":
            return Outcome(Fate.RETRY, str(code or "ECONNRESET"), detail, exchange=exchange)
        if status is None:
            return Outcome(Fate.FAILED, "MESSAGE_REJECTED", detail, exchange=exchange)
        if status in _AGAIN or status >= 500:  # noqa: PLR2004 (HTTP's classes of status)
            after = retry_after_s(result.get("retry_after"), now.astimezone(UTC))
            return Outcome(Fate.RETRY, str(status), detail, after, exchange)
        if code == "PAYLOAD_VALIDATION_FAILED":
            return Outcome(Fate.FAILED, "MESSAGE_REJECTED", detail, exchange=exchange)
        return Outcome(Fate.FAILED, str(status), detail, exchange=exchange)

    def _exchange(self, told: Mapping[str, Any]) -> Exchange:
        headers = [
            f"{name}: {value if name.lower() in _SHOWN else MASK}" for name, value in told.get("headers", {}).items()
        ]
        request = "\n".join([f"{told['method']} {told['url']}", *headers, "", str(told.get("body", ""))])
        response = f"{told.get('status', '')}\n\n{told.get('response', '')}".lstrip()
        return Exchange(self._masked(request)[:EXCHANGE_CHARACTERS], self._masked(response)[:EXCHANGE_CHARACTERS])

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return self._access.masked(text)


def _may_batch(mapping: Mapping[str, Any]) -> bool:
    """`enable_batching` is the library's own field; left open, an action that can batch does."""
    return mapping.get("enable_batching") is not False


def _joined(found: Sequence[tuple[str, Outcome]]) -> Outcome:
    """Of an event that several mappings take: what is left to be done is only those that were not delivered."""
    if not found:
        return NO_MATCHING_MAPPING
    undone = [(mapping_id, outcome) for mapping_id, outcome in found if outcome.fate is not Fate.DELIVERED]
    if not undone:
        return found[-1][1]
    again = [each for each in undone if each[1].fate is Fate.RETRY]
    wanted = again or undone
    left = json.dumps([mapping_id for mapping_id, _ in undone]).encode()
    return wanted[0][1]._replace(left=left)
