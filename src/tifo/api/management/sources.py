"""`/sources`: sources and their write keys. A viewer sees no write key."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from tifo.api.management.answers import Answer, Done, Pagination
from tifo.api.management.catalog import SourceMetadataShown, source_metadata
from tifo.api.management.describing import accepts
from tifo.api.management.paging import page
from tifo.api.management.request import WORKSPACE_ID, Input, ManagementRequest, ManagementRoute
from tifo.kernel.errors import Rejected
from tifo.operations import sources
from tifo.workspace.kinds import kind_of
from tifo.workspace.model import Source, SourceChange
from tifo.workspace.tokens import Role

_Settings = dict[str, Any]
_SETTINGS = {"schema"}


class _New(Input, frozen=True, kw_only=True):
    slug: str
    enabled: bool
    metadata_id: Annotated[str, msgspec.Meta(min_length=1)]
    settings: _Settings | None = None


class _Change(Input, frozen=True, kw_only=True):
    name: str | None = None
    enabled: bool | None = None
    slug: str | None = None
    settings: _Settings | None = None


class SourceSettings(Answer, frozen=True, kw_only=True):
    """`schema` is the source's schema in every warehouse."""

    schema: str


class SourceShown(Answer, frozen=True, kw_only=True):
    """A source. A viewer sees no write keys."""

    id: str
    slug: str
    name: str
    metadata: SourceMetadataShown
    workspace_id: str
    enabled: bool
    write_keys: list[str]
    settings: SourceSettings
    labels: tuple[str, ...] = ()


class OneSource(Answer, frozen=True, kw_only=True):
    source: SourceShown


class ListedSources(Answer, frozen=True, kw_only=True):
    sources: list[SourceShown]
    pagination: Pagination


def source_shown(source: Source, role: Role) -> SourceShown:
    return SourceShown(
        id=source.id,
        slug=source.slug,
        name=source.name,
        metadata=source_metadata(kind_of(source.type)),
        workspace_id=WORKSPACE_ID,
        enabled=source.enabled,
        write_keys=[each.key for each in sources.visible_write_keys(source, role)],
        settings=SourceSettings(schema=source.schema),
    )


def sources_page(request: ManagementRequest, listed: Sequence[Source]) -> ListedSources:
    found, pagination = page(request, listed, lambda source: source.id)
    return ListedSources(sources=[source_shown(each, request.role) for each in found], pagination=pagination)


def named_source(request: ManagementRequest) -> Source:
    return sources.find(request.backend, request.parts["source_id"])


def list_sources(request: ManagementRequest) -> ListedSources:
    return sources_page(request, sources.listed(request.backend))


def get_source(request: ManagementRequest) -> OneSource:
    return _answer(request, named_source(request))


@accepts(body=_New)
def create_source(request: ManagementRequest) -> OneSource:
    """The source has its slug as its name, and one write key."""
    new = request.read(_New)
    if _schema(new.settings) is not None:
        raise Rejected("The schema comes from the slug. Change it afterwards.", field="settings.schema")
    # Segment's request has no name: the slug stands for it until a PATCH brings one.
    made = sources.create(request.backend, new.slug, new.metadata_id, enabled=new.enabled, slug=new.slug)
    return _answer(request, made)


@accepts(body=_Change)
def update_source(request: ManagementRequest) -> OneSource:
    """A new name or slug leaves the schema as it is; `settings.schema` changes it."""
    asked = request.read(_Change)
    change = SourceChange(name=asked.name, enabled=asked.enabled, slug=asked.slug, schema=_schema(asked.settings))
    return _answer(request, sources.change(request.backend, request.parts["source_id"], change))


def delete_source(request: ManagementRequest) -> Done:
    """Its events stay in every warehouse. Refused with 409 while an application is connected to the source."""
    sources.delete(request.backend, request.parts["source_id"])
    return Done()


def create_write_key_for_source(request: ManagementRequest) -> OneSource:
    """The new key stands last; the others stay valid."""
    return _answer(request, sources.create_write_key(request.backend, request.parts["source_id"]))


def remove_write_key_from_source(request: ManagementRequest) -> Done:
    sources.remove_write_key(request.backend, request.parts["source_id"], request.parts["write_key"])
    return Done()


def _schema(settings: _Settings | None) -> str | None:
    unknown = set(settings or {}) - _SETTINGS
    if unknown:
        raise Rejected(f"There is no setting {min(unknown)!r:.100}. Known is schema.", field="settings")
    schema = (settings or {}).get("schema")
    if schema is not None and not isinstance(schema, str):
        raise Rejected("settings.schema is no string.", field="settings.schema")
    return schema


def _answer(request: ManagementRequest, source: Source) -> OneSource:
    return OneSource(source=source_shown(source, request.role))


ROUTES = [
    ManagementRoute("GET", "/sources", Role.VIEWER, list_sources),
    ManagementRoute("POST", "/sources", Role.EDITOR, create_source),
    ManagementRoute("GET", "/sources/{source_id}", Role.VIEWER, get_source),
    ManagementRoute("PATCH", "/sources/{source_id}", Role.EDITOR, update_source),
    ManagementRoute("DELETE", "/sources/{source_id}", Role.OWNER, delete_source),
    ManagementRoute("POST", "/sources/{source_id}/writekey", Role.EDITOR, create_write_key_for_source),
    ManagementRoute("DELETE", "/sources/{source_id}/writekey/{write_key}", Role.EDITOR, remove_write_key_from_source),
]
