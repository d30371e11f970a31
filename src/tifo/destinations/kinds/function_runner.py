"""Runs a user's function, in a process of its own: `python function_runner.py FILE MEMORY_MB`.

Requests are lines of JSON on stdin, `{"id", "do", "event" | "events", "settings", "timeout_s"}`; answers are lines on
stdout, `{"id"}` or `{"id", "error", "message"}`.
"""

# Nothing of Tifo's: so the process starts quickly, and the function finds no internals.
import contextlib
import json
import runpy
import signal
import sys
from types import FrameType
from typing import Any

NAMES = ("EventNotSupported", "InvalidEventPayload", "ValidationError", "RetryError")
"""Segment's errors. A function raises them without importing them."""


class _TooLong(BaseException):
    """Interrupts a function at its time limit. A BaseException, so that its `except Exception` does not catch it."""


def _too_long(_: int, __: FrameType | None) -> None:
    raise _TooLong


def _limit(memory_mb: int) -> None:
    import resource  # noqa: PLC0415 (where there is none, there is no limit)

    for name in ("RLIMIT_AS", "RLIMIT_DATA"):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (memory_mb << 20, memory_mb << 20))


def _called(functions: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    name = request["do"]
    signal.setitimer(signal.ITIMER_REAL, request["timeout_s"])
    try:
        functions[name](request["events"] if name == "on_batch" else request["event"], request["settings"])
    except _TooLong:
        return {"error": "FUNCTION_TIMEOUT", "message": f"{name} took more than {request['timeout_s']:g} s."}
    except MemoryError:
        return {"error": "OUT_OF_MEMORY", "message": f"{name} needs more memory than it may have (memory_mb)."}
    except BaseException as error:  # noqa: BLE001 (also SystemExit: the process is needed for the next event)
        return {"error": type(error).__name__, "message": str(error)[:4000]}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return {}


def main() -> None:
    # Stdout is for answers only: what the function prints goes to stderr, and from there into the log.
    answers, sys.stdout = sys.stdout, sys.stderr
    signal.signal(signal.SIGALRM, _too_long)
    errors = {name: type(name, (Exception,), {}) for name in NAMES}
    problem = None
    functions: dict[str, Any] = {}
    try:
        functions = runpy.run_path(sys.argv[1], init_globals=errors)
    except BaseException as error:  # noqa: BLE001 (of whatever kind: it is reported with each event)
        problem = {"error": "BAD_DEPLOY", "message": f"{sys.argv[1]} does not load: {error!r:.1000}"}
    _limit(int(sys.argv[2]))
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "handlers":
            answer: dict[str, Any] = {"handlers": [name for name in functions if name.startswith("on_")]}
        else:
            answer = {} if problem else _called(functions, request)
        answers.write(json.dumps({"id": request["id"], **(problem or answer)}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
