"""The kinds of warehouses, and a warehouse's address as single settings and back. No secret leaves by this file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.workspace.warehouses import BUILT_IN, WarehouseKind

WarehouseSettings = Mapping[str, object]
"""By name, as someone gave them: either `url`, or the parts of an address."""
_PARTS = ("hostname", "port", "database", "username", "password")
_REQUIRED = ("hostname", "database", "username")
_DEFAULT_PORT = 5432


@dataclass(frozen=True, kw_only=True)
class AddressSetting:
    """A setting that a kind of warehouse has. `type` is Segment's word, such as `password`."""

    name: str
    type: str
    label: str
    description: str
    default: str = ""


@dataclass(frozen=True)
class WarehouseDescription:
    """A kind of warehouse, for those who choose one."""

    id: str
    name: str
    description: str
    settings: Sequence[AddressSetting] = ()


_ADDRESS = (
    AddressSetting(name="hostname", type="string", label="Host", description="Where the database is."),
    AddressSetting(
        name="port",
        type="string",
        label="Port",
        description=f"{_DEFAULT_PORT} where it is not given.",
        default=str(_DEFAULT_PORT),
    ),
    AddressSetting(name="database", type="string", label="Database", description="Its name."),
    AddressSetting(name="username", type="string", label="User", description="Who loads."),
    AddressSetting(name="password", type="password", label="Password", description="Never shown again."),
    AddressSetting(
        name="url",
        type="string",
        label="Address",
        description="In place of all of these: postgresql://user:password@host:5432/database.",
    ),
)
_KINDS = (
    WarehouseDescription(WarehouseKind.POSTGRES.value, "Postgres", "A PostgreSQL database.", _ADDRESS),
    WarehouseDescription(BUILT_IN, "DuckDB", "The file that comes with Tifo: always there, and takes every source."),
)


def kinds() -> Sequence[WarehouseDescription]:
    return _KINDS


def kind_of(kind: str) -> WarehouseDescription:
    """Raises `NotFound`, naming the kinds that there are."""
    for known in _KINDS:
        if known.id == kind:
            return known
    names = ", ".join(known.id for known in _KINDS)
    raise NotFound(f"There is no kind of warehouse {kind!r:.100}. Known are {names}.", field="metadataId")


def connectable_kind(kind: str) -> WarehouseKind:
    """Raises `NotFound` for an unknown kind, `Conflict` for the built-in one."""
    if kind_of(kind).id == BUILT_IN:
        raise Conflict(f"There is one {BUILT_IN}, and it is built in.", field="metadataId")
    return WarehouseKind(kind)


def url_of(kind: str, settings: WarehouseSettings) -> str:
    """Returns the address that the settings give. Raises as `connectable_kind` does, and `Rejected`, naming the
    setting.
    """
    connectable_kind(kind)
    unknown = set(settings) - {"name", "url", *_PARTS}
    if unknown:
        known = ", ".join(("url", *_PARTS))
        raise Rejected(f"There is no setting {min(unknown)!r:.100}. Known are {known}.", field="settings")
    if "url" in settings:
        return str(settings["url"])
    for required in _REQUIRED:
        if not settings.get(required):
            raise Rejected(f"settings.{required} is missing.", field=f"settings.{required}")
    # A password may hold any character, also those that end a part of an address.
    host, port, database, user, password = (quote(str(settings.get(part, "")), safe="") for part in _PARTS)
    secret = f":{password}" if password else ""
    return f"postgresql://{user}{secret}@{host}:{port or _DEFAULT_PORT}/{database}"


def settings_of(url: str) -> Mapping[str, str]:
    """Returns the parts of an address, without the password. Its parameters are left out: they may hold a secret."""
    parts = urlsplit(url)
    return {
        "hostname": parts.hostname or "",
        "port": str(parts.port or _DEFAULT_PORT),
        "database": parts.path.strip("/"),
        "username": parts.username or "",
    }


def masked_url(url: str) -> str:
    """Returns the address with `***` in place of its password."""
    from tifo.warehouses.drivers.postgres import without_password  # noqa: PLC0415 (psycopg: most commands need none)

    return without_password(url)
