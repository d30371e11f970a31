"""What an endpoint's answer to a batch means for the batch. Pure."""

from typing import NamedTuple

from tifo.egress.answers import HttpAnswer

_ABOUT_THE_CONNECTION = frozenset((401, 402, 403, 404, 405, 407, 410, 421, 451))
"""The write key or the address is wrong or blocked: no batch would fare better, and none is at fault."""
_TRY_AGAIN = frozenset((408, 425, 429))

_BACKOFF_BASE_S = 0.2
BACKOFF_CAP_S = 60.0
RETRY_AFTER_CAP_S = 3600.0
"""So that one absurd header does not silence an application for days."""


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


def decide(answer: HttpAnswer, *, attempt: int, chance: float, refuses_all: bool = False) -> Decision:
    """`attempt` counts this batch's attempts from 1; `chance` is random, evenly spread over [0, 1).

    `refuses_all`: the endpoint has refused so many facts in a row that one refusal more is no longer the fact's fault.
    A redirect is not followed, so it counts as a failure that may pass.
    """
    if answer.is_success:
        return Sent()
    after_s = max(backoff_s(attempt, chance), min(answer.retry_after_s or 0.0, RETRY_AFTER_CAP_S))
    if answer.status in _ABOUT_THE_CONNECTION:
        return Hold(after_s)
    if 400 <= answer.status < 500 and answer.status not in _TRY_AGAIN:  # noqa: PLR2004 (HTTP's class of refusals)
        return Hold(after_s) if refuses_all else Split()
    return Retry(after_s)


def backoff_s(attempt: int, chance: float) -> float:
    """Exponential, capped, with full jitter: anything from 0 to the bound, so that senders do not march in step."""
    return chance * min(BACKOFF_CAP_S, _BACKOFF_BASE_S * 2.0 ** min(attempt - 1, 32))
