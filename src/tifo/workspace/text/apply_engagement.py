"""Applies a file's applications, their webhooks, LiveLike's webhooks and alerts. Secrets in it are complete."""

from collections.abc import Mapping
from datetime import datetime

from tifo.documents.changes import Change, Verb
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import ClientId, DestinationId, NewId, SourceId
from tifo.workspace import rules
from tifo.workspace.alerts import Alert, AlertKind, checked_alert
from tifo.workspace.engagement import IncomingWebhooks, WebhookSubscription
from tifo.workspace.model import Source
from tifo.workspace.ports import Workspace, WorkspaceWriter
from tifo.workspace.text.document import AlertText, ConnectedApplicationText, SendsToText, SourceText
from tifo.workspace.warehouses import BUILT_IN


class ApplyingEngagement:
    """`source_ids` are those by slug, of new sources too."""

    def __init__(
        self,
        writer: WorkspaceWriter,
        now: Workspace,
        at: datetime,
        new_id: NewId,
        source_ids: Mapping[str, SourceId],
    ) -> None:
        self._writer = writer
        self._at = at
        self._new_id = new_id
        self._source_ids = source_ids
        self._applications = {each.id: each for each in now.applications}
        self._alerts = {each.name: each for each in now.alerts}

    def incoming(self, slug: str, text: SourceText) -> None:
        given = text.livelike_webhooks
        if given is None:
            return
        incoming = IncomingWebhooks(
            source_id=self._source_ids[slug],
            client_secret=given.secret or "",
            signed_form=given.signed,
            api=given.api,
            token=given.token,
        )
        self._writer.put_incoming(incoming)

    def application(self, change: Change, text: ConnectedApplicationText) -> None:
        client_id = ClientId(change.key)
        old = self._applications.get(client_id)
        if old is None:
            self._writer.insert_application(client_id, text.name, text.client_secret or "")
        else:
            self._writer.change_application(client_id, text.name, text.client_secret or old.client_secret)
        if text.webhooks is not None:
            subscriptions = [
                WebhookSubscription(url=each.url, events=each.events, secret=each.secret) for each in text.webhooks
            ]
            self._writer.put_webhooks(client_id, subscriptions)
        if text.sends_to is not None:
            self._connect(client_id, text.sends_to)

    def alert(self, change: Change, text: AlertText | None, destinations: Mapping[str, DestinationId]) -> None:
        old = self._alerts.get(change.key)
        if text is None:
            self._writer.delete_alert(self._alerts[change.key].id)
            return
        made = Alert(
            id=self._new_id() if old is None else old.id,
            name=change.key,
            kind=AlertKind(text.kind),
            target=self._target(change.key, text, old, destinations),
            threshold=float(text.threshold),
            window_s=text.window.total_seconds(),
            quiet_s=text.quiet.total_seconds(),
            url=text.url or "",
            email=text.email or "",
            created_at=self._at if old is None else old.created_at,
        )
        try:
            checked_alert(made)
        except Rejected as error:
            raise Rejected(f"alerts.{change.key}: {error.message}", field=error.field) from error
        if change.verb is Verb.CREATE:
            self._writer.insert_alert(made)
        else:
            self._writer.change_alert(made)

    def _connect(self, client_id: ClientId, text: SendsToText) -> None:
        key = text.write_key
        if text.source is not None:
            source = self._writer.source(self._source_id(text.source))
            key = key or _first_key(source)
            if key not in source.write_keys:
                raise Rejected(
                    f"applications.{client_id}: the source {source.slug} has no such write key.", field="write_key"
                )
        self._writer.connect_application(client_id, key or "", text.endpoint)

    def _source_id(self, slug: str) -> SourceId:
        if slug not in self._source_ids:
            raise rules.no_source(slug)
        return self._source_ids[slug]

    def _target(self, name: str, text: AlertText, old: Alert | None, destinations: Mapping[str, DestinationId]) -> str:
        if text.kind == AlertKind.VOLUME and text.of in self._source_ids:
            return self._source_ids[text.of]
        if text.kind == AlertKind.DELIVERY_RATE and text.of in destinations:
            return destinations[text.of]
        if text.kind == AlertKind.WAREHOUSE and text.of in {BUILT_IN, *self._writer.warehouse_names()}:
            return text.of
        if old is not None and old.target == text.of:  # what it watched is deleted
            return old.target
        raise NotFound(
            f"alerts.{name}: of is {text.of!r:.100}, and nothing of that name is there to watch.", field="of"
        )


def _first_key(source: Source) -> str:
    if not source.keys:
        raise Rejected(f"The source {source.slug} has no write key. Make one: tifo source key create {source.slug}.")
    return source.write_key
