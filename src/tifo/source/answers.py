"""What an endpoint's answer to a batch means for the batch. Pure."""

from typing import NamedTuple

from tifo.kernel.backoff import Backoff

_ABOUT_THE_CONNECTION = frozenset((401, 402, 403, 404, 405, 407, 410, 421, 451))
"""The write key or the address is wrong or blocked: no batch would fare better, and none is at fault."""
_TRY_AGAIN = frozenset((408, 425, 429))

BACKOFF = Backoff(base_s=0.2, cap_s=60.0, jitter=1.0)
"""Anything from 0 to the bound: a relay has a line for each application, and they all fail at the same moment."""


class Answer(NamedTuple):
    status: int
    """0 where none came: the network failed, or time ran out."""
    text: str = ""
    """The start of the body, or what went wrong with the network."""
    retry_after_s: float | None = None

    def __str__(self) -> str:
        return f"{self.status}: {self.text}" if self.status else self.text


class Sent(NamedTuple):
    """The endpoint has the whole batch."""


class Retry(NamedTuple):
    """The same batch again after so many seconds, for ever."""

    after_s: float


class Hold(NamedTuple):
    """Like `Retry`, but someone has to act: the endpoint refuses the write key, the address, or whatever it is sent."""

    after_s: float


class Split(NamedTuple):
    """Refused for good: halve it, and set aside a fact that is refused alone."""


Decision = Sent | Retry | Hold | Split


def decide(answer: Answer, *, attempt: int, chance: float, refuses_all: bool = False) -> Decision:
    """`attempt` counts this batch's attempts from 1; `chance` is random, evenly spread over [0, 1).

    `refuses_all`: the endpoint has refused so many facts in a row that one refusal more is no longer the fact's fault.
    A redirect is not followed, so it counts as a failure that may pass.
    """
    if 200 <= answer.status < 300:  # noqa: PLR2004 (HTTP's classes of status)
        return Sent()
    after_s = BACKOFF.pause_s(attempt, chance, answer.retry_after_s)
    if answer.status in _ABOUT_THE_CONNECTION:
        return Hold(after_s)
    if 400 <= answer.status < 500 and answer.status not in _TRY_AGAIN:  # noqa: PLR2004 (as above)
        return Hold(after_s) if refuses_all else Split()
    return Retry(after_s)
