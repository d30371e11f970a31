"""Answers a request that is repeated with its `Idempotency-Key` by its first answer, and changes nothing."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from tifo.engagement.ports import Idempotency
from tifo.kernel.errors import KeyReused

_encode = msgspec.json.Encoder().encode


class FirstAnswer(NamedTuple):
    digest: bytes
    """Identifies the request that was answered."""
    answer: str
    """JSON."""


class FirstAnswers:
    """Looks up and stores first answers, each by its scope (an application, or the organisation) and key."""

    def __init__(self, known: Mapping[tuple[str, str], FirstAnswer] | None = None) -> None:
        self._known = known or {}
        self.new: dict[tuple[str, str], FirstAnswer] = {}
        """Answers given since `known` was read: those to store."""

    def once(self, scope: str, idempotency: Idempotency, answers: Any, work: Callable[[], Any]) -> Any:
        """Returns the first answer to this key, as a value of the type `answers`. Without one it calls `work` for it.

        Raises `KeyReused` if the key came with another request. If `work` raises, the key stays unused.
        """
        place = (scope, idempotency.key)
        # `new` first: a request and its repetition may share a batch.
        first = self.new.get(place) or self._known.get(place)
        if first is None:
            # Nothing is stored where this raises: a refused request may be corrected and sent with the same key.
            result = work()
            # Stored as text in memory too, so that every engine decodes a repeated answer alike.
            self.new[place] = FirstAnswer(idempotency.digest, _encode(result).decode())
            return result
        if first.digest != idempotency.digest:
            raise KeyReused(
                f"Idempotency-Key {idempotency.key!r:.100} came with another request before. Use a new key."
            )
        return msgspec.json.decode(first.answer, type=answers)
