"""Says what an error means to who runs a command: the message that is printed, and the exit code."""

import errno
import os
import traceback
from typing import NamedTuple

import structlog

from tifo.kernel.errors import Rejected, Transient, Unusable

BAD_INPUT, FAULT, TRY_LATER, INTERRUPTED = 2, 70, 75, 130
_ANOTHER_TIME = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EIO, errno.EINTR)
)
"""Errors of the operating system that may be over at the next try. All others are of what a command was given."""

_log = structlog.get_logger("tifo")


class Failure(NamedTuple):
    message: str
    exit_code: int


def described(error: Exception) -> Failure:
    match error:
        case Unusable():
            return Failure(error.reason, BAD_INPUT)
        case Rejected():
            return Failure(error.message, BAD_INPUT)
        case Transient():
            return Failure(error.message, TRY_LATER)
        case OSError():
            return _of_the_system(error)
    if os.environ.get("TIFO_SUPERVISED") == "1":
        _log.error("role failed", error="".join(traceback.format_exception(error)))
    place = traceback.extract_tb(error.__traceback__)[-1]
    return Failure(
        f"A fault of Tifo's, please report it: {type(error).__name__}: {error} ({place.filename}:{place.lineno})", FAULT
    )


def _of_the_system(error: OSError) -> Failure:
    reason = error.strerror or str(error) or type(error).__name__
    where = "" if error.filename is None else f"{error.filename}: "
    if error.errno in _ANOTHER_TIME:
        return Failure(f"{where}{reason}. Make room, then try again.", TRY_LATER)
    return Failure(f"{where}{reason}. Name another, or correct its rights.", BAD_INPUT)
