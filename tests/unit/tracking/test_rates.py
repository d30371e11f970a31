import pytest

from tifo.kernel.errors import Overloaded
from tifo.kernel.ids import SourceId
from tifo.tracking.rates import SourceRateLimit

SHOP, CLUB = SourceId("shop"), SourceId("club")


def test_a_bucket_fills_by_the_second_and_never_over_its_brim() -> None:
    now = [0.0]
    limit = SourceRateLimit(4, lambda: now[0])
    for _ in range(4):
        limit.check(SHOP)
        limit.spend(SHOP, 1)
    with pytest.raises(Overloaded) as refused:
        limit.check(SHOP)
    assert refused.value.retry_after_s == pytest.approx(0.25)
    limit.check(CLUB)
    now[0] = 0.25
    limit.check(SHOP)
    now[0] = 1_000
    limit.spend(SHOP, 4)
    with pytest.raises(Overloaded):
        limit.check(SHOP)


def test_a_large_batch_is_paid_off_before_the_next() -> None:
    now = [0.0]
    limit = SourceRateLimit(10, lambda: now[0])
    limit.check(SHOP)
    limit.spend(SHOP, 110)
    with pytest.raises(Overloaded) as refused:
        limit.check(SHOP)
    now[0] = refused.value.retry_after_s
    assert now[0] == pytest.approx(10.1)
    limit.check(SHOP)


def test_a_rate_below_one_a_second_lets_one_through_at_a_time() -> None:
    now = [0.0]
    limit = SourceRateLimit(0.1, lambda: now[0])
    limit.check(SHOP)
    limit.spend(SHOP, 1)
    with pytest.raises(Overloaded) as refused:
        limit.check(SHOP)
    assert refused.value.retry_after_s == pytest.approx(10)


def test_no_limit_is_no_limit() -> None:
    limit = SourceRateLimit(0)
    limit.spend(SHOP, 1_000_000)
    limit.check(SHOP)
