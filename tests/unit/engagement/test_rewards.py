"""Reward tables, codes, credits, debits and transfers."""

from typing import Any

import pytest

from tifo.engagement import commands as c
from tifo.engagement.facts import RewardItemRewarded
from tifo.engagement.model import TransactionKind
from tifo.engagement.values import MAX_AMOUNT
from tifo.kernel.errors import Conflict, NotFound, Rejected


def test_every_matching_entry_pays_in_the_order_of_tables_and_entries(club: Any) -> None:
    club.pays("vote", (club.points, 5), (club.coins, 1))
    club.pays("watch", (club.points, 100))
    club.pays("vote", (club.points, 2))
    invoked = club.invoke("vote")
    assert [(r.reward_item_name, r.reward_item_amount) for r in invoked.rewards] == [
        ("Points", 5),
        ("Coins", 1),
        ("Points", 2),
    ]
    assert [(row.amount, row.balance) for row in club.last.transactions] == [(5, 5), (1, 1), (2, 7)]
    assert {row.invoked_action_id for row in club.last.transactions} == {invoked.id}
    assert (club.balance(), club.balance(club.coins)) == (7, 1)


def test_each_payment_is_told_with_the_balance_right_after_it(club: Any) -> None:
    club.pays("vote", (club.points, 5), (club.points, 2))
    club.invoke()
    assert club.told() == ["RewardItemRewarded"] * 2
    assert [fact.reward_item_balance for fact in club.last.facts] == [5, 7]
    assert [fact.reward_item_transaction_id for fact in club.last.facts] == [row.id for row in club.last.transactions]


def test_a_table_pays_in_the_programs_that_it_is_linked_to_only(club: Any) -> None:
    cup = club.define(c.CreateProgram, name="Cup").id
    table = club.pays("vote", (club.points, 5), programs=(cup,))
    assert club.invoke().rewards == ()
    assert len(club.invoke(program_id=cup).rewards) == 1
    club.define(c.UpdateRewardTable, reward_table_id=table.id, program_ids=(club.program_id,))
    assert club.invoke(program_id=cup).rewards == ()
    assert len(club.invoke().rewards) == 1


def test_a_table_made_without_a_program_is_linked_to_the_default_one(club: Any) -> None:
    assert club.pays("vote", (club.points, 1)).program_ids == (club.program_id,)


def test_a_table_linked_twice_to_a_program_pays_once(club: Any) -> None:
    table = club.pays("vote", (club.points, 5), programs=(club.program_id, club.program_id))
    club.invoke()
    club.define(c.UpdateRewardTable, reward_table_id=table.id, program_ids=(club.program_id,) * 3)
    club.invoke()
    assert club.balance() == 10


def test_an_action_that_no_table_pays_for_is_kept_all_the_same(club: Any) -> None:
    invoked = club.invoke("watch", description="seen")
    assert club.last.invoked == invoked
    assert (invoked.rewards, invoked.description, club.last.facts) == ((), "seen", ())


def test_a_fan_is_found_by_the_own_custom_id(club: Any) -> None:
    club.pays("vote", (club.points, 5))
    invoked = club.play(c.InvokeAction, program_id=club.program_id, reward_action_key="vote", custom_profile_id="ada")
    assert invoked.profile_id == club.ada
    assert club.fact(RewardItemRewarded).custom_id == "ada"


