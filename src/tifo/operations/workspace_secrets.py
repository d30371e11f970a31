"""Completes a workspace file's applications and webhooks: secrets come from variables, or stay as they are."""

import secrets
from collections.abc import Mapping

from msgspec.structs import replace

from tifo.kernel.errors import Rejected
from tifo.kernel.ids import ClientId
from tifo.source.webhooks.outgoing import checked_events
from tifo.workspace.engagement import ConnectedApplication
from tifo.workspace.ports import Workspace
from tifo.workspace.rules import checked_address, checked_client_id
from tifo.workspace.text.document import (
    HIDDEN,
    ConnectedApplicationText,
    IncomingText,
    SendsToText,
    SourceText,
    SubscriberText,
    WorkspaceText,
)

_Variables = Mapping[str, str]


def completed_secrets(wanted: WorkspaceText, before: Workspace, variables: _Variables) -> WorkspaceText:
    """Raises `Rejected`, naming the place, for a secret that is nowhere."""
    sources = {slug: _source(slug, text, before, variables) for slug, text in wanted.sources.items()}
    known = {each.id: each for each in before.applications}
    applications = {
        client_id: _Application(client_id, known.get(ClientId(client_id)), before, variables).completed(text)
        for client_id, text in wanted.applications.items()
    }
    return replace(wanted, sources=sources, applications=applications)


def _source(slug: str, text: SourceText, before: Workspace, variables: _Variables) -> SourceText:
    given = text.livelike_webhooks
    if given is None:
        return text
    source_id = next((each.id for each in before.sources if each.slug == slug), None)
    old = None if source_id is None else before.incoming.get(source_id)
    place = f"sources.{slug}.livelike_webhooks"
    secret = _secret(f"{place}.secret", given.secret, given.secret_env, variables, old.client_secret if old else None)
    if not secret:
        raise Rejected(f"{place} is new: write its secret, or secret_env for a variable that holds it.", field="secret")
    token = _secret(f"{place}.token", given.token, given.token_env, variables, old.token if old else None)
    api = None if given.api is None else _address(given.api, place, "api")
    return replace(text, livelike_webhooks=IncomingText(secret=secret, signed=given.signed, api=api, token=token))


class _Application:
    """Completes one application's text. `old` is what there is of it."""

    def __init__(
        self, client_id: str, old: ConnectedApplication | None, before: Workspace, variables: _Variables
    ) -> None:
        self._place = f"applications.{checked_client_id(client_id)}"
        self._old = old
        self._before = before
        self._variables = variables

    def completed(self, text: ConnectedApplicationText) -> ConnectedApplicationText:
        own = self._old.client_secret if self._old else secrets.token_urlsafe(32)
        place, webhooks = f"{self._place}.client_secret", text.webhooks
        if webhooks is not None:
            webhooks = tuple(self._subscriber(f"{self._place}.webhooks[{n}]", each) for n, each in enumerate(webhooks))
        return replace(
            text,
            client_secret=_secret(place, text.client_secret, text.client_secret_env, self._variables, own),
            client_secret_env=None,
            sends_to=None if text.sends_to is None else self._sends_to(text.sends_to),
            webhooks=webhooks,
        )

    def _subscriber(self, place: str, text: SubscriberText) -> SubscriberText:
        url = _address(text.url, place, "url")
        try:
            events = checked_events(text.events)
        except Rejected as error:
            raise Rejected(f"{place}: {error.message}", field="events") from error
        known = self._old.webhooks if self._old else ()
        same = next((each for each in known if (each.url, set(each.events)) == (url, set(events))), None)
        secret = _secret(
            f"{place}.secret", text.secret, text.secret_env, self._variables, same.secret if same else None
        )
        return SubscriberText(url=url, events=events, secret=secret)

    def _sends_to(self, text: SendsToText) -> SendsToText:
        place = f"{self._place}.sends_to"
        old = self._kept_key(text)
        key = _secret(f"{place}.write_key", text.write_key, text.write_key_env, self._variables, old)
        if key is None and text.source is None:
            raise Rejected(f"{place} needs source, or endpoint and write_key.", field="write_key")
        return SendsToText(source=text.source, endpoint=text.endpoint, write_key=key)

    def _kept_key(self, text: SendsToText) -> str | None:
        """Returns the present key where the place stays: a file without secrets does not say which key it is."""
        old = self._old
        if old is None or old.write_key is None:
            return None
        slug = self._before.slugs_by_key().get(old.write_key) if old.endpoint is None else None
        return old.write_key if (slug, old.endpoint) == (text.source, text.endpoint) else None


def _secret(place: str, given: str | None, variable: str | None, variables: _Variables, old: str | None) -> str | None:
    """Returns the written secret, or the variable's, or the old one."""
    if variable is not None:
        if variable not in variables:
            raise Rejected(f"{place}_env: the variable {variable} is not set.", field=variable)
        return variables[variable]
    if given != HIDDEN:
        return old if given is None else given
    if old is None:
        raise Rejected(f"{place} is hidden, and there is none yet. Write it, or {place}_env for a variable.")
    return old


def _address(address: str, place: str, field: str) -> str:
    try:
        return checked_address(address, field)
    except Rejected as error:
        raise Rejected(f"{place}: {error.message}", field=field) from error
