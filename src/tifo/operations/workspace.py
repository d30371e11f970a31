"""The workspace as text: a file is planned against the workspace, applied whole or not at all, and exported."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import msgspec

from tifo.destinations.catalog import kind_of
from tifo.destinations.mappings import checked_mapping
from tifo.destinations.ports import ActionMapping, Kind
from tifo.destinations.settings import secret_names, without_masks
from tifo.documents.changes import Change
from tifo.documents.read import load_as
from tifo.documents.write import write
from tifo.kernel.errors import Rejected, TifoError
from tifo.operations.backend import Backend
from tifo.operations.workspace_secrets import completed_secrets
from tifo.tracking.filters import FilterAction, checked_choice, read_choice
from tifo.warehouses.catalog import connectable_kinds
from tifo.workspace.destinations import ConnectedDestination
from tifo.workspace.filters import new_filter
from tifo.workspace.ports import Workspace
from tifo.workspace.text.describe import describe
from tifo.workspace.text.document import DestinationText, MappingText, WarehouseText, WorkspaceText
from tifo.workspace.text.plan import changes

Variables = Mapping[str, str]
"""Environment variables, by name: a file may name one in place of a secret."""


@dataclass(frozen=True, kw_only=True)
class PlannedWorkspace:
    """Holds the changes that applying a file makes. `changes` holds no secret; the other fields do."""

    before: Workspace = field(repr=False)
    wanted: WorkspaceText = field(repr=False)
    urls: Mapping[str, str] = field(repr=False)
    """The address of each warehouse that the file makes, by the warehouse's name."""
    prune: bool
    changes: tuple[Change, ...]


def plan(
    backend: Backend, text: str, *, file: str, variables: Variables, beside: Collection[str] = (), prune: bool = False
) -> PlannedWorkspace:
    """Plans the changes that make the workspace what the text says, and rehearses them. Changes nothing.

    The text is TOML where the name `file` ends with `.toml`, YAML otherwise. `beside` are top-level names that are left
    out. `prune` deletes what the text does not name.

    Raises `Rejected` with everything that is wrong with the text, or the first thing that the workspace's rules refuse;
    `Transient` where a warehouse that it makes cannot be reached.
    """
    before = backend.workspace.read()
    written = load_as(WorkspaceText, text, file, beside=beside)
    wanted = _completed(backend, completed_secrets(written, before, variables), before, variables)
    _check_kinds(wanted)
    known = {warehouse.name for warehouse in before.warehouses}
    urls = {name: _url(name, each, variables) for name, each in wanted.warehouses.items() if name not in known}
    differing = changes(describe(before, secrets=True), wanted, prune=prune)
    # The rehearsal comes first: it is quick, and an unreachable address takes long to find out.
    backend.workspace.rehearse(wanted, urls, prune=prune)
    for name, url in urls.items():
        backend.check_warehouse(wanted.warehouses[name].kind, url)
    return PlannedWorkspace(before=before, wanted=wanted, urls=urls, prune=prune, changes=differing)


def apply(backend: Backend, planned: PlannedWorkspace) -> None:
    """Applies all changes or none. Raises `Conflict` where the workspace has changed since it was planned for."""
    backend.workspace.apply(planned.before, planned.wanted, planned.urls, prune=planned.prune)


def export(backend: Backend, *, secrets: bool = False) -> str:
    """Returns the workspace as YAML. Secrets, write keys and warehouses' addresses are in it only with `secrets`."""
    hidden = lambda kind: secret_names(kind_of(kind).settings)  # noqa: E731 (one line says it)
    return write(describe(backend.workspace.read(), secrets=secrets, secret_names=hidden))


def _completed(backend: Backend, wanted: WorkspaceText, before: Workspace, variables: Variables) -> WorkspaceText:
    """Completes each destination by the rules of its kind. Raises `Rejected`, naming the destination."""
    known = before.destination_keys()

    def completed(key: str, text: DestinationText) -> DestinationText:
        try:
            return _destination(backend, key, text, known.get(key), variables)
        except (TifoError, msgspec.ValidationError) as error:
            at_fault = error.field if isinstance(error, TifoError) else None
            raise Rejected(f"destinations.{key}: {error}", field=at_fault) from error

    texts = {key: completed(key, text) for key, text in wanted.destinations.items()}
    return msgspec.structs.replace(wanted, destinations=texts)


def _destination(
    backend: Backend, key: str, text: DestinationText, old: ConnectedDestination | None, variables: Variables
) -> DestinationText:
    if "/" not in key.strip("/"):
        raise Rejected("A destination's key is its source's slug and its name: web_shop/crm.", field="destinations")
    kind = kind_of(text.kind)
    settings = _settings(kind, text, old, variables)
    _check_filters(backend, text)
    for mapping in text.mappings or ():
        checked_mapping(kind, _mapping(mapping))
    if text.events is not None:
        checked_choice(read_choice(text.events))
    mappings = _automatic(kind) if text.mappings is None and old is None else text.mappings
    return msgspec.structs.replace(text, settings=settings, settings_env={}, mappings=mappings)


def _settings(
    kind: Kind, text: DestinationText, old: ConnectedDestination | None, variables: Variables
) -> dict[str, object]:
    """A secret that is not written, or is written as its mask, stays; any other setting then has its default."""
    secret = secret_names(kind.settings)
    stored = {name: value for name, value in (old.settings if old else {}).items() if name in secret}
    from_variables = {name: _variable(str(variable), variables) for name, variable in text.settings_env.items()}
    return dict(kind.check({**stored, **without_masks(kind.settings, text.settings), **from_variables}))


def _check_filters(backend: Backend, text: DestinationText) -> None:
    for each in text.filters or ():
        actions = msgspec.convert(list(each.actions), list[FilterAction])
        new_filter(each.when, actions, each.title, new_id=backend.new_id, now=backend.clock())


def _mapping(text: MappingText) -> ActionMapping:
    return ActionMapping(
        id="",
        name=text.name,
        action=text.action,
        trigger=text.trigger,
        mapping=text.mapping,
        enabled=text.enabled,
    )


def _automatic(kind: Kind) -> tuple[MappingText, ...]:
    return tuple(
        MappingText(name=each.name, action=each.action, trigger=each.trigger, mapping=dict(each.mapping))
        for each in kind.automatic
    )


def _check_kinds(wanted: WorkspaceText) -> None:
    known = [kind.id for kind in connectable_kinds()]
    for name, text in wanted.warehouses.items():
        if text.kind not in known:
            message = f"warehouses.{name}: kind is {text.kind!r:.100}. Write one of {', '.join(known)}."
            raise Rejected(message, field="kind")


def _url(name: str, text: WarehouseText, variables: Variables) -> str:
    if text.url is not None:
        return text.url
    if text.url_env is None:
        raise Rejected(
            f"warehouses.{name} is new: write its url, or url_env for a variable that holds it.", field="url"
        )
    if text.url_env not in variables:
        raise Rejected(f"warehouses.{name}: the variable {text.url_env} is not set.", field="url_env")
    return variables[text.url_env]


def _variable(name: str, variables: Variables) -> str:
    if name not in variables:
        raise Rejected(f"the variable {name} is not set.", field="settings_env")
    return variables[name]
