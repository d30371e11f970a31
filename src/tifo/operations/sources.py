"""Sources and their write keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tifo.kernel.errors import Rejected
from tifo.kernel.ids import SourceId
from tifo.kernel.naming import no_such
from tifo.operations.backend import Backend
from tifo.workspace.kinds import kind_of
from tifo.workspace.model import Connection, Source, SourceChange, WriteKey
from tifo.workspace.tokens import Role


@dataclass(frozen=True)
class SourceSetup:
    """Instructions that send events to a source, ready to be pasted. They hold its write key."""

    source: Source
    instructions: str


@dataclass(frozen=True)
class DeletedSource:
    """`source` is as it was before; `disconnected` are the applications' connections that went with it."""

    source: Source
    disconnected: Sequence[Connection]


def listed(backend: Backend) -> Sequence[Source]:
    return backend.catalog.sources()


def slugs(backend: Backend) -> Mapping[SourceId, str]:
    """Returns the slug of each source that is not deleted."""
    return {source.id: source.slug for source in backend.catalog.sources()}


def find(backend: Backend, name: str) -> Source:
    """Finds a source by its slug or id. Raises `NotFound`, naming those that there are."""
    known = backend.catalog.sources()
    for source in known:
        if name in {source.slug, source.id}:
            return source
    raise no_such("source", name, [each.slug for each in known], make="tifo source create", field="source")


def visible_write_keys(source: Source, role: Role) -> Sequence[WriteKey]:
    """A write key is a secret: only editors and owners see it."""
    return source.keys if role.may(Role.EDITOR) else ()


def create(backend: Backend, name: str, kind_id: str, *, enabled: bool = True, slug: str | None = None) -> Source:
    """Makes a source with one write key and a warehouse schema. Raises as `Catalog.create_source` does, and `NotFound`
    for an unknown kind.
    """
    return backend.catalog.create_source(name, kind_of(kind_id).type, enabled=enabled, slug=slug)


def change(backend: Backend, name: str, change: SourceChange) -> Source:
    return backend.catalog.change_source(find(backend, name).id, change)


def delete(backend: Backend, name: str, *, force: bool = False) -> DeletedSource:
    """Stops the source's write keys for good; its events stay in the log and in every warehouse.

    Raises `Conflict` while an application is connected with one of its keys, unless `force`.
    """
    source = find(backend, name)
    return DeletedSource(source, backend.catalog.delete_source(source.id, force=force))


def create_write_key(backend: Backend, name: str) -> Source:
    """Adds a write key, which stands last; the others stay valid."""
    return backend.catalog.add_write_key(find(backend, name).id)


def remove_write_key(backend: Backend, name: str, write_key: str) -> Source:
    return backend.catalog.remove_write_key(find(backend, name).id, write_key)


def setup(backend: Backend, name: str) -> SourceSetup:
    """Raises `Rejected` for a source without a write key."""
    source = find(backend, name)
    if not source.keys:
        raise Rejected(f"The source {source.slug} has no write key. Make one: tifo source key create {source.slug}.")
    kind, address = kind_of(source.type), backend.public_address()
    return SourceSetup(source, kind.instructions(write_key=source.write_key, slug=source.slug, endpoint=address))
