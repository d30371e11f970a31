"""Defines how a kind of warehouse describes itself, so that nothing outside `drivers/` has to know it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from tifo.warehouses.ports import Warehouse


class WarehouseSetting(NamedTuple):
    """Describes one part of an address, for forms and the management API's catalog."""

    name: str
    label: str
    description: str
    type: str = "string"
    """Segment's word: `string` or `password`."""
    default: str = ""


class WarehouseDriver(Protocol):
    """Describes a kind of warehouse. It is light: only `open` imports the product's library."""

    @property
    def id(self) -> str:
        """Returns the word by which commands, files and the API name the kind."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...

    @property
    def settings(self) -> Sequence[WarehouseSetting]: ...

    @property
    def is_built_in(self) -> bool:
        """Says whether the kind comes with Tifo, once; nobody connects a second one."""

    def url_of(self, settings: Mapping[str, object]) -> str:
        """Builds the address of these settings; `name` is none of them. Raises `Rejected`, naming the setting."""

    def settings_of(self, url: str) -> dict[str, str]:
        """Returns the parts of an address that may be shown."""

    def check_url(self, url: str) -> str:
        """Returns the address. Raises `Rejected` for what is none; the message holds no password."""

    def without_password(self, url: str) -> str:
        """Returns the address as it may be shown."""

    def shown_name(self, name: str) -> str:
        """Returns the name of a table or column as the product has it, where it takes fewer characters."""

    def open(self, url: str) -> "Warehouse":
        """Opens the warehouse. It connects when it is used first."""
