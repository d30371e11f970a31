"""Declares the value that every outbound request returns. Pure."""

from typing import NamedTuple

TIMED_OUT = "ETIMEDOUT"


class HttpAnswer(NamedTuple):
    """Holds one request's answer. A failure of the network is one too: senders decide about it as about a status."""

    status: int
    """0 where no answer came."""
    text: str = ""
    """The start of the body; where no answer came, the failure in words."""
    retry_after_s: float | None = None
    failure: str = ""
    """The failure, in the codes that Node and so Segment use (`ETIMEDOUT`, `ECONNREFUSED`, …).

    Set beside a status where the answer's body broke off.
    """
    reason: str = ""
    """The words behind the status, such as `Not Found`."""
    location: str | None = None
    """The address that a redirect names. It was not followed."""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 (HTTP's class of success)

    def __str__(self) -> str:
        return f"{self.status}: {self.text}" if self.status else self.text
