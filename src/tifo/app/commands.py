"""What each command does, on the parts that `compose.py` makes. Works whether or not `tifo up` runs.

What only some commands need is imported by them: a command starts three times as quickly without HTTP and the roles.
"""

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tifo.app import compose
from tifo.app.actions import show_actions
from tifo.app.cli.output import show, show_table, talk
from tifo.app.demo.local import check_port, free_port
from tifo.app.lines import show_line
from tifo.app.settings import Settings
from tifo.egress.rules import read_allowed
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import ClientId, uuid7
from tifo.store.engagement.engine import create_application as new_application
from tifo.store.engagement.queries import SqlQueries

if TYPE_CHECKING:
    from tifo.app.demo.run import DemoOutcome


def up(settings: Settings, wanted: Sequence[str]) -> int:
    """Runs until SIGTERM or Ctrl-C. One role runs in this process; several (or none named: all) under a supervisor."""
    from tifo.app import roles
    from tifo.app.roles import metrics
    from tifo.app.roles.supervisor import Supervisor

    wanted = wanted or list(roles.RUN)
    unknown = [role for role in wanted if role not in roles.RUN]
    if unknown:
        raise Rejected(f"--roles has {unknown[0]!r}: known roles are {', '.join(roles.RUN)}.", field="roles")
    read_allowed(settings.egress_allow)  # refused here rather than by a role that then restarts for ever
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if settings.port == 0:
        settings = dataclasses.replace(settings, port=free_port())
    compose.open_state(settings).dispose()  # the tables are made once, before the roles race for them
    supervised = os.environ.get("TIFO_SUPERVISED") == "1"
    if "api" in wanted and not supervised:
        check_port(settings.host, settings.port)
    if len(wanted) == 1:
        return roles.run(wanted[0], settings, supervised=supervised)
    ordered = [role for role in roles.RUN if role in wanted]
    if "api" in ordered:
        talk.print(f"Tifo is at http://{settings.host}:{settings.port}, its data in {settings.data}. Ctrl-C stops it.")
    counting = metrics.fresh_folder(settings.data)
    environment = {**counting, **settings.as_variables()}
    return Supervisor(
        ordered,
        settings.as_flags(),
        environment,
        on_death=lambda pid: metrics.forget_gauges(counting, pid),
    ).run()


def demo(*, fans: int, seed: int, as_json: bool) -> int:
    """1 where anything differs from what the script says."""
    from tifo.app.demo.run import run_demo

    outcome = run_demo(fans=fans, seed=seed)
    if as_json:
        show(dataclasses.asdict(outcome), as_json=True)
    else:
        _show_outcome(outcome)
    return 1 if outcome.differences else 0


def _show_outcome(outcome: "DemoOutcome") -> None:
    show_table(
        [
            {"table": table, "rows": outcome.rows.get(table, 0), "expected": expected}
            for table, expected in sorted(outcome.expected.items())
        ]
    )
    talk.print("\nLeaderboard")
    show_table(outcome.leaders)
    talk.print()
    audited = outcome.audit
    show(
        {
            "audit": "ok" if audited["ok"] else audited["problems"],
            "ledger = events = rows": f"{audited['ledger']} = {audited['events']} = {audited['rows']}",
            "events a second": f"{outcome.events_per_s:,.0f}",
            "action to queryable row": f"median {outcome.median_s:.2f} s, p99 {outcome.p99_s:.2f} s",
            "took": f"{outcome.seconds:.1f} s",
        },
        as_json=False,
    )
    for difference in outcome.differences:
        talk.print(f"DIFFERS  {difference}", style="bold red", markup=False)
    if not outcome.differences:
        talk.print("Everything came out as the script says.", style="bold green")


def create_application(settings: Settings, name: str) -> dict[str, Any]:
    made = new_application(compose.open_state(settings), name, system_clock, uuid7)
    return {
        "client_id": made.application.id,
        "client_secret": made.client_secret,
        "producer_token": made.producer_token,
        "program_id": made.application.default_program_id,
    }


def connect(settings: Settings, client_id: str, write_key: str, endpoint: str | None) -> dict[str, Any]:
    connection = compose.catalog_of(compose.open_state(settings)).connect(ClientId(client_id), write_key, endpoint)
    return {"client_id": connection.client_id, "endpoint": connection.endpoint or "Tifo"}


def show_application(settings: Settings, client_id: str) -> dict[str, Any]:
    """See `lines.show_line`; the relay leaves in the state what it meets, so this works without it too."""
    state = compose.open_state(settings)
    line = show_line(SqlQueries(state), compose.catalog_of(state), compose.facts_of(state), ClientId(client_id))
    actions = show_actions(settings, state, ClientId(client_id))
    return line if actions is None else {**line, "segment_actions": actions}


def resend(settings: Settings, client_id: str) -> dict[str, Any]:
    return {"resent": compose.facts_of(compose.open_state(settings)).resend(ClientId(client_id), None)}


def query(settings: Settings, sql: str) -> list[dict[str, Any]]:
    return compose.open_warehouse(settings).query(sql)


def audit(settings: Settings) -> dict[str, Any]:
    from tifo.app.audit import run_audit

    return run_audit(settings)
