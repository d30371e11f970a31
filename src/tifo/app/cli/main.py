"""The command line: nouns, then verbs. Data on stdout, talk on stderr.

Exit codes: 0 done; 1 a check found a difference, or a role ended badly; 2 bad input (the message names it);
75 try again later (the message says why).
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from tifo.app import commands, webhooks
from tifo.app.cli import tokens
from tifo.app.cli.alerts import alerts
from tifo.app.cli.delivery import delivery
from tifo.app.cli.destinations import destinations
from tifo.app.cli.game import game
from tifo.app.cli.migrate import migrate
from tifo.app.cli.output import log_to_stderr, show, show_table, talk
from tifo.app.cli.sources import sources
from tifo.app.cli.tracking_plans import events, tracking_plans
from tifo.app.cli.warehouses import warehouses
from tifo.app.cli.workspace import workspace
from tifo.app.lines import in_words
from tifo.app.settings import Settings, load_settings
from tifo.kernel.errors import Rejected, Transient

OK, DIFFERENT, BAD_INPUT, TRY_LATER = 0, 1, 2, 75

Data = Annotated[Path | None, Parameter(help="Folder that holds all state (default: tifo-data).")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]

app = App(name="tifo", help="Self-hosted fan engagement whose every achievement streams into your warehouse.")
applications = App(name="app", help="Applications of the engagement half.")
app_webhooks = App(name="webhook", help="Who gets the application's webhooks.")
for group in (
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
):
    app.command(group)
applications.command(app_webhooks)
applications.command(tokens.application_tokens)
applications.command(tokens.application_secret)
app.command(tokens.organisation)
app.command(migrate)


@app.command
def up(
    *,
    data: Data = None,
    host: str | None = None,
    port: int | None = None,
    public_url: str | None = None,
    database_url: str | None = None,
    secret_key: str | None = None,
    flush_s: float | None = None,
    flush_events: int | None = None,
    egress_allow: str | None = None,
    alert_look_s: float | None = None,
    smtp_url: str | None = None,
    smtp_from: str | None = None,
    log_retention_days: float | None = None,
    log_waits_days: float | None = None,
    max_event_tables: int | None = None,
    rate_limit: float | None = None,
    roles: Annotated[str, Parameter(help="Comma-separated: api, relay, loader, deliverer. None named: all.")] = "",
) -> int:
    """Start Tifo: with several roles each in its own process, restarted when it dies."""
    log_to_stderr()
    settings = load_settings(
        {
            "data": data,
            "host": host,
            "port": port,
            "public_url": public_url,
            "database_url": database_url,
            "secret_key": secret_key,
            "flush_s": flush_s,
            "flush_events": flush_events,
            "egress_allow": egress_allow,
            "alert_look_s": alert_look_s,
            "smtp_url": smtp_url,
            "smtp_from": smtp_from,
            "log_retention_days": log_retention_days,
            "log_waits_days": log_waits_days,
            "max_event_tables": max_event_tables,
            "rate_limit": rate_limit,
        }
    )
    return commands.up(settings, [role for role in roles.split(",") if role])


@app.command
def demo(*, fans: int = 1000, seed: int = 11, json: Json = False) -> int:
    """Play a match on a fresh Tifo and check every count."""
    return commands.demo(fans=fans, seed=seed, as_json=json)


@app.command
def sql(query: str, /, *, data: Data = None, json: Json = False) -> int:
    """Ask the warehouse (DuckDB's SQL, read-only)."""
    rows = commands.query(_settings(data), query)
    if json:
        show(rows, as_json=True)
    else:
        show_table(rows)
    return OK


@app.command
def audit(*, data: Data = None, json: Json = False) -> int:
    """Prove ledger = events = warehouse rows. Exits with 1 where they differ."""
    verdict = commands.audit(_settings(data))
    show(verdict, as_json=json)
    return OK if verdict["ok"] else DIFFERENT


@applications.command(name="create")
def app_create(name: str, /, *, data: Data = None, json: Json = False) -> int:
    """Make an application. The secret and the token are shown this once."""
    show(commands.create_application(_settings(data), name), as_json=json)
    return OK


@applications.command(name="connect")
def app_connect(
    client_id: str, /, *, write_key: str, endpoint: str | None = None, data: Data = None, json: Json = False
) -> int:
    """Send the application's events with this write key, to Tifo itself or to another Segment-compatible endpoint."""
    show(commands.connect(_settings(data), client_id, write_key, endpoint), as_json=json)
    return OK


@applications.command(name="show")
def app_show(client_id: str, /, *, data: Data = None, json: Json = False) -> int:
    """Where the application's events go, what waits, what the endpoint last said, and what it refused for good."""
    shown = commands.show_application(_settings(data), client_id)
    if json:
        show(shown, as_json=True)
        return OK
    show(in_words(shown), as_json=False)
    if shown["set_aside"]["count"]:
        talk.print()
        show_table(shown["set_aside"]["answers"])
    if actions := shown.get("segment_actions"):
        talk.print(f"\nActions that events trigger; {actions['behind_events']:,} events are not looked at yet")
        show_table(actions["actions"])
        show_table(actions["skipped"])
    return OK


@applications.command(name="resend")
def app_resend(client_id: str, /, *, data: Data = None, json: Json = False) -> int:
    """Put the events that the endpoint refused for good back in line."""
    show(commands.resend(_settings(data), client_id), as_json=json)
    return OK


@app_webhooks.command(name="add")
def webhook_add(
    client_id: str,
    url: str,
    /,
    *,
    event: Annotated[tuple[str, ...], Parameter(help="A webhook to send; all six where none is given.")] = (),
    secret: Annotated[str | None, Parameter(help="What signs (default: the client secret).")] = None,
    data: Data = None,
    json: Json = False,
) -> int:
    """Post LiveLike's webhooks to this address, for what happens from now on."""
    show(webhooks.add(_settings(data), client_id, url, event, secret), as_json=json)
    return OK


@app_webhooks.command(name="list")
def webhook_list(client_id: str, /, *, data: Data = None, json: Json = False) -> int:
    """The application's subscribers."""
    show(webhooks.subscribers(_settings(data), client_id), as_json=json)
    return OK


@app_webhooks.command(name="remove")
def webhook_remove(client_id: str, webhook_id: str, /, *, data: Data = None, json: Json = False) -> int:
    """Post nothing more to this subscriber, and forget what waits for it."""
    show(webhooks.remove(_settings(data), client_id, webhook_id), as_json=json)
    return OK


@app_webhooks.command(name="show")
def webhook_show(client_id: str, webhook_id: str, /, *, data: Data = None, json: Json = False) -> int:
    """What was delivered, what waits, and each webhook that was not taken, with its attempts and the last answer."""
    show(webhooks.deliveries(_settings(data), client_id, webhook_id), as_json=json)
    return OK


@app_webhooks.command(name="retry")
def webhook_retry(client_id: str, webhook_id: str, /, *, data: Data = None, json: Json = False) -> int:
    """Try again now what waits or was set aside."""
    show(webhooks.send_again(_settings(data), client_id, webhook_id), as_json=json)
    return OK


@sources.command(name="webhooks-in")
def source_webhooks_in(
    source: str,
    /,
    *,
    secret: Annotated[str, Parameter(help="The client secret that LiveLike signs with.")],
    api: Annotated[str | None, Parameter(help="LiveLike's API, where what webhooks lack is looked up.")] = None,
    token: Annotated[str | None, Parameter(help="A producer token for that API.")] = None,
    signed: Annotated[Literal["bytes", "compact"], Parameter(help="What the signature is over.")] = "bytes",
    data: Data = None,
    json: Json = False,
) -> int:
    """Let the source (its slug or id) take LiveLike's webhooks. Prints the path to give to LiveLike."""
    show(webhooks.take(_settings(data), source, secret=secret, api=api, token=token, signed=signed), as_json=json)
    return OK


@sources.command(name="webhooks")
def source_webhooks(source: str, /, *, data: Data = None, json: Json = False) -> int:
    """What became of the source's webhooks: counts, and each one that is held back or set aside, with the reason."""
    show(webhooks.status(_settings(data), source), as_json=json)
    return OK


@sources.command(name="webhooks-retry")
def source_webhooks_retry(source: str, /, *, data: Data = None, json: Json = False) -> int:
    """Try the webhooks again that are held back or set aside."""
    show(webhooks.retry(_settings(data), source), as_json=json)
    return OK


def _settings(data: Path | None) -> Settings:
    return load_settings({"data": data})


def run(arguments: Sequence[str]) -> int:
    """The exit code; every expected error becomes one line on stderr."""
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
