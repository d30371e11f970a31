"""`/`: shows the workspace."""

from tifo.api.management.answers import Answer
from tifo.api.management.request import WORKSPACE_ID, ManagementRequest, ManagementRoute
from tifo.workspace.tokens import Role


class WorkspaceShown(Answer, frozen=True, kw_only=True):
    id: str
    slug: str
    name: str


class OneWorkspace(Answer, frozen=True, kw_only=True):
    workspace: WorkspaceShown


def get_workspace(_: ManagementRequest) -> OneWorkspace:
    return OneWorkspace(workspace=WorkspaceShown(id=WORKSPACE_ID, slug=WORKSPACE_ID, name="Tifo"))


ROUTES = [ManagementRoute("GET", "/", Role.VIEWER, get_workspace)]
