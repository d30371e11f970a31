"""The commands of `tifo app webhook`, and those of `tifo source` that accept LiveLike's webhooks."""

from collections.abc import Mapping
from typing import Annotated, Literal

from cyclopts import App, Parameter

from tifo.api.webhooks import ROOT
from tifo.app.cli.output import show
from tifo.app.cli.parameters import Application, Data, Json, backend, client_id_of
from tifo.app.cli.sources import sources
from tifo.kernel.clock import to_iso
from tifo.operations import incoming_webhooks, webhook_subscribers
from tifo.operations.webhook_subscribers import SubscriberStatus
from tifo.source.webhooks.inbox import HeldWebhook
from tifo.source.webhooks.outbox import Subscriber, UndeliveredWebhook

subscribers = App(name="webhook", help="Subscribers of the application's webhooks.")


@subscribers.command(name="add")
def webhook_add(
    application: Application,
    url: str,
    /,
    *,
    event: Annotated[tuple[str, ...], Parameter(help="A webhook to send; all six where none is given.")] = (),
    secret: Annotated[str | None, Parameter(help="Signs the webhooks (default: the client secret).")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Post LiveLike's webhooks to this address, for what happens from now on."""
    with backend(data) as opened:
        made = webhook_subscribers.add(opened, client_id_of(opened, application), url, event, secret)
    show(_subscriber(made), as_json=json)


@subscribers.command(name="list")
def webhook_list(application: Application, /, *, data: Data = None, json: Json = False) -> None:
    """List the application's subscribers."""
    with backend(data) as opened:
        found = webhook_subscribers.listed(opened, client_id_of(opened, application))
    show([_subscriber(each) for each in found], as_json=json)


@subscribers.command(name="remove")
def webhook_remove(application: Application, webhook_id: str, /, *, data: Data = None, json: Json = False) -> None:
    """Post nothing more to this subscriber, and drop what waits for it."""
    with backend(data) as opened:
        webhook_subscribers.remove(opened, client_id_of(opened, application), webhook_id)
    show({"removed": webhook_id}, as_json=json)


@subscribers.command(name="show")
def webhook_show(application: Application, webhook_id: str, /, *, data: Data = None, json: Json = False) -> None:
    """Show what was delivered, what waits, and each webhook that was not accepted, with its attempts and answer."""
    with backend(data) as opened:
        status = webhook_subscribers.status(opened, client_id_of(opened, application), webhook_id)
    show(_status(status), as_json=json)


@subscribers.command(name="retry")
def webhook_retry(application: Application, webhook_id: str, /, *, data: Data = None, json: Json = False) -> None:
    """Try every waiting and dead-lettered webhook again now."""
    with backend(data) as opened:
        tried = webhook_subscribers.retry(opened, client_id_of(opened, application), webhook_id)
    show({"tried_again": tried}, as_json=json)


@sources.command(name="webhooks-in")
def source_webhooks_in(
    source: str,
    /,
    *,
    secret: Annotated[str, Parameter(help="The client secret that LiveLike signs with.")],
    api: Annotated[str | None, Parameter(help="LiveLike's API, where fields that webhooks lack are looked up.")] = None,
    token: Annotated[str | None, Parameter(help="A producer token for that API.")] = None,
    signed: Annotated[Literal["bytes", "compact"], Parameter(help="The form of the body that is signed.")] = "bytes",
    data: Data = None,
    json: Json = False,
) -> None:
    """Let the source (its slug or id) accept LiveLike's webhooks. Prints the address to give to LiveLike."""
    with backend(data) as opened:
        made = incoming_webhooks.configure(opened, source, secret=secret, api=api, token=token, signed=signed)
        address = opened.public_address()
    path = f"{ROOT}{made.source.slug}"
    show({"source": made.source.slug, "path": path, "url": address + path, "api": made.intake.api}, as_json=json)


@sources.command(name="webhooks")
def source_webhooks(source: str, /, *, data: Data = None, json: Json = False) -> None:
    """Show what became of the source's webhooks: counts, and each waiting or dead-lettered one, with the reason."""
    with backend(data) as opened:
        status = incoming_webhooks.status(opened, source)
    counts = {state.value: count for state, count in status.counts.items()}
    show({**counts, "held": [_held(each) for each in status.held]}, as_json=json)


@sources.command(name="webhooks-retry")
def source_webhooks_retry(source: str, /, *, data: Data = None, json: Json = False) -> None:
    """Try the waiting and dead-lettered webhooks again."""
    with backend(data) as opened:
        show({"tried_again": incoming_webhooks.retry(opened, source)}, as_json=json)


def _subscriber(subscriber: Subscriber) -> Mapping[str, object]:
    return {
        "id": subscriber.id,
        "url": subscriber.url,
        "events": list(subscriber.events),
        "created_at": to_iso(subscriber.created_at),
    }


def _status(status: SubscriberStatus) -> Mapping[str, object]:
    report = status.report
    last = report.last_delivered_at
    return {
        "to_send": report.to_send,
        "waiting": report.waiting,
        "aside": report.dead_lettered,
        "delivered": report.delivered,
        "last_delivered": report.last_delivered,
        "last_delivered_at": None if last is None else to_iso(last),
        "failed_in_a_row": report.failed_in_a_row,
        "late": [_undelivered(each) for each in status.undelivered],
    }


def _undelivered(undelivered: UndeliveredWebhook) -> Mapping[str, object]:
    moments = {name: getattr(undelivered, name) for name in ("first_at", "tried_at", "next_at")}
    return {
        "id": undelivered.fact_id,
        "profile_id": undelivered.profile_id,
        "event": undelivered.event,
        "state": undelivered.state.value,
        "attempts": undelivered.attempts,
        **{name: None if moment is None else to_iso(moment) for name, moment in moments.items()},
        "status": undelivered.status,
        "answer": undelivered.answer,
    }


def _held(held: HeldWebhook) -> Mapping[str, object]:
    return {
        "id": held.webhook_id,
        "event": held.event,
        "state": held.state.value,
        "received_at": to_iso(held.received_at),
        "attempts": held.attempts,
        "reason": held.reason,
        "next_at": None if held.next_at is None else to_iso(held.next_at),
    }
