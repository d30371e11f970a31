"""Describes applications, their webhooks, LiveLike's webhooks and alerts, in the form of a workspace file."""

from datetime import timedelta
from decimal import Decimal

from tifo.kernel.ids import DestinationId, SourceId
from tifo.workspace.alerts import Alert, AlertKind
from tifo.workspace.engagement import ConnectedApplication
from tifo.workspace.ports import Workspace
from tifo.workspace.text.document import (
    HIDDEN,
    AlertText,
    ConnectedApplicationText,
    IncomingText,
    SendsToText,
    SubscriberText,
)


def application_text(
    application: ConnectedApplication, workspace: Workspace, *, secrets: bool
) -> ConnectedApplicationText:
    return ConnectedApplicationText(
        name=application.name,
        client_secret=application.client_secret if secrets else None,
        sends_to=_sends_to(application, workspace, secrets=secrets),
        webhooks=tuple(
            SubscriberText(url=each.url, events=each.events, secret=_shown(each.secret, secrets=secrets))
            for each in application.webhooks
        ),
    )


def _sends_to(application: ConnectedApplication, workspace: Workspace, *, secrets: bool) -> SendsToText | None:
    if application.write_key is None:
        return None
    slug = workspace.slugs_by_key().get(application.write_key) if application.endpoint is None else None
    # Which of the source's keys it is, is a secret's matter; without secrets the source alone says enough.
    key = application.write_key if secrets else None if slug is not None else HIDDEN
    return SendsToText(source=slug, endpoint=application.endpoint, write_key=key)


def incoming_text(workspace: Workspace, source_id: SourceId, *, secrets: bool) -> IncomingText | None:
    incoming = workspace.incoming.get(source_id)
    if incoming is None:
        return None
    return IncomingText(
        secret=_shown(incoming.client_secret, secrets=secrets),
        signed=incoming.signed_form,
        api=incoming.api,
        token=_shown(incoming.token, secrets=secrets),
    )


def alert_text(alert: Alert, workspace: Workspace) -> AlertText:
    return AlertText(
        kind=alert.kind.value,
        of=_target(alert, workspace),
        threshold=Decimal(repr(alert.threshold)),
        window=timedelta(seconds=alert.window_s),
        quiet=timedelta(seconds=alert.quiet_s),
        url=alert.url or None,
        email=alert.email or None,
    )


def _target(alert: Alert, workspace: Workspace) -> str:
    """Returns the key of what is watched; its id where that is deleted."""
    if alert.kind is AlertKind.VOLUME:
        return workspace.slugs().get(SourceId(alert.target), alert.target)
    if alert.kind is AlertKind.DELIVERY_RATE:
        keys = {each.id: key for key, each in workspace.destination_keys().items()}
        return keys.get(DestinationId(alert.target), alert.target)
    return alert.target


def _shown(secret: str | None, *, secrets: bool) -> str | None:
    return secret if secrets or secret is None else HIDDEN
