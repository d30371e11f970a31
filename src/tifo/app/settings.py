"""Reads settings: a flag, else a `TIFO_*` variable, else `tifo.toml` in the working folder, else the default."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from tifo.kernel.errors import Rejected

FILE = Path("tifo.toml")
WORKSPACE = ("sources", "tracking_plans", "warehouses", "destinations")
"""Sections that the file may hold beside settings: `tifo workspace apply` reads them."""


def _setting(default: object, meaning: str, *, secret: bool = False) -> Any:  # the field's own type stands beside it
    return field(default=default, metadata={"meaning": meaning}, repr=not secret)


_DATA = Path("tifo-data")
_SECRET = ("database_url", "secret_key", "smtp_url")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One field a setting: `flush_s` is `--flush-s`, `TIFO_FLUSH_S`, and `flush_s` in `tifo.toml`."""

    data: Path = _setting(_DATA, "folder that holds all state: tifo.db, log/, warehouse.duckdb")  # noqa: RUF009 (it makes a dataclass field)
    database_url: str = _setting(
        "",
        "PostgreSQL that holds the state instead of tifo.db, such as postgresql://user:password@host/tifo",
        secret=True,
    )
    secret_key: str = _setting(
        "", "key that encrypts the secrets of destinations, instead of the file secret.key in `data`", secret=True
    )
    host: str = _setting("127.0.0.1", "address to listen on")
    port: int = _setting(8100, "port to listen on; 0 takes a free one")
    public_url: str = _setting("", "address that clients reach Tifo at, where it is not the one they ask for")
    flush_s: float = _setting(2.0, "longest time that events wait for the warehouse, in seconds")
    flush_events: int = _setting(50_000, "number of waiting events that starts a load at once")
    egress_allow: str = _setting("", "networks that configured addresses may reach though they are not public (CIDRs)")
    rate_limit: float = _setting(0.0, "events a second that a source may send to one api process; 0: no limit")
    max_event_tables: int = _setting(1_000, "number of event names of a source that get a table in a warehouse")
    log_waits_days: float = _setting(
        30.0, "how long the event log waits for a warehouse or destination that is behind, in days"
    )
    alert_look_s: float = _setting(30.0, "time between two checks of the alerts, in seconds")
    smtp_url: str = _setting(
        "", "where alerts' mail goes, such as smtp://user:password@host:587, or smtps://", secret=True
    )
    smtp_from: str = _setting("", "who alerts' mail is from")
    log_retention_days: float = _setting(7.0, "how long the event log keeps what is loaded, in days")

    def as_flags(self) -> list[str]:
        """Returns the settings as flags of `tifo up`, without secrets: every user of the machine sees flags in `ps`.

        Secrets go to the roles by `as_variables`.
        """
        return [
            word
            for known in fields(self)
            if known.name not in _SECRET and (value := getattr(self, known.name)) != known.default
            for word in (f"--{known.name.replace('_', '-')}", str(value))
        ]

    def as_variables(self) -> dict[str, str]:
        return {f"TIFO_{name.upper()}": getattr(self, name) for name in _SECRET if getattr(self, name)}

    @property
    def database(self) -> Path:
        return self.data / "tifo.db"

    @property
    def secret_key_file(self) -> Path:
        return self.data / "secret.key"

    @property
    def log(self) -> Path:
        return self.data / "log"

    @property
    def warehouse(self) -> Path:
        return self.data / "warehouse.duckdb"


def load_settings(
    flags: Mapping[str, object], env: Mapping[str, str] | None = None, file: Path | None = None
) -> Settings:
    """Later sources fill only what earlier ones leave open; a flag of None is left open.

    Raises `Rejected` naming the setting and where it was set.
    """
    env = os.environ if env is None else env
    from_file = _read(file or FILE)
    values: dict[str, object] = {}
    for known in fields(Settings):
        name, variable = known.name, f"TIFO_{known.name.upper()}"
        if flags.get(name) is not None:
            values[name] = _convert(known.type, flags[name], f"--{name.replace('_', '-')}")
        elif variable in env:
            values[name] = _convert(known.type, env[variable], variable)
        elif name in from_file:
            values[name] = _convert(known.type, from_file[name], f"{name} in {file or FILE}")
    values["data"] = Path(
        str(values.get("data", _DATA))
    ).absolute()  # roles are started with it, whatever folder they run in
    return Settings(**values)  # type: ignore[arg-type]  # _convert has made each of its field's type


def _read(file: Path) -> dict[str, object]:
    if not file.is_file():
        return {}
    try:
        content = tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise Rejected(f"{file} is no TOML: {error}. Correct it, or delete it.") from error
    unknown = content.keys() - {known.name for known in fields(Settings)} - set(WORKSPACE)
    if unknown:
        raise Rejected(f"{file} sets {min(unknown)!r}, which is no setting. See docs/settings.md for those.")
    return content


def _convert(kind: object, value: object, where: str) -> object:
    converter = kind if isinstance(kind, type) else str
    try:
        return converter(value)
    except (TypeError, ValueError) as error:
        raise Rejected(f"{where} is {value!r}, which is no {converter.__name__}.") from error
