"""A key gives the first answer again, and works once."""

from decimal import Decimal
from typing import Any

import pytest

from tifo.engagement.idempotency import FirstAnswer, FirstAnswers
from tifo.engagement.ports import Idempotency
from tifo.kernel.errors import KeyReused, Rejected

KEY = Idempotency("key", b"digest")


class Work:
    def __init__(self, result: Any) -> None:
        self.result = result
        self.calls = 0

    def __call__(self) -> Any:
        self.calls += 1
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def test_the_work_is_done_once_and_its_answer_given_again() -> None:
    answers, work = FirstAnswers(), Work((Decimal("0.5"), None))
    kind = tuple[Decimal, None]
    assert answers.once("club", KEY, kind, work) == answers.once("club", KEY, kind, work) == (Decimal("0.5"), None)
    assert work.calls == 1


def test_an_answer_of_none_is_an_answer() -> None:
    answers, work = FirstAnswers(), Work(None)
    for _ in range(2):
        assert answers.once("club", KEY, type(None), work) is None
    assert work.calls == 1


def test_an_answer_stored_earlier_is_given_and_not_stored_again() -> None:
    answers, work = FirstAnswers({("club", "key"): FirstAnswer(b"digest", '"stored"')}), Work("new")
    assert answers.once("club", KEY, str, work) == "stored"
    assert (work.calls, answers.new) == (0, {})


def test_another_request_with_the_key_is_refused() -> None:
    answers = FirstAnswers()
    answers.once("club", KEY, str, Work("first"))
    with pytest.raises(KeyReused, match="'key'"):
        answers.once("club", Idempotency("key", b"other"), str, Work("second"))


def test_a_key_means_something_else_in_another_scope() -> None:
    answers = FirstAnswers()
    assert answers.once("club", KEY, str, Work("ours")) == "ours"
    assert answers.once("rival", Idempotency("key", b"other"), str, Work("theirs")) == "theirs"


def test_work_that_is_refused_leaves_the_key_unused() -> None:
    answers = FirstAnswers()
    with pytest.raises(Rejected):
        answers.once("club", KEY, str, Work(Rejected("no")))
    assert answers.new == {}
    assert answers.once("club", KEY, str, Work("now")) == "now"
