"""`/`: the workspace."""

from tifo.api.management.request import WORKSPACE_ID, Call, Route
from tifo.kernel.json import JsonObject
from tifo.workspace.tokens import Role


def _workspace(_: Call) -> JsonObject:
    return {"workspace": {"id": WORKSPACE_ID, "slug": WORKSPACE_ID, "name": "Tifo"}}


ROUTES = [Route("GET", "/", Role.VIEWER, _workspace)]
