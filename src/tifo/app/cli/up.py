"""`tifo up`: starts the roles."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from tifo.app import compose
from tifo.app.cli.output import log_to_stderr, talk
from tifo.app.settings import Settings, load_settings
from tifo.egress.rules import read_allowed
from tifo.kernel.errors import Rejected
from tifo.web.listening import check_port, free_port

SettingFlags = Parameter(name="*")(
    dataclasses.make_dataclass(
        "SettingFlags",
        [
            (known.name, Annotated[known.type | None, Parameter(help=known.metadata["meaning"])], None)  # type: ignore[operator]
            for known in dataclasses.fields(Settings)
        ],
        frozen=True,
        kw_only=True,
        namespace={"__module__": __name__},  # cyclopts takes what Python's own modules define for a plain value
    )
)
"""One flag a setting; one that is not given is None, so that a variable or `tifo.toml` may set it."""


def up(
    *,
    settings: SettingFlags | None = None,  # type: ignore[valid-type]
    roles: Annotated[str, Parameter(help="Comma-separated: api, relay, loader, deliverer. None named: all.")] = "",
) -> int:
    """Start Tifo: with several roles each in its own process, restarted when it dies."""
    log_to_stderr()
    given: dict[str, object] = {} if settings is None else dataclasses.asdict(settings)
    return _run(load_settings(given), [role for role in roles.split(",") if role])


def _introduce_log(settings: Settings, wanted: Sequence[str]) -> None:
    """Begins an opening of the log before any role reads it, and says what the roles alone would not."""
    from tifo.app.roles.held import is_read_by, what_holds
    from tifo.eventlog.identity import begin

    begin(settings.log, appends="api" in wanted)
    if why := what_holds(settings):
        talk.print(why, markup=False)
    if "api" not in wanted:
        return
    idle = [role for role in ("loader", "deliverer") if role not in wanted and not is_read_by(settings, role)]
    if idle:
        talk.print(
            f"Nobody reads the event log of {settings.data} for the {' and the '.join(idle)}: what this node receives"
            f" waits in its log. Start them on this folder: tifo up --roles {','.join(idle)}",
            markup=False,
        )


def _run(settings: Settings, wanted: Sequence[str]) -> int:
    """Runs until SIGTERM or Ctrl-C. One role runs in this process; several (or none named: all) under a supervisor."""
    from tifo.app import roles
    from tifo.app.roles import announcing, metrics, presence
    from tifo.app.roles.supervisor import Supervisor

    wanted = wanted or list(roles.RUN)
    unknown = [role for role in wanted if role not in roles.RUN]
    if unknown:
        raise Rejected(f"--roles has {unknown[0]!r}: known roles are {', '.join(roles.RUN)}.", field="roles")
    read_allowed(settings.egress_allow)  # a role that refused it would be restarted indefinitely
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if settings.port == 0:
        settings = dataclasses.replace(settings, port=free_port())
    compose.make_state(settings)  # once, before the roles race to make its tables
    supervised = os.environ.get("TIFO_SUPERVISED") == "1"
    if not supervised:
        _introduce_log(settings, wanted)
    if "api" in wanted:
        check_port(settings.host, settings.port)
        if not supervised:
            at = f"http://{settings.host}:{settings.port}"
            ready = f"Tifo is at {at}, its data in {settings.data}. Ctrl-C stops it."
            announcing.when_it_answers(compose.own_address(settings), lambda: talk.print(ready))
    if len(wanted) == 1:
        return roles.run(wanted[0], settings, supervised=supervised)
    ordered = [role for role in roles.RUN if role in wanted]
    counting = metrics.fresh_folder(settings.data)
    environment = {**counting, **settings.as_variables(), presence.WANTED: ",".join(ordered)}
    return Supervisor(
        ordered,
        settings.as_flags(),
        environment,
        on_death=lambda pid: metrics.forget_gauges(counting, pid),
    ).run()
