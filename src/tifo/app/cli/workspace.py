"""`tifo workspace`: tokens of the management API, and the workspace as text.

Exit codes of `apply`: 0 nothing differs, or it is applied; 1 there are changes that were not applied; 2 the file is
refused.
"""

import sys
from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated, Literal

from cyclopts import App, Parameter

from tifo.app import compose
from tifo.app import workspace as work
from tifo.app.cli.output import show
from tifo.app.cli.text_plan import carry_out
from tifo.app.settings import FILE, load_settings
from tifo.kernel.clock import to_iso
from tifo.store.workspace.tokens import SqlWorkspaceTokens
from tifo.workspace.tokens import Role

Data = Annotated[Path | None, Parameter(help="Folder that holds all state (default: tifo-data).")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
Name = Annotated[str, Parameter(help="Tells you later which token is used where.")]

workspace = App(name="workspace", help="Sources, warehouses and selective sync, over HTTP and as text.")
workspace_tokens = App(name="token", help="Tokens of the management API (docs/management.md).")
workspace.command(workspace_tokens)


@workspace.command
def apply(
    file: Path = FILE,
    /,
    *,
    prune: Annotated[bool, Parameter(negative="", help="Delete sources and warehouses that it does not name.")] = False,
    yes: Annotated[bool, Parameter(negative="", help="Apply without asking.")] = False,
    plan: Annotated[bool, Parameter(negative="", help="Only show what would change.")] = False,
    data: Data = None,
    json: Json = False,
) -> int:
    """Make the workspace what the file says (tifo.toml where none is named): shows what would change, asks, and applies
    all of it or nothing.
    """
    settings = load_settings({"data": data})
    planned = work.plan(settings, file, prune=prune)
    return carry_out(planned, lambda: work.apply(settings, planned), only_show=plan, unasked=yes, json=json)


@workspace.command
def export(
    *,
    secrets: Annotated[
        bool, Parameter(negative="", help="With write keys and the addresses of warehouses, in clear.")
    ] = False,
    data: Data = None,
) -> None:
    """Print the workspace as it is: applying it again changes nothing."""
    sys.stdout.write(work.export(load_settings({"data": data}), secrets=secrets))


@workspace_tokens.command(name="create")
def workspace_token_create(
    *,
    name: Name,
    role: Annotated[Literal["owner", "editor", "viewer"], Parameter(help="What it may do.")] = "viewer",
    data: Data = None,
    json: Json = False,
) -> None:
    """Make a token. It is shown this once."""
    token = token_urlsafe(32)
    made = _tokens(data).add(name, Role(role), token)
    show({"id": made.id, "name": made.name, "role": made.role.value, "token": token}, as_json=json)


@workspace_tokens.command(name="list")
def workspace_token_list(*, data: Data = None, json: Json = False) -> None:
    rows = [
        {"id": each.id, "name": each.name, "role": each.role.value, "created_at": to_iso(each.created_at)}
        for each in _tokens(data).tokens()
    ]
    show(rows, as_json=json)


@workspace_tokens.command(name="revoke")
def workspace_token_revoke(token_id: str, /, *, data: Data = None, json: Json = False) -> None:
    """It is refused at once."""
    _tokens(data).revoke(token_id)
    show({"revoked": token_id}, as_json=json)


def _tokens(data: Path | None) -> SqlWorkspaceTokens:
    return compose.workspace_tokens_of(compose.open_state(load_settings({"data": data})))
