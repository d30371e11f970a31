from hypothesis import given
from hypothesis import strategies as st

from tifo.leases.rules import divided, quota

PIECES = st.sets(st.sampled_from("abcdefghij"))


@given(pieces=st.integers(0, 100), members=st.integers(1, 20))
def test_all_quotas_together_are_enough_and_none_is_larger_than_it_must_be(pieces: int, members: int) -> None:
    limit = quota(pieces, members)
    assert limit * members >= pieces
    assert limit == 0 or (limit - 1) * members < pieces


@given(held=PIECES, wanted=PIECES, busy=PIECES, members=st.integers(1, 5))
def test_a_process_never_holds_more_than_its_quota_and_nothing_unwanted(
    held: set[str], wanted: set[str], busy: set[str], members: int
) -> None:
    division = divided(held, wanted, busy, members)
    assert division.stay | division.leave == held
    assert not division.stay & division.leave
    assert division.stay <= wanted
    assert len(division.stay) + division.missing == quota(len(wanted), members)
    assert division.missing >= 0


@given(held=PIECES, busy=PIECES, members=st.integers(2, 5))
def test_idle_pieces_leave_before_busy_ones(held: set[str], busy: set[str], members: int) -> None:
    division = divided(held, held, busy, members)
    assert not division.leave & busy or division.stay <= busy
