"""Values of what joins the workspace to the engagement half: applications, their webhooks, and LiveLike's webhooks."""

from dataclasses import dataclass, field

from tifo.kernel.ids import ClientId, SourceId


@dataclass(frozen=True, kw_only=True)
class WebhookSubscription:
    """A subscriber of an application's webhooks."""

    url: str
    events: tuple[str, ...]
    secret: str | None = field(default=None, repr=False)
    """None: the application's client secret signs."""


@dataclass(frozen=True, kw_only=True)
class ConnectedApplication:
    """An application as the workspace sees it. Its rules are text of their own (`tifo game export`)."""

    id: ClientId
    name: str
    client_secret: str = field(repr=False)
    write_key: str | None = field(default=None, repr=False)
    """The write key that its facts are sent with; None where it is not connected."""
    endpoint: str | None = None
    """Where they go; None for Tifo itself."""
    webhooks: tuple[WebhookSubscription, ...] = ()


@dataclass(frozen=True, kw_only=True)
class IncomingWebhooks:
    """One source's settings for receiving LiveLike's webhooks."""

    source_id: SourceId
    client_secret: str = field(repr=False)
    signed_form: str
    api: str | None = None
    token: str | None = field(default=None, repr=False)
