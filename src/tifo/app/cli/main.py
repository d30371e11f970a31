"""The command line: nouns, then verbs. Data on stdout, talk on stderr.

Exit codes (docs/settings.md): 0 done; 1 a check found a difference, or a role ended badly; 2 bad input, or something
is missing (the message names it); 70 a fault of Tifo's; 75 try again later (the message says why); 130 interrupted.
"""

import logging
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from tifo.app.cli.alerts import alerts
from tifo.app.cli.applications import applications
from tifo.app.cli.audit import audit
from tifo.app.cli.backups import backup, restore
from tifo.app.cli.delivery import delivery
from tifo.app.cli.demo import demo
from tifo.app.cli.destinations import destinations
from tifo.app.cli.failures import BAD_INPUT, FAULT, INTERRUPTED, TRY_LATER, described
from tifo.app.cli.game import game
from tifo.app.cli.logs import log
from tifo.app.cli.migrate import migrate
from tifo.app.cli.output import log_to_stderr, outlive_readers, talk
from tifo.app.cli.sources import sources
from tifo.app.cli.tokens import organisation
from tifo.app.cli.tracking_plans import events, tracking_plans
from tifo.app.cli.up import up
from tifo.app.cli.warehouses import sql, warehouses
from tifo.app.cli.workspace import workspace
from tifo.kernel.errors import Rejected

OK, DIFFERENT = 0, 1
__all__ = ["BAD_INPUT", "DIFFERENT", "EXIT_CODES", "FAULT", "INTERRUPTED", "OK", "TRY_LATER", "app", "main", "run"]
EXIT_CODES = (OK, DIFFERENT, BAD_INPUT, FAULT, TRY_LATER, INTERRUPTED)

app = App(
    name="tifo",
    help="Self-hosted fan engagement whose every achievement streams into your warehouse.",
    suppress_keyboard_interrupt=False,  # `run` says that it was interrupted
)
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
    """Returns the exit code; every error becomes one line on stderr, and none a traceback."""
    try:
        _check_text(arguments)
        result = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except KeyboardInterrupt:
        talk.print("tifo: interrupted.")
        return INTERRUPTED
    except CycloptsError as error:
        talk.print(f"tifo: {error}\nSee tifo --help.", markup=False)
        return BAD_INPUT
    except Exception as error:  # noqa: BLE001 (of whatever kind: a traceback is no answer)
        failure = described(error)
        talk.print(f"tifo: {failure.message}", markup=False)
        return failure.exit_code
    return result if isinstance(result, int) else OK


def _check_text(arguments: Sequence[str]) -> None:
    for each in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in each):
            raise Rejected(f"The argument {each!r:.100} is no UTF-8. Write it in UTF-8.")


def main() -> None:
    outlive_readers()
    log_to_stderr(logging.ERROR)  # a command says by itself what went wrong; roles log more
    sys.exit(run(sys.argv[1:]))
