"""Handlers are described in place: the body that they read, and their parameters in the query.

The rest of the document is the handler itself: its name, its docstring, and the type that it returns.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


class QueryField(NamedTuple):
    name: str
    text: str
    type: Any = str
    required: bool = False


class Accepted(NamedTuple):
    """What a request may carry beside its path."""

    body: Any = None
    """The type that the body is decoded into."""
    query: Sequence[QueryField] = ()


NOTHING = Accepted()


def accepts(*query: QueryField, body: Any = None) -> Callable[[F], F]:
    def decorate(handler: F) -> F:
        cast("Any", handler).accepted = Accepted(body, query)
        return handler

    return decorate


def accepted_by(handler: Callable[..., Any]) -> Accepted:
    accepted: Accepted = getattr(handler, "accepted", NOTHING)
    return accepted
