"""The workspace as text: what a file says of sources, warehouses and selective sync, and how that differs from now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

import msgspec

from tifo.engagement.text.document import Checked, Name, Text, one_of
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import SourceId
from tifo.workspace.model import Source, SourceType
from tifo.workspace.rules import checked_new_key
from tifo.workspace.sync import Selection
from tifo.workspace.warehouses import ConnectedWarehouse, WarehouseKind


def _place(value: str, field: str) -> str:
    table, _, column = value.partition(".")
    if not table or value.endswith("."):
        raise Rejected(f"{field} is {value!r:.100}. Write a table, or table.column.", field=field)
    return table if not column else value


Key = Annotated[str, Checked(checked_new_key)]
Place = Annotated[str, Checked(_place)]


class SourceText(Text, frozen=True, kw_only=True):
    """By its slug. `schema` and `write_keys` that are not written stay as they are."""

    name: Name
    type: Annotated[str, one_of(*SourceType)]
    enabled: bool = True
    schema: Name | None = None
    write_keys: tuple[Key, ...] = ()
    not_loaded: dict[str, tuple[Place, ...]] = msgspec.field(default_factory=dict)
    """By warehouse: tables, and table.column, that are not loaded."""


class WarehouseText(Text, frozen=True, kw_only=True):
    """By its name. Without `sources` it takes all of them. Its address is given once, when it is made."""

    kind: Annotated[str, one_of(*WarehouseKind)]
    enabled: bool = True
    url: str | None = None
    url_env: Name | None = None
    """The environment variable that holds the address, so that the file need not."""
    sources: tuple[Name, ...] | None = None


class WorkspaceText(Text, frozen=True, kw_only=True):
    sources: dict[str, SourceText] = msgspec.field(default_factory=dict)
    warehouses: dict[str, WarehouseText] = msgspec.field(default_factory=dict)


@dataclass(frozen=True)
class Workspace:
    """The workspace as it is."""

    sources: tuple[Source, ...]
    warehouses: tuple[ConnectedWarehouse, ...]
    selections: Mapping[tuple[SourceId, str], Selection]


class Verb(StrEnum):
    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"


class FieldChange(NamedTuple):
    path: str
    old: Any
    new: Any


class Change(NamedTuple):
    verb: Verb
    section: str
    key: str
    fields: tuple[FieldChange, ...] = ()


def describe(workspace: Workspace, *, secrets: bool) -> WorkspaceText:
    """Write keys and the addresses of warehouses, which may hold passwords, only with `secrets`."""
    slugs = {source.id: source.slug for source in workspace.sources}
    return WorkspaceText(
        sources={source.slug: _source_text(source, workspace, secrets=secrets) for source in workspace.sources},
        warehouses={
            warehouse.name: WarehouseText(
                kind=warehouse.kind.value,
                enabled=warehouse.enabled,
                url=warehouse.url if secrets else None,
                sources=None
                if warehouse.source_ids is None
                else tuple(sorted(slugs[each] for each in warehouse.source_ids if each in slugs)),
            )
            for warehouse in workspace.warehouses
        },
    )


def _source_text(source: Source, workspace: Workspace, *, secrets: bool) -> SourceText:
    off = {
        warehouse: places(selection)
        for (source_id, warehouse), selection in sorted(workspace.selections.items())
        if source_id == source.id
    }
    return SourceText(
        name=source.name,
        type=source.type.value,
        enabled=source.enabled,
        schema=source.schema,
        write_keys=source.write_keys if secrets else (),
        not_loaded={warehouse: those for warehouse, those in off.items() if those},
    )


def places(selection: Selection) -> tuple[str, ...]:
    columns = (f"{table}.{column}" for table, off in selection.columns_off.items() for column in off)
    return tuple(sorted((*selection.tables_off, *columns)))


def changes(now: WorkspaceText, wanted: WorkspaceText, *, prune: bool) -> tuple[Change, ...]:
    """`now` with its secrets; no secret is in what is returned. In an order in which they can be done."""
    made: list[Change] = []
    for section in ("sources", "warehouses"):
        there, said = getattr(now, section), getattr(wanted, section)
        for key, text in said.items():
            if key not in there:
                made.append(Change(Verb.CREATE, section, key))
            elif fields := tuple(_differences(there[key], text)):
                made.append(Change(Verb.CHANGE, section, key, fields))
    for section in ("warehouses", "sources") if prune else ():
        gone = getattr(now, section).keys() - getattr(wanted, section).keys()
        made += [Change(Verb.DELETE, section, key) for key in sorted(gone)]
    return tuple(made)


def _differences(old: Any, new: Any) -> Iterator[FieldChange]:
    for name in new.__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if name in {"type", "kind"} and before != after:
            raise Rejected(f"{name} is {before} and cannot become {after}. Give it another key.", field=name)
        if name == "url" and after is not None and before != after:
            raise Rejected("The address of a warehouse cannot be changed. Give it another name.", field="url")
        if name == "write_keys":
            added = set(after) - set(before)
            if added:
                yield FieldChange("write_keys", f"{len(before)} keys", f"{len(before) + len(added)} keys")
        elif name == "not_loaded":
            yield from _off_differences(before, after)
        elif name == "sources":
            told = [None if those is None else tuple(sorted(those)) for those in (before, after)]
            if told[0] != told[1]:
                yield FieldChange(name, *("all" if those is None else those for those in told))
        elif name not in {"url", "url_env"} and before != after and not (name == "schema" and after is None):
            yield FieldChange(name, before, after)


def _off_differences(
    before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]
) -> Iterator[FieldChange]:
    for warehouse in sorted(before.keys() | after.keys()):
        was, becomes = (tuple(sorted(off.get(warehouse, ()))) for off in (before, after))
        if was != becomes:
            yield FieldChange(f"not_loaded.{warehouse}", was, becomes)
