"""The error root. Its children say what the caller does; a message names the thing, the value and the remedy."""


class TifoError(Exception):
    """Anything that Tifo raises on purpose.

    `code` is a short snake_case word for programs (Segment's, where Segment has one); `field` is the input that
    is at fault, when one is.
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
    """No such thing, or not visible with this token: answered with 404."""

    code = "not_found"


class Unauthorized(Rejected):
    """No token, or not a valid one: answered with 401."""

    code = "unauthorized"


class Forbidden(Rejected):
    """A valid token that does not reach so far: answered with 403."""

    code = "forbidden"


class Conflict(Rejected):
    """Clashes with what is there already: answered with 409."""

    code = "conflict"


class KeyReused(Conflict):
    """An Idempotency-Key came with another request before."""


class TooLarge(Rejected):
    """Over a limit of size or number: answered with 400 (Segment's code for it) unless a route says otherwise."""

    code = "too_large"


class Transient(TifoError):
    """Try again after `retry_after_s` seconds; nothing is wrong with the input."""

    code = "unavailable"

    def __init__(self, message: str, *, retry_after_s: float = 1.0, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class Interrupted(Transient):
    """Nothing came of it, for a reason that is gone by the next try: a lost connection, or another writer in between.
    Who asked may ask again at once.
    """


class Overloaded(Transient):
    """A bounded queue is full: answered with 429 and Retry-After."""

    code = "too_many_requests"
