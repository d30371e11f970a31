import pytest

from tests.twins import TwinBackend
from tifo.kernel.errors import NotFound, Rejected
from tifo.operations import workspace_tokens
from tifo.workspace.tokens import Role


def test_a_token_has_its_role_until_it_is_revoked(backend: TwinBackend) -> None:
    issued = workspace_tokens.create(backend, "ci", Role.EDITOR)
    assert backend.workspace_tokens.role_of(issued.token) is Role.EDITOR
    assert workspace_tokens.listed(backend) == [issued.info]
    workspace_tokens.revoke(backend, issued.info.id)
    assert backend.workspace_tokens.role_of(issued.token) is None
    assert workspace_tokens.listed(backend) == []


def test_no_two_tokens_are_alike_and_none_is_shown_by_accident(backend: TwinBackend) -> None:
    first, second = (workspace_tokens.create(backend, "ci", Role.VIEWER) for _ in range(2))
    assert first.token != second.token
    assert first.token not in repr(first) + repr(workspace_tokens.listed(backend))


def test_a_token_without_a_name_and_an_unknown_one_are_refused(backend: TwinBackend) -> None:
    with pytest.raises(Rejected):
        workspace_tokens.create(backend, "", Role.OWNER)
    with pytest.raises(NotFound):
        workspace_tokens.revoke(backend, "nowhere")