@pytest.mark.parametrize("ids", [{}, {"profile_id": "x", "custom_profile_id": "ada"}])
def test_both_profile_ids_or_neither_are_rejected(club: Any, ids: dict[str, str]) -> None:
    with pytest.raises(Rejected, match="exactly one"):
        club.play(c.InvokeAction, program_id=club.program_id, reward_action_key="vote", **ids)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"profile_id": "nobody"}, "profile_id"),
        ({"profile_id": None, "custom_profile_id": "nobody"}, "custom_profile_id"),
        ({"program_id": "nothing"}, "program_id"),
        ({"key": "nothing"}, "reward_action_key"),
    ],
)
def test_what_an_action_names_must_exist(club: Any, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(NotFound) as error:
        club.invoke(**fields)
    assert error.value.field == field
    assert "no" in error.value.message


def test_a_code_counts_once_for_an_action_and_a_profile(club: Any) -> None:
    club.pays("vote", (club.points, 5))
    club.invoke(code="1")
    with pytest.raises(Conflict, match=r"^code already used\.$"):
        club.invoke(code="1")
    club.invoke(code="2")
    club.invoke("watch", code="1")
    club.invoke(code="1", who=club.fan())
    assert club.balance() == 10


def test_a_code_of_a_rejected_action_is_not_used_up(club: Any) -> None:
    club.pays("vote", (club.points, MAX_AMOUNT))
    club.credit(1)
    with pytest.raises(Rejected, match="exceed"):
        club.invoke(code="1")
    club.debit(1)
    club.invoke(code="1")
    assert club.balance() == MAX_AMOUNT


def test_credits_and_debits_move_the_balance_and_tell_nothing(club: Any) -> None:
    credit = club.credit(10)
    assert (credit.kind, credit.amount, credit.balance, club.last.facts) == (TransactionKind.CREDIT, 10, 10, ())
    debit = club.debit(4)
    assert (debit.kind, debit.amount, debit.balance, club.last.facts) == (TransactionKind.DEBIT, -4, 6, ())
    assert club.debit(6).balance == 0


def test_a_debit_beyond_the_balance_names_both(club: Any) -> None:
    club.credit(10)
    with pytest.raises(Rejected, match=r"balance is 10.*amount 11") as error:
        club.debit(11)
    assert (error.value.field, club.balance()) == ("reward_item_amount", 10)


@pytest.mark.parametrize("amount", [0, -1, MAX_AMOUNT + 1, 10**400, -(10**400)])
def test_an_amount_is_a_whole_number_from_1_to_the_largest(club: Any, amount: int) -> None:
    other = club.fan()
    for move in (club.credit, club.debit, lambda n: club.transfer(n, to=other)):
        with pytest.raises(Rejected, match="whole number") as error:
            move(amount)
        assert error.value.field == "reward_item_amount"


def test_a_balance_does_not_grow_beyond_the_largest_amount(club: Any) -> None:
    assert club.credit(MAX_AMOUNT).balance == MAX_AMOUNT
    with pytest.raises(Rejected, match=f"balance is {MAX_AMOUNT}"):
        club.credit(1)


def test_a_transfer_is_two_rows_that_know_each_other(club: Any) -> None:
    bo = club.fan()
    club.credit(10)
    sent = club.transfer(4, to=bo)
    out, into = club.last.transactions
    assert sent == out
    assert (out.kind, out.amount, out.balance, out.counterpart_profile_id) == ("transfer_sent", -4, 6, bo)
    assert (into.kind, into.amount, into.balance, into.counterpart_profile_id) == ("transfer_received", 4, 4, club.ada)
    assert out.transfer_id == into.transfer_id is not None
    assert (club.balance(), club.balance(who=bo), club.last.facts) == (6, 4, ())


def test_a_transfer_beyond_the_balance_changes_neither_side(club: Any) -> None:
    bo = club.fan()
    club.credit(3)
    with pytest.raises(Rejected, match=r"balance is 3.*amount 4"):
        club.transfer(4, to=bo)
    assert (club.balance(), club.balance(who=bo)) == (3, 0)


def test_a_transfer_that_the_recipient_cannot_hold_takes_nothing_from_the_sender(club: Any) -> None:
    bo = club.fan()
    club.credit(MAX_AMOUNT, who=bo)
    club.credit(3)
    with pytest.raises(Rejected, match="exceed"):
        club.transfer(1, to=bo)
    assert club.balance() == 3


def test_a_transfer_needs_another_fan(club: Any) -> None:
    club.credit(3)
    with pytest.raises(Rejected, match="same profile"):
        club.transfer(1, to=club.ada)
    with pytest.raises(NotFound) as error:
        club.transfer(1, to="nobody")
    assert error.value.field == "recipient_profile_id"


def test_an_unknown_reward_item_is_not_found(club: Any) -> None:
    with pytest.raises(NotFound) as error:
        club.credit(1, "nothing")
    assert error.value.field == "reward_item_id"
