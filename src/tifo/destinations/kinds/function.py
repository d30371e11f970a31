"""Calls a Python file of yours with `on_track(event, settings)` and the like, in a process of its own.

Names and errors are those of Segment's destination functions: `on_identify`, `on_page`, `on_screen`, `on_group`,
`on_alias`, and `on_batch(events, settings)`, which replaces the others. The file may raise `RetryError`; its other
errors are final, among them `EventNotSupported`, `InvalidEventPayload` and `ValidationError`.
"""

import ast
import asyncio
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tifo.destinations.kinds.base import OwnKind
from tifo.destinations.ports import (
    DELIVERED,
    Batching,
    Configured,
    Event,
    Exchange,
    Fate,
    Outcome,
    Setting,
    Settings,
    SettingType,
    Tools,
)
from tifo.destinations.settings import checked
from tifo.destinations.workers import Worker, WorkerGone, WorkerProgram
from tifo.kernel.errors import Rejected, Transient

MAX_EVENTS = 50
"""Limit of events that `on_batch` gets at once."""
_RUNNER = Path(__file__).with_name("function_runner.py")
_CODES = {
    "EventNotSupported": (Fate.FAILED, "UNSUPPORTED_EVENT_TYPE"),
    "InvalidEventPayload": (Fate.FAILED, "BAD_REQUEST"),
    "ValidationError": (Fate.FAILED, "INVALID_SETTINGS"),
    "RetryError": (Fate.RETRY, "RETRY"),
    "FUNCTION_TIMEOUT": (Fate.RETRY, "FUNCTION_TIMEOUT"),
    "OUT_OF_MEMORY": (Fate.RETRY, "OUT_OF_MEMORY"),
    "BAD_DEPLOY": (Fate.RETRY, "BAD_DEPLOY"),
}
# Segment: every other error is final.
_MESSAGE_REJECTED = (Fate.FAILED, "MESSAGE_REJECTED")
_read = msgspec.json.Decoder(dict[str, Any]).decode


class Function(OwnKind):
    """Describes the kind `function`, and opens its destinations."""

    id = "function"
    name = "Function"
    description = "Calls a Python file of yours, in a process of its own."
    local = True
    settings = (
        Setting("file", SettingType.TEXT, "File", "The file's path on the machine that delivers.", required=True),
        Setting(
            "settings", SettingType.MAP, "Settings", "Passed to the function: one `name: value` a line.", secret=True
        ),
        Setting(
            "timeout_s", SettingType.NUMBER, "Timeout", "Seconds that the function may take for an event.", default=5.0
        ),
        Setting("memory_mb", SettingType.INTEGER, "Memory", "Memory that the process may use, in MB.", default=256),
        Setting(
            "ordered", SettingType.BOOLEAN, "In order", "Sends one user's events one after the other.", default=False
        ),
    )

    def check(self, settings: Settings) -> dict[str, Any]:
        value = checked(self.settings, settings)
        if not Path(value["file"]).is_absolute():
            value["file"] = str(Path(value["file"]).absolute())
        if not Path(value["file"]).is_file():
            raise Rejected(f"file {value['file']!r:.200} is not there. Give the path of a file.", field="file")
        for name, lowest, highest in (("timeout_s", 0.1, 300), ("memory_mb", 64, 65_536)):
            if not lowest <= value[name] <= highest:
                raise Rejected(f"{name} is {value[name]}. Give {lowest} to {highest:,}.", field=name)
        return value

    def handled(self, settings: Settings) -> Collection[str]:
        return self.handles & self.named_in(settings["file"])

    @classmethod
    def named_in(cls, file: str) -> frozenset[str]:
        """Returns the types of calls that the file has functions for; all, where its text does not show it."""
        # From the text: only the file's own process runs it.
        try:
            nodes = list(ast.walk(ast.parse(Path(file).read_text())))
        except (OSError, ValueError, SyntaxError):  # opening the destination reports what is wrong
            return cls.handles
        imported = {
            alias.asname or alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
        }
        defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        assigned = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        named = imported | defined | assigned
        if named & {"on_batch", "*"}:
            return cls.handles
        return frozenset(name.removeprefix("on_") for name in named if name.startswith("on_"))

    async def open(self, configured: Configured, tools: Tools) -> "_Function":  # noqa: ARG002 (the kind's contract)
        """Raises `Transient` for a file that does not load: somebody may correct it."""
        settings = configured.settings
        # -E: PYTHON… variables of whoever starts Tifo do not change how the file runs.
        command = (sys.executable, "-E", str(_RUNNER), settings["file"], str(settings["memory_mb"]))
        worker = Worker(lambda: WorkerProgram(command, Path(settings["file"]).parent))
        # Closed also where this is cancelled: nobody else knows of the process.
        opened = None
        try:
            opened = _Function(settings, worker, await _handlers(worker, settings))
        finally:
            if opened is None:
                await worker.close()
        return opened


async def _handlers(worker: Worker, settings: Settings) -> frozenset[str]:
    answer = await worker.ask({"do": "handlers"}, settings["timeout_s"])
    if not answer.get("handlers"):
        raise Transient(answer.get("message") or f"{settings['file']} has no function such as on_track.")
    return frozenset(answer["handlers"])


class _Function:
    """Calls the functions of one file, in its worker process."""

    batching = Batching(max_events=MAX_EVENTS, apart=True)

    def __init__(self, settings: Settings, worker: Worker, handlers: frozenset[str]) -> None:
        self._worker = worker
        self._handlers = handlers
        self._given = settings.get("settings") or {}
        self._timeout_s = settings["timeout_s"]
        self.ordered = bool(settings["ordered"])

    async def send(self, events: Sequence[Event]) -> Sequence[Outcome]:
        if "on_batch" in self._handlers:
            messages = [_read(event.body) for event in events]
            return [await self._called("on_batch", {"events": messages}, self._timeout_s)] * len(events)
        return await asyncio.gather(*(self._one(event, at) for at, event in enumerate(events)))

    async def close(self) -> None:
        await self._worker.close()

    async def _one(self, event: Event, at: int) -> Outcome:
        """Calls the event's function."""
        # The process handles one event at a time, so the n-th may wait for those before it.
        handler = f"on_{event.type}"
        if handler not in self._handlers:
            return Outcome(Fate.FILTERED, "UNSUPPORTED_EVENT_TYPE", f"The file has no function {handler}.")
        return await self._called(handler, {"event": _read(event.body)}, (at + 1) * self._timeout_s)

    async def _called(self, handler: str, payload: Mapping[str, Any], within_s: float) -> Outcome:
        request = {"do": handler, "settings": self._given, "timeout_s": self._timeout_s, **payload}
        try:
            answer = await self._worker.ask(request, within_s)
        except WorkerGone as error:
            return Outcome(Fate.RETRY, "INVOKE_ERROR", error.message)
        if "error" not in answer:
            return DELIVERED
        fate, code = _CODES.get(answer["error"], _MESSAGE_REJECTED)
        detail = f"{answer['error']}: {answer['message']}"
        return Outcome(fate, code, detail, exchange=Exchange(f"{handler}(event, settings)", detail))
