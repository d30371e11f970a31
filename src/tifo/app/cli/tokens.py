"""The commands of `tifo app token`, `tifo app secret` and `tifo org token`."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from cyclopts import App, Parameter

from tifo.app.cli.output import show
from tifo.app.cli.parameters import Application, Data, Json, backend, client_id_of
from tifo.engagement.access import TokenInfo
from tifo.kernel.clock import to_iso
from tifo.operations import tokens as operations
from tifo.operations.tokens import IssuedToken

Name = Annotated[str, Parameter(help="Tells you later which token is used where.")]

application_tokens = App(name="token", help="Producer tokens of an application.")
application_secret = App(name="secret", help="The secret that fans' tokens are signed with.")
organisation = App(name="org", help="The organisation: makes and changes applications over HTTP.")
organisation_tokens = App(name="token", help="Personal API tokens of the organisation.")
organisation.command(organisation_tokens)


@application_tokens.command(name="create")
def app_token_create(application: Application, /, *, name: Name, data: Data = None, json: Json = False) -> None:
    """Make a producer token. It is shown this once."""
    with backend(data) as opened:
        show(_issued(operations.create(opened, client_id_of(opened, application), name)), as_json=json)


@application_tokens.command(name="list")
def app_token_list(application: Application, /, *, data: Data = None, json: Json = False) -> None:
    """List the application's producer tokens, without the tokens themselves."""
    with backend(data) as opened:
        show(_rows(operations.listed(opened, client_id_of(opened, application))), as_json=json)


@application_tokens.command(name="revoke")
def app_token_revoke(application: Application, token_id: str, /, *, data: Data = None, json: Json = False) -> None:
    """Revoke a token. A running api refuses it after five seconds at most."""
    with backend(data) as opened:
        operations.revoke(opened, client_id_of(opened, application), token_id)
    show({"revoked": token_id}, as_json=json)


@application_secret.command(name="rotate")
def app_secret_rotate(application: Application, /, *, data: Data = None, json: Json = False) -> None:
    """Replace the client secret. Every fan's token is refused from then on: sign new ones with the new secret."""
    with backend(data) as opened:
        client_id = client_id_of(opened, application)
        secret = operations.rotate_secret(opened, client_id)
    show({"client_id": client_id, "client_secret": secret}, as_json=json)


@organisation_tokens.command(name="create")
def org_token_create(*, name: Name, data: Data = None, json: Json = False) -> None:
    """Make a token of the organisation. It is shown this once."""
    with backend(data, make=True) as opened:
        show(_issued(operations.create(opened, None, name)), as_json=json)


@organisation_tokens.command(name="list")
def org_token_list(*, data: Data = None, json: Json = False) -> None:
    """List the organisation's tokens, without the tokens themselves."""
    with backend(data) as opened:
        show(_rows(operations.listed(opened, None)), as_json=json)


@organisation_tokens.command(name="revoke")
def org_token_revoke(token_id: str, /, *, data: Data = None, json: Json = False) -> None:
    """Revoke a token. It is refused at once."""
    with backend(data) as opened:
        operations.revoke(opened, None, token_id)
    show({"revoked": token_id}, as_json=json)


def _issued(made: IssuedToken) -> Mapping[str, object]:
    return {"id": made.info.id, "name": made.info.name, "token": made.token}


def _rows(found: Sequence[TokenInfo]) -> Sequence[Mapping[str, object]]:
    return [{"id": info.id, "name": info.name, "created_at": to_iso(info.created_at)} for info in found]
