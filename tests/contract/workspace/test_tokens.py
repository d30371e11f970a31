"""What every implementation of the management API's tokens does."""

from datetime import UTC, datetime

import pytest

from tests.conftest import NewState
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import uuid7
from tifo.store.sql.tables import workspace_tokens
from tifo.store.workspace.tokens import SqlWorkspaceTokens
from tifo.workspace.memory import InMemoryWorkspaceTokens
from tifo.workspace.tokens import Role, WorkspaceTokens

NOW = datetime(2026, 11, 24, 10, 0, 0, 123_000, tzinfo=UTC)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def tokens(request: pytest.FixtureRequest, new_state: NewState) -> WorkspaceTokens:
    if request.param == "memory":
        return InMemoryWorkspaceTokens(clock=lambda: NOW)
    return SqlWorkspaceTokens(new_state(request.param), lambda: NOW, uuid7)


def test_a_token_is_known_until_it_is_revoked(tokens: WorkspaceTokens) -> None:
    editor = tokens.add("ci", Role.EDITOR, "the-editor's-token")
    owner = tokens.add("ops", Role.OWNER, "the-owner's-token")
    assert tokens.tokens() == [editor, owner]
    assert (editor.name, editor.role, editor.created_at) == ("ci", Role.EDITOR, NOW)
    assert tokens.role_of("the-editor's-token") is Role.EDITOR
    assert tokens.role_of("the-editor's-tokem") is None
    tokens.revoke(editor.id)
    assert (tokens.role_of("the-editor's-token"), tokens.tokens()) == (None, [owner])
    with pytest.raises(NotFound):
        tokens.revoke(editor.id)
    with pytest.raises(Rejected):
        tokens.add(" ", Role.OWNER, "another")


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_token_itself_is_never_stored(kind: str, new_state: NewState) -> None:
    database = new_state(kind)
    SqlWorkspaceTokens(database, lambda: NOW, uuid7).add("ci", Role.EDITOR, "the-editor's-token")
    with database.reading() as connection:
        stored = str(connection.execute(workspace_tokens.select()).all())
    assert "ci" in stored
    assert "the-editor's-token" not in stored


def test_each_role_may_what_the_lesser_ones_may() -> None:
    assert [[role.may(needed) for needed in Role] for role in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
