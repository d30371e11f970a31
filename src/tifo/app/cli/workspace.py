"""The commands of `tifo workspace` apply and export the workspace as text, and manage tokens of the management API.

Exit codes of `apply`: 0 nothing differs, or it is applied; 1 there are changes that were not applied; 2 the file is
refused.
"""

import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from tifo.app.cli import text_plan
from tifo.app.cli.files import read_file
from tifo.app.cli.output import show
from tifo.app.cli.parameters import Data, Json, backend
from tifo.app.settings import FILE, Settings
from tifo.documents.changes import Verb
from tifo.kernel.clock import to_iso
from tifo.operations import workspace as operations
from tifo.operations import workspace_tokens as tokens
from tifo.workspace.tokens import Role

Name = Annotated[str, Parameter(help="Tells you later which token is used where.")]

workspace = App(name="workspace", help="Sources, warehouses and selective sync, over HTTP and as text.")
workspace_tokens = App(name="token", help="Tokens of the management API (docs/management.md).")
workspace.command(workspace_tokens)


@workspace.command
def apply(
    file: Path = FILE,
    /,
    *,
    prune: Annotated[
        bool, Parameter(negative="", help="Delete what it does not name: sources, plans, warehouses, destinations.")
    ] = False,
    yes: Annotated[bool, Parameter(negative="", help="Apply without asking.")] = False,
    plan: Annotated[bool, Parameter(negative="", help="Only show what would change.")] = False,
    data: Data = None,
    json: Json = False,
) -> int:
    """Make the workspace what the file says (tifo.toml where none is named): shows what would change, asks, and applies
    all of it or nothing.
    """
    # tifo.toml may also hold Tifo's settings, which are no part of the workspace.
    settings = [known.name for known in fields(Settings)] if file.name == FILE.name else []
    with backend(data, make=not plan) as opened:
        planned = operations.plan(
            opened, read_file(file), file=str(file), variables=os.environ, beside=settings, prune=prune
        )
        apply_it = lambda: operations.apply(opened, planned)  # noqa: E731 (one line says it)
        shown = text_plan.TextPlan(planned.changes, Verb.DELETE)
        return text_plan.carry_out(shown, apply_it, only_show=plan, unasked=yes, json=json)


@workspace.command
def export(
    *,
    secrets: Annotated[
        bool, Parameter(negative="", help="With write keys and the addresses of warehouses, in clear.")
    ] = False,
    data: Data = None,
) -> None:
    """Print the workspace as it is: applying it again changes nothing."""
    with backend(data) as opened:
        sys.stdout.write(operations.export(opened, secrets=secrets))


@workspace_tokens.command(name="create")
def workspace_token_create(
    *,
    name: Name,
    role: Annotated[Literal["owner", "editor", "viewer"], Parameter(help="What it may do.")] = "viewer",
    data: Data = None,
    json: Json = False,
) -> None:
    """Make a token. It is shown this once."""
    with backend(data, make=True) as opened:
        made = tokens.create(opened, name, Role(role))
    info = made.info
    show({"id": info.id, "name": info.name, "role": info.role.value, "token": made.token}, as_json=json)


@workspace_tokens.command(name="list")
def workspace_token_list(*, data: Data = None, json: Json = False) -> None:
    """List the tokens, without the tokens themselves."""
    with backend(data) as opened:
        listed = tokens.listed(opened)
    rows = [
        {"id": each.id, "name": each.name, "role": each.role.value, "created_at": to_iso(each.created_at)}
        for each in listed
    ]
    show(rows, as_json=json)


@workspace_tokens.command(name="revoke")
def workspace_token_revoke(token_id: str, /, *, data: Data = None, json: Json = False) -> None:
    """Revoke a token. It is refused at once."""
    with backend(data) as opened:
        tokens.revoke(opened, token_id)
    show({"revoked": token_id}, as_json=json)
