"""Tells PostgreSQL's lasting refusals of a connection from those that pass. Pure: it reads the server's message."""

import re

# A client gets no SQLSTATE with a refused connection, so the message is all that there is.
_LASTING = re.compile(
    r"(database|role|user) .* does not exist"
    r"|authentication failed|no password supplied|no pg_hba\.conf entry|permission denied"
    r"|is not permitted to log in|is not currently accepting connections|invalid connection option"
)
_REASON = re.compile(r"(?:FATAL: +|failed: +(?!FATAL))(.*)")


def is_lasting(message: str) -> bool:
    """Says whether trying again is of no use before an operator has acted: a name, a password or a right is wrong."""
    return _LASTING.search(message) is not None


def reason_of(message: str) -> str:
    """Returns the server's reason on one line, without what the driver says around it."""
    lines = message.strip().splitlines() or [""]
    found = [match.group(1) for line in lines if (match := _REASON.search(line))]
    return (found or lines)[0].strip()
