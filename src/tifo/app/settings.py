"""Reads settings: a flag, else a `TIFO_*` variable, else `tifo.toml` in the working folder, else the default."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from tifo.app import setting_checks as checks
from tifo.app.setting_checks import Check
from tifo.kernel.errors import Rejected

FILE = Path("tifo.toml")
WORKSPACE = ("sources", "tracking_plans", "warehouses", "destinations", "applications", "alerts")
"""Sections that the file may hold beside settings: `tifo workspace apply` reads them."""


def _setting(
    default: object, meaning: str, check: Check = lambda _: None, *, secret: bool = False
) -> Any:  # the field's own type stands beside it
    return field(default=default, metadata={"meaning": meaning, "check": check}, repr=not secret)


_DATA = Path("tifo-data")
_SECRET = ("database_url", "secret_key", "smtp_url")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One field a setting: `flush_s` is `--flush-s`, `TIFO_FLUSH_S`, and `flush_s` in `tifo.toml`."""

    data: Path = _setting(_DATA, "folder that holds all state: tifo.db, log/, warehouse.duckdb", checks.a_folder)  # noqa: RUF009 (it makes a dataclass field)
    database_url: str = _setting(
        "",
        "PostgreSQL that holds the state instead of tifo.db, such as postgresql://user:password@host/tifo",
        checks.a_database,
        secret=True,
    )
    secret_key: str = _setting(
        "", "key that encrypts the secrets of destinations, instead of the file secret.key in `data`", secret=True
    )
    host: str = _setting("127.0.0.1", "address to listen on", checks.a_host)
    port: int = _setting(8100, "port to listen on; 0 takes a free one", checks.a_port)
    public_url: str = _setting(
        "", "address that clients reach Tifo at, where it is not the one they ask for", checks.a_web_address
    )
    flush_s: float = _setting(2.0, "longest time that events wait for the warehouse, in seconds", checks.positive)
    flush_events: int = _setting(50_000, "number of waiting events that starts a load at once", checks.at_least_one)
    egress_allow: str = _setting(
        "", "networks that configured addresses may reach though they are not public (CIDRs)", checks.networks
    )
    rate_limit: float = _setting(
        0.0, "events a second that a source may send to one api process; 0: no limit", checks.not_negative
    )
    max_event_tables: int = _setting(
        1_000, "number of event names of a source that get a table in a warehouse", checks.not_negative
    )
    log_waits_days: float = _setting(
        30.0, "how long the event log waits for a warehouse or destination that is behind, in days", checks.not_negative
    )
    alert_look_s: float = _setting(30.0, "time between two checks of the alerts, in seconds", checks.positive)
    smtp_url: str = _setting(
        "",
        "where alerts' mail goes, such as smtp://user:password@host:587, or smtps://",
        checks.a_mail_server,
        secret=True,
    )
    smtp_from: str = _setting("", "who alerts' mail is from")
    log_retention_days: float = _setting(
        7.0, "how long the event log keeps what is loaded, in days", checks.not_negative
    )

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
    def address_file(self) -> Path:
        return self.data / "address"

    @property
    def log(self) -> Path:
        return self.data / "log"

    @property
    def warehouse(self) -> Path:
        return self.data / "warehouse.duckdb"


def load_settings(
    flags: Mapping[str, object], env: Mapping[str, str] | None = None, file: Path | None = None
) -> Settings:
    """Later sources fill only what earlier ones leave open; a flag of None and an empty variable are left open.

    Raises `Rejected` naming the setting, its value and where it was set; also for a variable `TIFO_…` or a key of the
    file that is none.
    """
    env = os.environ if env is None else env
    variables = {f"TIFO_{known.name.upper()}" for known in fields(Settings)}
    if unknown := checks.unknown_variables(env, variables):
        raise Rejected(unknown)
    from_file = _read(file or FILE)
    values: dict[str, object] = {}
    for known in fields(Settings):
        name, variable = known.name, f"TIFO_{known.name.upper()}"
        if flags.get(name) is not None:
            values[name] = _checked(known, flags[name], f"--{name.replace('_', '-')}")
        elif env.get(variable):
            values[name] = _checked(known, env[variable], variable)
        elif name in from_file:
            values[name] = _checked(known, from_file[name], f"{name} in {file or FILE}")
    values["data"] = Path(
        str(values.get("data", _DATA))
    ).absolute()  # roles are started with it, whatever folder they run in
    return Settings(**values)  # type: ignore[arg-type]  # _checked has made each of its field's type


def _read(file: Path) -> dict[str, object]:
    if not file.is_file():
        return {}
    try:
        content = tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise Rejected(f"{file} cannot be read: {error.strerror}. Make it readable, or delete it.") from error
    except UnicodeDecodeError as error:
        raise Rejected(f"{file}: byte {error.start:,} is no UTF-8. Save the file as UTF-8, or delete it.") from error
    except tomllib.TOMLDecodeError as error:
        raise Rejected(f"{file} is no TOML: {error}. Correct it, or delete it.") from error
    known = {known.name for known in fields(Settings)}
    unknown = content.keys() - known - set(WORKSPACE)
    if unknown:
        name = min(unknown)
        raise Rejected(f"{file} sets {name!r:.100}, which is no setting. {checks.remedy(name, {*known, *WORKSPACE})}")
    return content


def _checked(known: Field[Any], value: object, where: str) -> object:
    converted = _convert(known.type, value, where, secret=not known.repr)
    if problem := known.metadata["check"](converted):
        shown = "not shown" if not known.repr else f"{value!s:.200}"
        raise Rejected(f"{where} is {shown}, which is {problem}.", field=known.name)
    return converted


def _convert(kind: object, value: object, where: str, *, secret: bool) -> object:
    converter = kind if isinstance(kind, type) else str
    texts = converter in {str, Path}
    # int(1.9) and int(True) are 1: TOML's types are compared instead.
    fits = isinstance(value, str) or (isinstance(value, converter) and not isinstance(value, bool))
    fits = fits or (converter is float and isinstance(value, int) and not isinstance(value, bool))
    try:
        if fits or (texts and isinstance(value, Path)):
            return converter(value)
    except (ValueError, OverflowError):
        pass
    words = {int: "whole number", float: "number"}.get(converter, "text")
    raise Rejected(f"{where} is {'not shown' if secret else repr(value)[:200]}, which is no {words}.")
