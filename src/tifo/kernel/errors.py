"""Declares Tifo's errors. A type says what the caller does; a message names the thing, the value and the remedy."""


class TifoError(Exception):
    """The root of all errors that Tifo raises on purpose.

    `code` is a short snake_case word for programs (Segment's, where Segment has one). `field` is the input that is at
    fault, where one is.
    """

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.code = code


class Rejected(TifoError):
    """Bad input: answered with 400, never retried."""

    code = "bad_request"


class NotFound(Rejected):
    """The thing does not exist, or this token does not show it: answered with 404."""

    code = "not_found"


class Unauthorized(Rejected):
    """The token is missing or not valid: answered with 401."""

    code = "unauthorized"


class Forbidden(Rejected):
    """The token is valid and does not allow this: answered with 403."""

    code = "forbidden"


class Conflict(Rejected):
    """The request conflicts with the current state: answered with 409."""

    code = "conflict"


class KeyReused(Conflict):
    """The Idempotency-Key was used with another request before: answered with 409."""


class TooLarge(Rejected):
    """The input exceeds a limit: answered with 400, as Segment does, unless a route says otherwise."""

    code = "too_large"


class Transient(TifoError):
    """The input is fine; try again after `retry_after_s` seconds."""

    code = "unavailable"

    def __init__(self, message: str, *, retry_after_s: float = 1.0, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class Unusable(Transient):
    """A database, a file or a right is missing: trying again helps once an operator has acted.

    Clients are answered as for `Transient`, because their requests are fine. `reason` is for the operator, and names
    what is missing and the remedy.
    """

    def __init__(self, message: str, *, reason: str, retry_after_s: float = 1.0, code: str | None = None) -> None:
        super().__init__(message, retry_after_s=retry_after_s, code=code)
        self.reason = reason


class Interrupted(Transient):
    """The work had no effect, for a reason that is gone by the next try: a lost connection, or another writer.

    The caller may try again at once.
    """


class Overloaded(Transient):
    """A bounded queue is full: answered with 429 and Retry-After."""

    code = "too_many_requests"
