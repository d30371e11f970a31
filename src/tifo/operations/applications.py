"""Makes applications of the engagement half, and reports how their facts fare on the way to an endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tifo.engagement.access import create_application
from tifo.engagement.model import Application
from tifo.engagement.ports import NewApplication
from tifo.kernel.clock import to_iso
from tifo.kernel.ids import ClientId, FactId
from tifo.kernel.naming import no_such, several
from tifo.operations import segment_actions
from tifo.operations.backend import Backend
from tifo.operations.segment_actions import SegmentActionsStatus
from tifo.source.ports import DeadLetter, RelayReport
from tifo.workspace.model import Connection


class FeedState(StrEnum):
    """How an application's facts fare on their way to its endpoint."""

    NOT_CONNECTED = "not connected"
    IDLE = "idle"
    """Every fact is sent."""
    SENDING = "sending"
    RETRYING = "retrying"
    """The relay tries again by itself."""
    HELD = "held"
    """The relay tries again, but someone has to act: the endpoint refuses the write key, the address or everything."""


@dataclass(frozen=True)
class ConnectedEndpoint:
    """Names where facts go, without the write key."""

    source: str | None
    """The slug of this Tifo's source that has the write key; None for a key of someone else's."""
    endpoint: str | None
    """None for Tifo itself."""


@dataclass(frozen=True, kw_only=True)
class RefusedAnswers:
    """Counts the dead-lettered facts that the endpoint refused with one answer."""

    status: int
    answer: str
    count: int
    newest_at: datetime
    newest_id: FactId


@dataclass(frozen=True, kw_only=True)
class ApplicationStatus:
    """Holds no secret."""

    application: Application
    state: FeedState
    endpoints: Sequence[ConnectedEndpoint]
    report: RelayReport
    refused: Sequence[RefusedAnswers]
    """Dead-lettered facts by answer, the most frequent first."""
    segment_actions: SegmentActionsStatus | None
    """None where no tracked event triggers an action of the application."""

    @property
    def dead_letters(self) -> int:
        return sum(each.count for each in self.refused)


def create(backend: Backend, name: str) -> NewApplication:
    """Makes an application with its default program. The store keeps a digest of the producer token only."""
    return create_application(backend.access, name)


def listed(backend: Backend) -> Sequence[Application]:
    """Returns all applications, oldest first."""
    return backend.access.applications()


def find(backend: Backend, name: str) -> Application:
    """Finds an application by its client id, or else by its name. Raises `NotFound`, naming those that there are."""
    known = listed(backend)
    found = [each for each in known if each.id == name] or [each for each in known if each.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        marks = {each.id: f"made at {to_iso(each.created_at)}" for each in found}
        raise several("application", name, marks, field="client_id")
    raise no_such("application", name, [in_words(each) for each in known], make="tifo app create", field="client_id")


def in_words(application: Application) -> str:
    return f"{application.id} ({application.name:.60})"


def connect(backend: Backend, client_id: ClientId, write_key: str, endpoint: str | None) -> Connection:
    """Sends the application's facts with this write key. Raises as `Catalog.connect` does."""
    return backend.catalog.connect(client_id, write_key, endpoint)


def status(backend: Backend, client_id: ClientId) -> ApplicationStatus:
    """Reads what the relay noted in the state, so it works while the relay does not run. Raises `NotFound`."""
    application = backend.queries.game(client_id).application
    endpoints = _endpoints(backend, client_id)
    report = backend.facts.report(client_id)
    return ApplicationStatus(
        application=application,
        state=_state(report, connected=bool(endpoints)),
        endpoints=endpoints,
        report=report,
        refused=_refused(backend.facts.dead_letters(client_id)),
        segment_actions=segment_actions.status(backend, client_id),
    )


def resend(backend: Backend, client_id: ClientId) -> int:
    """Queues the application's dead-lettered facts again. Returns how many."""
    return backend.facts.resend(client_id, None)


def _endpoints(backend: Backend, client_id: ClientId) -> Sequence[ConnectedEndpoint]:
    slugs = {key: source.slug for source in backend.catalog.sources() for key in source.write_keys}
    return [
        ConnectedEndpoint(slugs.get(each.write_key), each.endpoint)
        for each in backend.catalog.connections()
        if each.client_id == client_id
    ]


def _state(report: RelayReport, *, connected: bool) -> FeedState:
    if not connected:
        return FeedState.NOT_CONNECTED
    if not report.waiting:
        return FeedState.IDLE
    if report.trouble is None:
        return FeedState.SENDING
    return FeedState.HELD if report.trouble.held else FeedState.RETRYING


def _refused(facts: Sequence[DeadLetter]) -> Sequence[RefusedAnswers]:
    alike: dict[tuple[int, str], list[DeadLetter]] = {}
    for each in facts:
        alike.setdefault((each.status, each.answer), []).append(each)
    return [
        RefusedAnswers(
            status=status,
            answer=answer,
            count=len(those),
            newest_at=max(each.at for each in those),
            newest_id=those[-1].fact_id,
        )
        for (status, answer), those in sorted(alike.items(), key=lambda item: -len(item[1]))
    ]
