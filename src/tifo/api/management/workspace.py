"""`/`: shows the workspace."""

from tifo.api.management.request import WORKSPACE_ID, ManagementRequest, ManagementRoute
from tifo.kernel.json import JsonObject
from tifo.workspace.tokens import Role


def _workspace(_: ManagementRequest) -> JsonObject:
    return {"workspace": {"id": WORKSPACE_ID, "slug": WORKSPACE_ID, "name": "Tifo"}}


ROUTES = [ManagementRoute("GET", "/", Role.VIEWER, _workspace)]
