"""Routes requests to the handlers of resources. A new resource is a module with `ROUTES` that app.py names."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar
from urllib.parse import unquote

import msgspec

from tifo.api.management.answers import Answer
from tifo.kernel.errors import Rejected
from tifo.operations.backend import Backend
from tifo.workspace.tokens import Role

T = TypeVar("T")
WORKSPACE_ID = "tifo"
"""The id of the only workspace of an installation."""


@dataclass(frozen=True)
class ManagementRequest:
    """Carries one request whose token is valid and whose role may do this."""

    backend: Backend
    role: Role
    parts: Mapping[str, str]
    """Named parts of the path, decoded."""
    query: Mapping[str, str]
    """The query's parameters, such as `pagination[count]`; of a repeated name, the last."""
    body: bytes

    def read(self, kind: type[T]) -> T:
        """Decodes the body. Raises `Rejected`, naming the field, for one that is not of this kind."""
        try:
            return msgspec.json.decode(self.body or b"{}", type=kind)
        except msgspec.ValidationError as error:
            # msgspec names the place in the text of its error only.
            text = str(error)
            place = _PLACE.search(text)
            named = place or _NAMED.search(text)
            raise Rejected(f"The body is not as expected: {text}.", field=named[1] if named else None) from error
        except msgspec.DecodeError as error:
            raise Rejected(f"The body is no JSON: {error}.") from error


class ManagementRoute(NamedTuple):
    method: str
    path: str
    """Such as `/sources/{source_id}`, below `/management`."""
    needs: Role
    handle: Callable[[ManagementRequest], Answer]
    """Returns what stands under `data`. Blocks. The document derives from its name, docstring and return type."""


class RouteMatch(NamedTuple):
    route: ManagementRoute | None
    parts: Mapping[str, str]
    methods: tuple[str, ...]
    """Methods that the path accepts, where there is no route; empty for an unknown path."""


class Router:
    """Finds the route of a path."""

    # There are few paths with few parts, so each is compared in turn; literal parts win over named ones.

    def __init__(self, routes: list[ManagementRoute]) -> None:
        ordered = sorted(routes, key=lambda route: route.path.count("{"))
        self._routes = [(tuple(route.path.strip("/").split("/")), route) for route in ordered]

    def find(self, method: str, path: str) -> RouteMatch:
        wanted = path.strip("/").split("/")
        fitting = [(route, parts) for pattern, route in self._routes if (parts := _match(pattern, wanted)) is not None]
        for route, parts in fitting:
            if route.method == method:
                return RouteMatch(route, parts, ())
        return RouteMatch(None, {}, tuple(sorted({route.method for route, _ in fitting})))


def _match(pattern: tuple[str, ...], path: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(path):
        return None
    parts: dict[str, str] = {}
    for expected, given in zip(pattern, path, strict=True):
        if expected.startswith("{"):
            parts[expected[1:-1]] = unquote(given)
        elif expected != given:
            return None
    return parts


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A request's body, with Segment's camelCase names. Unknown fields are refused."""

    # Ignoring a field would answer 200 to a change that does not happen.


_PLACE = re.compile(r"at `\$\.?([^`]+)`")
_NAMED = re.compile(r"field `([^`]+)`")
