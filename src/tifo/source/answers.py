"""Decides by an endpoint's answer whether a batch is done, sent again, held or split. Pure."""

from typing import NamedTuple

from tifo.egress.answers import HttpAnswer
from tifo.kernel.backoff import Backoff

_ABOUT_THE_CONNECTION = frozenset((401, 402, 403, 404, 405, 407, 410, 421, 451))
"""Statuses of a wrong or blocked write key or address. Every batch would get them, and none is at fault."""
_TRY_AGAIN = frozenset((408, 425, 429))

BACKOFF = Backoff(base_s=0.2, cap_s=60.0, jitter=1.0)
"""Full jitter: a relay sends for every application, and all of them fail at the same moment."""


class Sent(NamedTuple):
    """The endpoint accepted the whole batch."""


class Retry(NamedTuple):
    """Send the same batch again after so many seconds, indefinitely."""

    after_s: float


class Hold(NamedTuple):
    """Like `Retry`, but someone has to act: the endpoint refuses the write key, the address, or every fact."""

    after_s: float


class Split(NamedTuple):
    """The batch is refused for good: halve it, and dead-letter a fact that is refused alone."""


Decision = Sent | Retry | Hold | Split


def decide(answer: HttpAnswer, *, attempt: int, chance: float, refuses_all: bool = False) -> Decision:
    """Judges the answer to one attempt. A redirect is not followed, so it is a failure that may pass.

    `attempt` counts this batch's attempts from 1; `chance` is random, evenly spread over [0, 1). `refuses_all` says
    that the endpoint has refused many facts in a row, so that the next refusal is not the fact's fault.
    """
    if answer.is_success:
        return Sent()
    after_s = BACKOFF.pause_s(attempt, chance, answer.retry_after_s)
    # Held, not dead-lettered: a mistyped write key must not cost an application its events.
    if answer.status in _ABOUT_THE_CONNECTION:
        return Hold(after_s)
    if 400 <= answer.status < 500 and answer.status not in _TRY_AGAIN:  # noqa: PLR2004 (HTTP's class of refusals)
        return Hold(after_s) if refuses_all else Split()
    return Retry(after_s)
