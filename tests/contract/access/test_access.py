"""Applications and tokens: made once, shown once, revoked at once, in every implementation."""

import pytest

from tests.conftest import NewState
from tifo.engagement.access import Access, create_application
from tifo.engagement.memory import InMemoryAccess, InMemoryQueries, InMemoryState
from tifo.engagement.ports import Idempotency, Queries
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import ClientId, uuid7
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.queries import SqlQueries


class Desk:
    """Hands out tokens (`access`) and checks them (`queries`)."""

    def __init__(self, access: Access, queries: Queries) -> None:
        self.access = access
        self.queries = queries


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def desk(request: pytest.FixtureRequest, new_state: NewState) -> Desk:
    if request.param == "memory":
        state = InMemoryState()
        return Desk(InMemoryAccess(state), InMemoryQueries(state))
    database = new_state(request.param)
    return Desk(SqlAccess(database, system_clock, uuid7), SqlQueries(database))


def test_a_new_application_has_a_default_program_a_secret_and_a_token_that_speaks_for_it(desk: Desk) -> None:
    made = create_application(desk.access, "Club")
    client_id = made.application.id
    assert desk.queries.client_secret(client_id) == made.client_secret
    assert desk.queries.client_of_producer_token(made.producer_token) == client_id
    assert [*desk.queries.game(client_id).programs] == [made.application.default_program_id]
    assert [info.name for info in desk.access.tokens(client_id)] == ["first"]
    assert made.client_secret != made.producer_token


def test_applications_are_listed_in_the_order_of_making(desk: Desk) -> None:
    made = [create_application(desk.access, name).application for name in ("Club", "Rival")]
    assert [*desk.access.applications()] == made


def test_an_application_needs_a_name(desk: Desk) -> None:
    with pytest.raises(Rejected, match="name is empty"):
        create_application(desk.access, " ")
    assert [*desk.access.applications()] == []


def test_a_request_that_is_repeated_makes_one_application(desk: Desk) -> None:
    secrets = {"client_secret": "secret", "producer_token": "token"}
    key = Idempotency("key", b"digest")
    first = desk.access.create_application("Club", **secrets, once=key)
    assert desk.access.create_application("Club", **secrets, once=key) == first
    assert [*desk.access.applications()] == [first]
    with pytest.raises(Conflict, match="'key'"):
        desk.access.create_application("Club", **secrets, once=Idempotency("key", b"other"))


def test_a_revoked_token_is_invalid_and_the_others_stay(desk: Desk) -> None:
    client_id = create_application(desk.access, "Club").application.id
    one, other = (desk.access.add_token(client_id, name, name) for name in ("one", "other"))
    desk.access.revoke_token(client_id, one.id)
    assert desk.queries.client_of_producer_token("one") is None
    assert desk.queries.client_of_producer_token("other") == client_id
    assert other in desk.access.tokens(client_id)
    with pytest.raises(NotFound, match="no token"):
        desk.access.revoke_token(client_id, one.id)


def test_a_revocation_that_is_repeated_is_answered_alike(desk: Desk) -> None:
    client_id = create_application(desk.access, "Club").application.id
    token = desk.access.add_token(client_id, "one", "one")
    for _ in range(2):
        desk.access.revoke_token(client_id, token.id, Idempotency("key", b"digest"))


def test_a_token_of_the_organisation_speaks_for_no_application(desk: Desk) -> None:
    client_id = create_application(desk.access, "Club").application.id
    info = desk.access.add_token(None, "ours", "the organisation's")
    desk.access.add_token(client_id, "theirs", "the application's")
    assert desk.access.is_organisation_token("the organisation's")
    assert not desk.access.is_organisation_token("the application's")
    assert desk.queries.client_of_producer_token("the organisation's") is None
    assert [*desk.access.tokens(None)] == [info]
    desk.access.revoke_token(None, info.id)
    assert not desk.access.is_organisation_token("the organisation's")


def test_a_rotated_secret_replaces_the_one_before(desk: Desk) -> None:
    client_id = create_application(desk.access, "Club").application.id
    desk.access.rotate_secret(client_id, "new")
    assert desk.queries.client_secret(client_id) == "new"


def test_an_unknown_application_has_no_tokens_and_no_secret(desk: Desk) -> None:
    unknown = ClientId("unknown")
    with pytest.raises(NotFound):
        desk.access.tokens(unknown)
    with pytest.raises(NotFound):
        desk.access.add_token(unknown, "name", "token")
    with pytest.raises(NotFound):
        desk.access.revoke_token(unknown, "token")
    with pytest.raises(NotFound):
        desk.access.rotate_secret(unknown, "secret")
