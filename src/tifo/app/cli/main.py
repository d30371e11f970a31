"""The command line: nouns, then verbs. Data on stdout, talk on stderr.

Exit codes: 0 done; 1 a check found a difference, or a role ended badly; 2 bad input (the message names it);
75 try again later (the message says why).
"""

import sys
from collections.abc import Callable, Sequence

from cyclopts import App, CycloptsError

from tifo.app.cli.alerts import alerts
from tifo.app.cli.applications import applications
from tifo.app.cli.audit import audit
from tifo.app.cli.backups import backup, restore
from tifo.app.cli.delivery import delivery
from tifo.app.cli.demo import demo
from tifo.app.cli.destinations import destinations
from tifo.app.cli.game import game
from tifo.app.cli.logs import log
from tifo.app.cli.migrate import migrate
from tifo.app.cli.output import talk
from tifo.app.cli.sources import sources
from tifo.app.cli.tokens import organisation
from tifo.app.cli.tracking_plans import events, tracking_plans
from tifo.app.cli.up import up
from tifo.app.cli.warehouses import sql, warehouses
from tifo.app.cli.workspace import workspace
from tifo.kernel.errors import Rejected, Transient

OK, DIFFERENT, BAD_INPUT, TRY_LATER = 0, 1, 2, 75

app = App(name="tifo", help="Self-hosted fan engagement whose every achievement streams into your warehouse.")
for noun in (
    applications,
    sources,
    delivery,
    destinations,
    alerts,
    warehouses,
    tracking_plans,
    events,
    game,
    workspace,
    organisation,
    log,
):
    app.command(noun)
for verb in (up, demo, migrate, sql, audit, backup, restore):
    app.command(verb)


def run(arguments: Sequence[str]) -> int:
    """Returns the exit code; every expected error becomes one line on stderr."""
    try:
        return _reported(lambda: app(arguments, exit_on_error=False, print_error=False, result_action="return_value"))
    except CycloptsError as error:
        talk.print(f"tifo: {error}\nSee tifo --help.", markup=False)
        return BAD_INPUT


def _reported(work: Callable[[], object]) -> int:
    try:
        result = work()
    except Rejected as error:
        talk.print(f"tifo: {error.message}", markup=False)
        return BAD_INPUT
    except Transient as error:
        talk.print(f"tifo: {error.message}", markup=False)
        return TRY_LATER
    return result if isinstance(result, int) else OK


def main() -> None:
    sys.exit(run(sys.argv[1:]))
