"""LiveLike's webhooks as the input of a source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tifo.kernel.errors import Rejected
from tifo.operations import sources
from tifo.operations.backend import Backend
from tifo.source.webhooks.inbox import HeldWebhook, Intake, WebhookState
from tifo.source.webhooks.incoming import SignedForm
from tifo.workspace.model import Source
from tifo.workspace.rules import checked_address

MAX_SHOWN = 100


@dataclass(frozen=True)
class IncomingStatus:
    """Tells what became of one source's webhooks."""

    counts: Mapping[WebhookState, int]
    held: Sequence[HeldWebhook]
    """At most `MAX_SHOWN` webhooks that wait after a failure or are dead-lettered."""


@dataclass(frozen=True)
class ConfiguredIntake:
    source: Source
    intake: Intake


def configure(
    backend: Backend, source: str, *, secret: str, api: str | None, token: str | None, signed: str
) -> ConfiguredIntake:
    """Lets a source accept LiveLike's webhooks. `source` is a slug or id; `api` is where missing fields are looked up.

    Raises `NotFound`, and `Rejected` for an empty secret or an `api` that is no http(s) address.
    """
    found = sources.find(backend, source)
    if not secret:
        raise Rejected("The secret is empty. Give the client secret of the LiveLike application.", field="secret")
    address = None if api is None else checked_address(api, "api")
    intake = Intake(source_id=found.id, client_secret=secret, signed_form=SignedForm(signed), api=address, token=token)
    backend.inbox.configure(intake)
    return ConfiguredIntake(found, intake)


def status(backend: Backend, source: str) -> IncomingStatus:
    found = sources.find(backend, source)
    return IncomingStatus(backend.inbox.counts(found.id), backend.inbox.held(found.id, MAX_SHOWN))


def retry(backend: Backend, source: str) -> int:
    """Tries every waiting and dead-lettered webhook again at once. Returns how many."""
    return backend.inbox.retry(sources.find(backend, source).id, backend.clock())
