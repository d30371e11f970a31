"""Prints data on stdout (one JSON document with `--json`, a table otherwise), and talk on stderr."""

import contextlib
import io
import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import msgspec
import structlog
from rich.console import Console
from rich.table import Table

_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
talk = Console(stderr=True, highlight=False, soft_wrap=True)


def outlive_readers() -> None:
    """Lets the command go on where nobody reads its output any more (`| head`), or where it has none (`>&-`).

    So a check returns its own exit code, whoever reads how much of its text.
    """
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 (it stays open until the end)
    sys.stdout, sys.stderr = _lasting(sys.stdout), _lasting(sys.stderr)


def _lasting(stream: TextIO | None) -> TextIO:
    if stream is None:  # it was closed before the start
        return Path(os.devnull).open("w", encoding="utf-8")
    return io.TextIOWrapper(
        io.BufferedWriter(_LastingFile(stream.fileno(), "wb", closefd=False)),
        encoding="utf-8",  # JSON's; a terminal of another encoding would end the command at the first ü
        errors="backslashreplace",
        line_buffering=True,
    )


class _LastingFile(io.FileIO):
    """Drops what is written once the other end of the pipe is closed, or the disk has refused a part of it."""

    _is_over = False

    def write(self, data: Any) -> int:
        if not self._is_over:
            try:
                return super().write(data)
            except OSError as error:
                self._is_over = True  # the rest, which Python writes at the end, would fail again
                if not isinstance(error, BrokenPipeError):
                    raise
        return len(data)


def show(data: object, *, as_json: bool) -> None:
    """A mapping is one thing, a sequence of mappings is a list of things."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(data).decode())
        sys.stdout.write("\n")
    elif isinstance(data, Mapping):
        _show_thing(data)
    elif isinstance(data, Sequence):
        show_table(list(data))
    sys.stdout.flush()


def show_lines(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{_plain(line)}\n")
    sys.stdout.flush()


def show_table(rows: Sequence[Mapping[str, object]]) -> None:
    if not rows:
        talk.print("(no rows)")
        return
    table = Table(*map(_plain, rows[0]), box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*map(_plain, row.values()))
    # Not a terminal: as wide as the rows are, so that nothing is cut in a pipe. Brackets in values are no markup.
    terminal = sys.stdout.isatty()
    Console(width=None if terminal else 10_000, soft_wrap=not terminal, markup=False).print(table)


def _show_thing(thing: Mapping[str, object]) -> None:
    width = max(map(len, thing), default=0)
    for key, value in thing.items():
        sys.stdout.write(f"{key:<{width}}  {_plain(value)}\n")


def _plain(value: object) -> str:
    """Without what would steer a terminal: some of it was written by strangers, such as an endpoint's answer."""
    if isinstance(value, Mapping):
        return ", ".join(f"{_plain(key)} {_plain(each)}" for key, each in value.items() if each is not None)
    return "" if value is None else _STEERING.sub("\N{REPLACEMENT CHARACTER}", str(value))


def log_to_stderr(level: int = logging.INFO) -> None:
    """Writes log lines to stderr: coloured on a terminal, JSON otherwise."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _pretty() if sys.stderr.isatty() else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_StderrLogger,
    )


class _StderrLogger:
    """Writes without a buffer, and drops a line that cannot be written.

    stderr may be a file on a full disk, or a pipe that nobody reads any more. A role must finish its work all the same,
    and there is nowhere left to complain.
    """

    def __init__(self, *_: object) -> None:
        """Ignores the arguments of `get_logger`, which structlog passes on."""

    def msg(self, message: str) -> None:
        rest = f"{message}\n".encode()
        with contextlib.suppress(OSError):
            while rest:
                rest = rest[os.write(sys.stderr.fileno(), rest) :]

    debug = info = warning = error = critical = msg


def _pretty() -> structlog.dev.ConsoleRenderer:
    """Renders tracebacks without local variables, which may hold secrets."""
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
