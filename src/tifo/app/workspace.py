"""The workspace as text: what `tifo workspace apply` and `export` do. Works whether or not `tifo up` runs."""

import os
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from tifo.app import compose, plans
from tifo.app.game import read_file
from tifo.app.settings import FILE, Settings
from tifo.engagement.text.read import load_as
from tifo.engagement.text.write import write
from tifo.kernel.errors import Rejected
from tifo.workspace.text import Change, Verb, WarehouseText, Workspace, WorkspaceText, changes, describe


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
        return plans.as_lines(self.changes, Verb)


def plan(settings: Settings, file: Path, *, prune: bool) -> Planned:
    """Raises `Rejected` with everything that is wrong with the file, or what the rules of the workspace refuse of it;
    `Transient` where a warehouse that it makes cannot be reached.
    """
    workspace = compose.workspace_of(compose.open_state(settings))
    before = workspace.read()
    settings_too = [known.name for known in fields(Settings)] if file.name == FILE.name else []
    wanted = load_as(WorkspaceText, read_file(file), str(file), beside=settings_too)
    known = {warehouse.name for warehouse in before.warehouses}
    urls = {name: _url(name, text) for name, text in wanted.warehouses.items() if name not in known}
    made = changes(describe(before, secrets=True), wanted, prune=prune)
    workspace.rehearse(wanted, urls, prune=prune)
    for url in urls.values():
        compose.check_connected(url)
    return Planned(before, wanted, urls, prune, made)


def apply(settings: Settings, planned: Planned) -> None:
    """All of it, or nothing."""
    workspace = compose.workspace_of(compose.open_state(settings))
    workspace.apply(planned.before, planned.wanted, planned.urls, prune=planned.prune)


def export(settings: Settings, *, secrets: bool) -> str:
    return write(describe(compose.workspace_of(compose.open_state(settings)).read(), secrets=secrets))


def _url(name: str, text: WarehouseText) -> str:
    if text.url is not None:
        return text.url
    if text.url_env is not None and text.url_env in os.environ:
        return os.environ[text.url_env]
    if text.url_env is not None:
        raise Rejected(f"warehouses.{name}: the variable {text.url_env} is not set.", field="url_env")
    raise Rejected(f"warehouses.{name} is new: write its url, or url_env for a variable that holds it.", field="url")
