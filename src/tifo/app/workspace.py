"""The workspace as text: what `tifo workspace apply` and `export` do. Works whether or not `tifo up` runs."""

import os
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tifo.app import compose
from tifo.app.cli import text_plan as plans
from tifo.app.game import read_file
from tifo.app.settings import FILE, Settings
from tifo.destinations.catalog import kind_of
from tifo.destinations.mappings import checked_mapping
from tifo.destinations.ports import ActionMapping
from tifo.destinations.settings import secret_names
from tifo.documents.changes import Change, Verb
from tifo.documents.read import load_as
from tifo.documents.write import write
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Rejected, TifoError
from tifo.tracking.filters import FilterAction, checked_choice, read_choice
from tifo.workspace.destinations import ConnectedDestination
from tifo.workspace.filters import made
from tifo.workspace.ports import Workspace
from tifo.workspace.text.describe import describe
from tifo.workspace.text.document import DestinationText, MappingText, WarehouseText, WorkspaceText
from tifo.workspace.text.plan import changes


class Planned(NamedTuple):
    """What applying a file does. Neither form of it holds a secret."""

    before: Workspace
    wanted: WorkspaceText
    urls: dict[str, str]
    prune: bool
    changes: tuple[Change, ...]

    def as_data(self) -> dict[str, Any]:
        return {"changes": plans.as_data(self.changes)}

    def as_lines(self) -> list[str]:
        return plans.as_lines(self.changes, removal=Verb.DELETE)


def plan(settings: Settings, file: Path, *, prune: bool) -> Planned:
    """Raises `Rejected` with everything that is wrong with the file, or what the rules of the workspace refuse of it;
    `Transient` where a warehouse that it makes cannot be reached.
    """
    workspace = compose.workspace_of(compose.open_state(settings), settings)
    before = workspace.read()
    settings_too = [known.name for known in fields(Settings)] if file.name == FILE.name else []
    wanted = completed(load_as(WorkspaceText, read_file(file), str(file), beside=settings_too), before)
    known = {warehouse.name for warehouse in before.warehouses}
    urls = {name: _url(name, text) for name, text in wanted.warehouses.items() if name not in known}
    differing = changes(describe(before, secrets=True), wanted, prune=prune)
    workspace.rehearse(wanted, urls, prune=prune)
    for url in urls.values():
        compose.check_connected(url)
    return Planned(before, wanted, urls, prune, differing)


def apply(settings: Settings, planned: Planned) -> None:
    """All of it, or nothing."""
    workspace = compose.workspace_of(compose.open_state(settings), settings)
    workspace.apply(planned.before, planned.wanted, planned.urls, prune=planned.prune)


def export(settings: Settings, *, secrets: bool) -> str:
    workspace = compose.workspace_of(compose.open_state(settings), settings).read()
    hidden = lambda kind: secret_names(kind_of(kind).settings)  # noqa: E731 (one line says it)
    return write(describe(workspace, secrets=secrets, secret_names=hidden))


def completed(wanted: WorkspaceText, before: Workspace) -> WorkspaceText:
    """Each destination's settings, filters and mappings as its kind takes them. Raises `Rejected`, naming the place."""
    known = before.destination_keys()
    texts = {key: _completed(key, text, known.get(key)) for key, text in wanted.destinations.items()}
    return msgspec.structs.replace(wanted, destinations=texts)


def _completed(key: str, text: DestinationText, old: ConnectedDestination | None) -> DestinationText:
    """Secrets that are not written stay as they are; other settings have their defaults then."""
    try:
        if "/" not in key.strip("/"):
            raise Rejected("A destination's key is its source's slug and its name: web_shop/crm.", field="destinations")
        kind = kind_of(text.kind)
        hidden = secret_names(kind.settings)
        kept = {name: value for name, value in (old.settings if old else {}).items() if name in hidden}
        given = {name: _variable(str(variable)) for name, variable in text.settings_env.items()}
        value = kind.check({**kept, **text.settings, **given})
        for each in text.filters or ():
            actions = msgspec.convert(list(each.actions), list[FilterAction])
            made(each.when, actions, each.title, new_id=str, now=system_clock())
        for mapping in text.mappings or ():
            told = ActionMapping("", mapping.name, mapping.action, mapping.trigger, mapping.mapping, mapping.enabled)
            checked_mapping(kind, told)
        if text.events is not None:
            checked_choice(read_choice(text.events))
    except (TifoError, msgspec.ValidationError) as error:
        field = error.field if isinstance(error, TifoError) else None
        raise Rejected(f"destinations.{key}: {error}", field=field) from error
    mappings = text.mappings
    if mappings is None and old is None:
        mappings = tuple(
            MappingText(name=each.name, action=each.action, trigger=each.trigger, mapping=dict(each.mapping))
            for each in kind.automatic
        )
    complete = {name: each for name, each in value.items() if each is not None}
    return msgspec.structs.replace(text, settings=complete, settings_env={}, mappings=mappings)


def _variable(name: str) -> str:
    if name not in os.environ:
        raise Rejected(f"the variable {name} is not set.", field="settings_env")
    return os.environ[name]


def _url(name: str, text: WarehouseText) -> str:
    if text.url is not None:
        return text.url
    if text.url_env is not None and text.url_env in os.environ:
        return os.environ[text.url_env]
    if text.url_env is not None:
        raise Rejected(f"warehouses.{name}: the variable {text.url_env} is not set.", field="url_env")
    raise Rejected(f"warehouses.{name} is new: write its url, or url_env for a variable that holds it.", field="url")
