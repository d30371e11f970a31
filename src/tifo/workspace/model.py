"""Sources, write keys, and the connections that lead from the platform to a pipeline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from tifo.kernel.ids import ClientId, SourceId
from tifo.workspace.sync import Override, Selection


class SourceType(StrEnum):
    """Names the kinds of sources; kinds.py describes each."""

    LIVELIKE = "livelike"
    HTTP = "http"
    JAVASCRIPT = "javascript"
    NODE = "node"
    PYTHON = "python"
    RUDDER_NODE = "rudder-node"
    RUDDER_PYTHON = "rudder-python"


@dataclass(frozen=True)
class WriteKey:
    key: str = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source of events. `schema` names its warehouse schema: unique, also among deleted sources, and stable when the
    source is renamed.
    """

    id: SourceId
    name: str
    slug: str
    # Warehouses' tables lie in it: a schema that followed a rename would split a source's rows.
    schema: str
    type: SourceType
    enabled: bool
    created_at: datetime
    keys: tuple[WriteKey, ...]
    """The oldest first. All of them are valid; only a disabled source may have none."""

    @property
    def write_keys(self) -> tuple[str, ...]:
        return tuple(each.key for each in self.keys)

    @property
    def write_key(self) -> str:
        """Returns the key that has been valid longest; empty where there is none."""
        return self.keys[0].key if self.keys else ""


@dataclass(frozen=True, kw_only=True)
class SourceChange:
    """A field that is None stays as it is. Loaded rows stay in the old schema when the schema changes."""

    name: str | None = None
    enabled: bool | None = None
    slug: str | None = None
    schema: str | None = None


@dataclass(frozen=True)
class Connection:
    """Sends an application's facts to this Segment-compatible endpoint with this write key."""

    client_id: ClientId
    write_key: str = field(repr=False)
    endpoint: str | None
    """Base address without `/v1`, such as `https://api.segment.io`; None for Tifo itself."""


class Catalog(Protocol):
    """Sources, their write keys and selections, and the applications' connections.

    Methods block. Readers see a change within a second, in every process.
    """

    def create_source(
        self, name: str, source_type: SourceType, *, enabled: bool = True, slug: str | None = None
    ) -> Source:
        """Makes a source with a slug, a schema and a 32-character write key, by the rules of rules.py.

        A slug that is not given is made of the name (`LiveLike_Demo` → `livelike_demo`; `_2`, `_3`, … is added where it
        is in use). The schema is the slug, behind a `_` where it begins with a digit or warehouses use the name
        themselves. Raises `Rejected` for an empty name or a malformed slug, `Conflict` for a slug in use.
        """

    def sources(self) -> list[Source]: ...

    def deleted_sources(self) -> list[Source]:
        """Returns deleted sources, without keys and with their id as slug. The loader still loads what they sent."""

    def change_source(self, source_id: SourceId, change: SourceChange) -> Source:
        """Raises `NotFound`; `Rejected` for bad names, and for enabling a source without a write key; `Conflict` for a
        slug or schema in use, also by a deleted source.
        """

    def delete_source(self, source_id: SourceId, *, force: bool = False) -> list[Connection]:
        """Deletes a source. Its write keys stop working within a second. Its events stay in the log and the warehouses,
        and no other source ever gets its schema.

        Raises `Conflict` while applications are connected with its keys. With `force` these connections are deleted
        too, and returned: the applications' facts wait for another connection.
        """

    def add_write_key(self, source_id: SourceId) -> Source:
        """Raises `Rejected` where there are `MAX_WRITE_KEYS` already."""

    def remove_write_key(self, source_id: SourceId, write_key: str) -> Source:
        """Raises `Conflict` for the last key of an enabled source, and while an application is connected with it."""

    def connect(self, client_id: ClientId, write_key: str, endpoint: str | None) -> Connection:
        """Replaces an earlier connection of the application. Facts that were sent already are not sent again.

        Raises `NotFound` for an unknown application, `Rejected` for an endpoint that is no http(s) address, or
        for a write key that Tifo does not know where the endpoint is Tifo itself.
        """

    def connections(self) -> list[Connection]: ...

    def selection_of(self, source_id: SourceId, warehouse: str) -> Selection:
        """Returns `EVERYTHING` where nothing was turned off. The built-in warehouse's name is `duckdb`."""

    def select(self, warehouse: str, overrides: Mapping[SourceId, Sequence[Override]]) -> dict[SourceId, Selection]:
        """Turns tables and columns of sources off or on: all of them, or none (`Rejected`, `NotFound`)."""
