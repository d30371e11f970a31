"""Defines the format of a workspace file: tracking plans, sources, warehouses, destinations, applications and alerts.

Fields that are not written have their default; the few that stay as they are instead are named where they stand.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from tifo.documents.model import Checked, Name, Text, one_of
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import SourceId
from tifo.tracking.plans.model import LENIENT, Controls, PlanType, Rule, RuleType, changed
from tifo.workspace.alerts import AlertKind
from tifo.workspace.model import SourceType
from tifo.workspace.rules import checked_new_key


def _place(value: str, field: str) -> str:
    table, _, column = value.partition(".")
    if not table or value.endswith("."):
        raise Rejected(f"{field} is {value!r:.100}. Write a table, or table.column.", field=field)
    return table if not column else value


HIDDEN = "••••"
"""Stands in an export without secrets for a secret that is set. Applying it keeps the secret that is there."""
Key = Annotated[str, Checked(checked_new_key)]
Place = Annotated[str, Checked(_place)]


class RuleText(Text, frozen=True, kw_only=True):
    """A rule in the form of Segment's Public API. The schema describes the whole event."""

    type: Annotated[str, one_of(*RuleType)]
    key: Name | None = None
    version: int = 1
    json_schema: dict[str, Any]

    def as_rule(self) -> Rule:
        return Rule(type=RuleType(self.type), json_schema=self.json_schema, key=self.key, version=self.version)


class PlanText(Text, frozen=True, kw_only=True):
    """A tracking plan. Its key is its name."""

    type: Annotated[str, one_of(*PlanType)] = PlanType.LIVE.value
    description: str = ""
    rules: tuple[RuleText, ...] = ()


class IncomingText(Text, frozen=True, kw_only=True):
    """A source's settings for LiveLike's webhooks. A secret that is not written, or is hidden, stays as it is."""

    secret: str | None = None
    """The client secret that LiveLike signs with; `secret_env` names a variable that holds it."""
    secret_env: Name | None = None
    signed: Annotated[str, one_of("bytes", "compact")] = "bytes"
    api: str | None = None
    token: str | None = None
    token_env: Name | None = None


class SourceText(Text, frozen=True, kw_only=True):
    """A source. Its key is its slug.

    `schema`, `write_keys`, `tracking_plan`, `schema_controls` and `livelike_webhooks` stay as they are where they are
    not written.
    """

    name: Name
    type: Annotated[str, one_of(*SourceType)]
    enabled: bool = True
    schema: Name | None = None
    write_keys: tuple[Key, ...] = ()
    tracking_plan: Name | None = None
    """A plan's name, `livelike` for the one that LiveLike sources come with, or `none`."""
    schema_controls: dict[str, Any] | None = None
    """Segment's source settings, but with slugs where they have ids. A control that is not named has its default."""
    livelike_webhooks: IncomingText | None = None
    """Lets the source accept LiveLike's webhooks."""
    not_loaded: dict[str, tuple[Place, ...]] = msgspec.field(default_factory=dict)
    """Tables, and `table.column`, that are not loaded, by warehouse."""


class WarehouseText(Text, frozen=True, kw_only=True):
    """A warehouse. Its key is its name. Without `sources` it loads all of them.

    Its address is read once, when the warehouse is made.
    """

    kind: Name
    enabled: bool = True
    url: str | None = None
    url_env: Name | None = None
    """The environment variable that holds the address, so that the file need not."""
    sources: tuple[Name, ...] | None = None


class FilterText(Text, frozen=True, kw_only=True):
    """A destination filter. Two filters with the same title are the same one."""

    title: Name
    when: Name
    """FQL: the events that it acts on."""
    actions: tuple[dict[str, Any], ...]
    """Segment's filter actions, as its Public API has them."""
    description: str = ""
    enabled: bool = True


