"""`tifo app token`, `tifo app secret`, `tifo org token`: who may speak for an application, or for the installation."""

import secrets
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from tifo.app import compose
from tifo.app.cli.output import show
from tifo.app.settings import load_settings
from tifo.kernel.clock import to_iso
from tifo.kernel.ids import ClientId
from tifo.store.engagement.access import SqlAccess

Data = Annotated[Path | None, Parameter(help="Folder that holds all state (default: tifo-data).")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
Name = Annotated[str, Parameter(help="Tells you later which token is used where.")]

application_tokens = App(name="token", help="Producer tokens of an application.")
application_secret = App(name="secret", help="The secret that fans' tokens are signed with.")
organisation = App(name="org", help="The organisation: what makes and changes applications over HTTP.")
organisation_tokens = App(name="token", help="Personal API tokens of the organisation.")
organisation.command(organisation_tokens)


@application_tokens.command(name="create")
def app_token_create(client_id: str, /, *, name: Name, data: Data = None, json: Json = False) -> None:
    """Make a producer token. It is shown this once."""
    show(_create(data, ClientId(client_id), name), as_json=json)


@application_tokens.command(name="list")
def app_token_list(client_id: str, /, *, data: Data = None, json: Json = False) -> None:
    show(_list(data, ClientId(client_id)), as_json=json)


@application_tokens.command(name="revoke")
def app_token_revoke(client_id: str, token_id: str, /, *, data: Data = None, json: Json = False) -> None:
    """A running api refuses it after five seconds at most."""
    show(_revoke(data, ClientId(client_id), token_id), as_json=json)


@application_secret.command(name="rotate")
def app_secret_rotate(client_id: str, /, *, data: Data = None, json: Json = False) -> None:
    """Replace the client secret. Every fan's token is refused from then on: sign new ones with the new secret."""
    secret = secrets.token_urlsafe(32)
    _access(data).rotate_secret(ClientId(client_id), secret)
    show({"client_id": client_id, "client_secret": secret}, as_json=json)


@organisation_tokens.command(name="create")
def org_token_create(*, name: Name, data: Data = None, json: Json = False) -> None:
    """Make a token of the organisation. It is shown this once."""
    show(_create(data, None, name), as_json=json)


@organisation_tokens.command(name="list")
def org_token_list(*, data: Data = None, json: Json = False) -> None:
    show(_list(data, None), as_json=json)


@organisation_tokens.command(name="revoke")
def org_token_revoke(token_id: str, /, *, data: Data = None, json: Json = False) -> None:
    """It is refused at once."""
    show(_revoke(data, None, token_id), as_json=json)


def _access(data: Path | None) -> SqlAccess:
    return compose.access_of(compose.open_state(load_settings({"data": data})))


def _create(data: Path | None, client_id: ClientId | None, name: str) -> dict[str, Any]:
    token = secrets.token_urlsafe(32)
    made = _access(data).add_token(client_id, name, token)
    return {"id": made.id, "name": made.name, "token": token}


def _list(data: Path | None, client_id: ClientId | None) -> list[dict[str, Any]]:
    found = _access(data).tokens(client_id)
    return [{"id": info.id, "name": info.name, "created_at": to_iso(info.created_at)} for info in found]


def _revoke(data: Path | None, client_id: ClientId | None, token_id: str) -> dict[str, Any]:
    _access(data).revoke_token(client_id, token_id)
    return {"revoked": token_id}
