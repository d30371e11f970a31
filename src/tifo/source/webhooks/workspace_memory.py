"""Applications and webhooks in memory, as parts of the workspace: the twin of `store/workspace/engagement.py`."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from tifo.engagement.memory.state import ApplicationState, InMemoryState
from tifo.engagement.model import Application, Game, Program
from tifo.kernel.clock import Clock
from tifo.kernel.ids import ClientId, NewId, ProgramId, SourceId
from tifo.source.webhooks.inbox import Intake
from tifo.source.webhooks.incoming import SignedForm
from tifo.source.webhooks.memory import InMemoryWebhookInbox, InMemoryWebhookOutbox
from tifo.source.webhooks.outbox import Subscriber
from tifo.workspace.engagement import ConnectedApplication, IncomingWebhooks, WebhookSubscription
from tifo.workspace.memory import InMemoryCatalog


class InMemoryEngagementPart:
    """Implements `workspace.ports.EngagementPart`."""

    def __init__(
        self,
        state: InMemoryState,
        catalog: InMemoryCatalog,
        inbox: InMemoryWebhookInbox,
        outbox: InMemoryWebhookOutbox,
        *,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._state = state
        self._catalog = catalog
        self._inbox = inbox
        self._outbox = outbox
        self._clock = clock
        self._new_id = new_id

    def applications(self) -> Sequence[ConnectedApplication]:
        sends_to = {each.client_id: each for each in self._catalog.connections()}
        return [
            ConnectedApplication(
                id=client_id,
                name=stored.game.application.name,
                client_secret=stored.client_secret,
                write_key=sends_to[client_id].write_key if client_id in sends_to else None,
                endpoint=sends_to[client_id].endpoint if client_id in sends_to else None,
                webhooks=tuple(self._subscription(each) for each in self._outbox.subscribers(client_id)),
            )
            for client_id, stored in self._state.applications.items()
        ]

    def incoming(self) -> Mapping[SourceId, IncomingWebhooks]:
        return {
            each.source_id: IncomingWebhooks(
                source_id=each.source_id,
                client_secret=each.client_secret,
                signed_form=each.signed_form.value,
                api=each.api,
                token=each.token,
            )
            for each in self._inbox.intakes()
        }

    def insert_application(self, client_id: ClientId, name: str, client_secret: str) -> None:
        now = self._clock()
        program = Program(id=ProgramId(self._new_id()), name="Default", created_at=now)
        application = Application(id=client_id, name=name, default_program_id=program.id, created_at=now)
        self._state.applications[client_id] = ApplicationState(Game(application, (program,)), client_secret)

    def change_application(self, client_id: ClientId, name: str, client_secret: str) -> None:
        stored = self._state.application(client_id)
        renamed = msgspec.structs.replace(stored.game.application, name=name)
        stored.working.game = stored.game.with_(renamed)
        stored.client_secret = client_secret

    def put_webhooks(self, client_id: ClientId, webhooks: Sequence[WebhookSubscription]) -> None:
        wanted = list(webhooks)
        for old in self._outbox.subscribers(client_id):
            place = (old.url, set(old.events))
            same = next((each for each in wanted if (each.url, set(each.events)) == place), None)
            if same is None:
                self._outbox.unsubscribe(client_id, old.id)
            else:
                wanted.remove(same)
                self._outbox.sign_with(old, same.secret)
        for each in wanted:
            self._outbox.subscribe(client_id, each.url, each.events, each.secret)

    def put_incoming(self, incoming: IncomingWebhooks) -> None:
        self._inbox.replace(
            Intake(
                source_id=incoming.source_id,
                client_secret=incoming.client_secret,
                signed_form=SignedForm(incoming.signed_form),
                api=incoming.api,
                token=incoming.token,
            )
        )

    def snapshot(self) -> Callable[[], None]:
        applications = {key: (each, each.game, each.client_secret) for key, each in self._state.applications.items()}
        restores = (self._inbox.snapshot(), self._outbox.snapshot())

        def restore() -> None:
            # The dictionary itself is shared with the catalog, so it stays the same one.
            self._state.applications.clear()
            for key, (stored, game, secret) in applications.items():
                stored.working.game, stored.client_secret = game, secret
                self._state.applications[key] = stored
            for each in restores:
                each()

        return restore

    def _subscription(self, subscriber: Subscriber) -> WebhookSubscription:
        own = self._state.application(subscriber.client_id).client_secret
        secret = None if subscriber.secret == own else subscriber.secret
        return WebhookSubscription(url=subscriber.url, events=subscriber.events, secret=secret)