class MappingText(Text, frozen=True, kw_only=True):
    """A mapping of a vendor's destination. Two mappings with the same name are the same one."""

    name: Name
    action: Name
    trigger: Name
    """FQL: the events that it sends."""
    mapping: dict[str, Any] = msgspec.field(default_factory=dict)
    enabled: bool = True


class DestinationText(Text, frozen=True, kw_only=True):
    """A destination. Its key is `<source's slug>/<name>`.

    Secrets, `events`, `filters`, `mappings` and `retry_for` stay as they are where they are not written. A new
    destination without `mappings` gets its kind's automatic ones.
    """

    kind: Name
    enabled: bool = True
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    settings_env: dict[str, Any] = msgspec.field(default_factory=dict)
    """Names of environment variables that hold settings, by setting."""
    events: dict[str, Any] | None = None
    """Selects the events that it gets: `types`, `only`, `except`."""
    filters: tuple[FilterText, ...] | None = None
    mappings: tuple[MappingText, ...] | None = None
    retry_for: timedelta | None = None
    """How long an event is retried after its first attempt; four hours for a new destination."""


class SendsToText(Text, frozen=True, kw_only=True):
    """Where an application's events go: a source of this Tifo, or an endpoint elsewhere with a write key."""

    source: Name | None = None
    """The slug of the source."""
    endpoint: str | None = None
    write_key: str | None = None
    """For a source its first write key, where none is written; `write_key_env` names a variable that holds it."""
    write_key_env: Name | None = None

    def clash(self) -> tuple[str, str] | None:
        if self.source is not None and self.endpoint is not None:
            return "endpoint", "A source of this Tifo has no endpoint. Write source, or endpoint."
        return None


class SubscriberText(Text, frozen=True, kw_only=True):
    """A subscriber of the application's webhooks. Two with the same url and events are the same one."""

    url: str
    events: tuple[str, ...] = ()
    """The webhooks to send; all six where none are written."""
    secret: str | None = None
    """Signs the webhooks, in place of the client secret; `secret_env` names a variable that holds it."""
    secret_env: Name | None = None


class ConnectedApplicationText(Text, frozen=True, kw_only=True):
    """An application. Its key is its client id: a new one is made with it. Its rules are in a file of their own.

    `client_secret`, `sends_to` and `webhooks` stay as they are where they are not written. A new application without
    `client_secret` gets one of its own.
    """

    name: Name
    client_secret: str | None = None
    client_secret_env: Name | None = None
    sends_to: SendsToText | None = None
    webhooks: tuple[SubscriberText, ...] | None = None


class AlertText(Text, frozen=True, kw_only=True):
    """An alert. Its key is its name."""

    kind: Annotated[str, one_of(*AlertKind)]
    of: Name
    """What is watched: `<source's slug>/<name>` of a destination, a source's slug, or a warehouse's name."""
    threshold: Decimal
    window: timedelta = timedelta(hours=24)
    quiet: timedelta = timedelta(hours=4)
    url: str | None = None
    email: str | None = None


class WorkspaceText(Text, frozen=True, kw_only=True):
    tracking_plans: dict[str, PlanText] = msgspec.field(default_factory=dict)
    sources: dict[str, SourceText] = msgspec.field(default_factory=dict)
    warehouses: dict[str, WarehouseText] = msgspec.field(default_factory=dict)
    destinations: dict[str, DestinationText] = msgspec.field(default_factory=dict)
    applications: dict[str, ConnectedApplicationText] = msgspec.field(default_factory=dict)
    alerts: dict[str, AlertText] = msgspec.field(default_factory=dict)


def controls_of(text: Mapping[str, Any], id_of: Callable[[str], SourceId]) -> Controls:
    """Reads a source's `schema_controls`, with ids in the place of slugs. Raises `Rejected`, naming the field."""
    controls = dict(text)
    for name in ("forwardingViolationsTo", "forwardingBlockedEventsTo"):
        if controls.get(name):
            controls[name] = id_of(controls[name])
    return changed(LENIENT, controls)
