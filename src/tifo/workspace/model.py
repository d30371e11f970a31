"""Sources, write keys, and the connections that lead from the platform to a pipeline."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from tifo.kernel.ids import ClientId, SourceId
from tifo.workspace.sync import Selection


class SourceType(StrEnum):
    LIVELIKE = "livelike"
    HTTP = "http"


@dataclass(frozen=True)
class Source:
    """Where events come from. `schema` is the warehouse schema: unique, and stable when the source is renamed."""

    id: SourceId
    name: str
    slug: str
    schema: str
    type: SourceType
    enabled: bool
    created_at: datetime
    write_key: str = field(repr=False)


@dataclass(frozen=True)
class Connection:
    """An application's facts go to this Segment-compatible endpoint with this write key."""

    client_id: ClientId
    write_key: str = field(repr=False)
    endpoint: str | None
    """Base address without `/v1`, such as `https://api.segment.io`; None for Tifo itself."""


class Catalog(Protocol):
    """What the workspace holds. Methods block. Readers see a change within a second, in every process."""

    def create_source(self, name: str, source_type: SourceType) -> Source:
        """Make the slug (`LiveLike_Demo` → `livelike_demo`: small letters and digits, `_` for every run of anything
        else; `_2`, `_3`, … is added where it is taken), the schema (the slug; behind a `_` where it begins with a
        digit or is a name that warehouses use themselves) and a 32-character write key: see rules.py. Raises
        `Rejected` for an empty name.
        """

    def sources(self) -> list[Source]: ...

    def connect(self, client_id: ClientId, write_key: str, endpoint: str | None) -> Connection:
        """Replaces an earlier connection of the application; what was sent already is not sent again.

        Raises `NotFound` for an unknown application, `Rejected` for an endpoint that is no http(s) address, or
        for a write key that Tifo does not know where the endpoint is Tifo itself.
        """

    def connections(self) -> list[Connection]: ...

    def selection_of(self, source_id: SourceId, warehouse: str) -> Selection:
        """What of the source goes into this warehouse; `EVERYTHING` where nothing was turned off. The built-in
        warehouse's name is `duckdb`.
        """
