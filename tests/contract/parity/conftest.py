"""One installation, asked by the command line and by the management API: both give the same result and refusal.

The installation is real: state, log and warehouses as the command line opens them. What both offer, and its tests:

    noun              results                                        refusals
    sources           kinds, create, list, rename, enable, disable,  all but kinds and create
                      delete
    write keys        list, create, remove                           all; the last one of a source
    selective sync    list, change                                   both
    warehouses        add, list with connected sources, remove,      all but list
                      syncs, columns
    tracking plans    list, show, create, replace rules, connect,    all but list; bad rules
                      disconnect, delete
    schema controls   show, change                                   both
    destinations      kinds, add, list, set, enable, disable,        all but kinds and list; the role that is needed
                      remove; masked secrets that come back
    filters           add, list, remove, preview                     all
    mappings          presets, add an action, list, enable,          all
                      disable, remove
    delivery          totals, refusals on ingest, reasons, numbers   unknown destination, unknown breakdown
                      over time

Refusals of `source create` are not compared: the API makes its name from a slug, the command line a slug from a name.
Only one of them offers: violations, events, replay, trace, resync, SQL, test sends, choices of events, presets to add,
tokens, alerts, audit and texts (command line); single rules, descriptions of plans, enabling a warehouse, connecting a
source later, changes of filters and the catalog of warehouses (API).
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.commands import command
from tests.described import check_answer
from tifo.api.management.app import ManagementApi
from tifo.app.compose import OpenedBackend, opened
from tifo.app.settings import Settings
from tifo.kernel.errors import TifoError
from tifo.workspace.tokens import Role

_TOKEN = "token-of-an-owner"


class Refusal(NamedTuple):
    """What both say of bad input: the same kind of error with the same message."""

    kind: str
    message: str


_KINDS = {400: "Rejected", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 413: "TooLarge", 503: "Transient"}


@dataclass(frozen=True)
class Both:
    settings: Settings
    backend: OpenedBackend

    def cli(self, *words: str, always_json: bool = False) -> Any:
        """Returns the printed JSON document, or a `Refusal`."""
        try:
            return command(self.settings, *words, always_json=always_json)
        except TifoError as error:
            return Refusal(type(error).__name__, error.message)

    def api(self, method: str, path: str, body: object = None, *, query: str = "", token: str = _TOKEN) -> Any:
        """Returns what stands under `data`, or a `Refusal`."""
        status, answer = asyncio.run(self._ask(method, path, body, query=query, token=token))
        if status == 200:
            return answer["data"]
        return Refusal(_KINDS[status], answer["errors"][0]["message"])

    def same(self, words: list[str], ask: tuple[Any, ...], shown: Callable[[Any], Any] = lambda data: data) -> Any:
        """Asks both for a reading; `shown` makes of the API's data what the command prints. Returns what both gave."""
        printed, answered = self.cli(*words), self.api(*ask)
        assert printed == (answered if isinstance(answered, Refusal) else shown(answered))
        return printed

    async def _ask(self, method: str, path: str, body: object, *, query: str, token: str) -> tuple[int, Any]:
        sent = b"" if body is None else json.dumps(body).encode()
        got: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": sent, "more_body": False}

        async def send(message: Any) -> None:
            got.append(message)

        scope = {"type": "http", "method": method, "path": f"/management{path}", "query_string": query.encode()}
        headers = [(b"authorization", f"Bearer {token}".encode())]
        await ManagementApi(self.backend)({**scope, "headers": headers}, receive, send)
        answer = json.loads(got[1]["body"])
        check_answer(method, f"/management{path}", got[0]["status"], answer)
        return got[0]["status"], answer


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    settings = Settings(data=tmp_path / "data")
    settings.data.mkdir()
    with opened(settings) as backend:
        backend.workspace_tokens.add("tests", Role.OWNER, _TOKEN)
        yield Both(settings, backend)
