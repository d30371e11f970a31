import pytest

from tests.twins import TwinBackend
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import ClientId
from tifo.operations import applications, tokens


def test_a_token_is_shown_once_and_speaks_for_its_application(backend: TwinBackend) -> None:
    app = applications.create(backend, "Club").application
    issued = tokens.create(backend, app.id, "ci")
    assert backend.queries.client_of_producer_token(issued.token) == app.id
    assert issued.token not in repr(issued)
    assert [info.name for info in tokens.listed(backend, app.id)] == ["first", "ci"]


def test_a_revoked_token_speaks_for_nobody(backend: TwinBackend) -> None:
    app = applications.create(backend, "Club").application
    issued = tokens.create(backend, app.id, "ci")
    tokens.revoke(backend, app.id, issued.info.id)
    assert backend.queries.client_of_producer_token(issued.token) is None
    with pytest.raises(NotFound):
        tokens.revoke(backend, app.id, issued.info.id)


def test_the_organisations_tokens_stand_apart(backend: TwinBackend) -> None:
    app = applications.create(backend, "Club").application
    issued = tokens.create(backend, None, "deploy")
    assert backend.access.is_organisation_token(issued.token)
    assert [info.name for info in tokens.listed(backend, None)] == ["deploy"]
    with pytest.raises(NotFound):
        tokens.revoke(backend, app.id, issued.info.id)


def test_a_rotated_secret_replaces_the_old_one(backend: TwinBackend) -> None:
    made = applications.create(backend, "Club")
    secret = tokens.rotate_secret(backend, made.application.id)
    assert backend.queries.client_secret(made.application.id) == secret != made.client_secret
    with pytest.raises(NotFound):
        tokens.rotate_secret(backend, ClientId("nobody"))
