"""One process's share, over the in-memory leases, with a clock that the test moves."""

from collections.abc import Collection

import pytest

from tifo.kernel.errors import Transient
from tifo.leases.memory import InMemoryLeases
from tifo.leases.ports import Lease, LeaseLost
from tifo.leases.share import HELD_FOR_S, LOOK_EVERY_S, Holder, WorkShare


class Node:
    def __init__(self, group: "Group", name: str, *, inherits: bool = False) -> None:
        self.share = WorkShare(group.leases, "relay", Holder(name, inherits), monotonic=lambda: group.now)
        self.wanted: Collection[str] = group.pieces
        self.busy: Collection[str] = ()

    async def look(self) -> None:
        await self.share.look(self.wanted, self.busy)

    @property
    def mine(self) -> set[str]:
        return {piece for piece in "abcdefghij" if self.share.lease(piece)}


class Group:
    """Nodes that share the pieces, and the clock of their database and of their machines."""

    def __init__(self, pieces: str) -> None:
        self.now = 0.0
        self.pieces = pieces
        self.leases = InMemoryLeases(lambda: self.now)

    def node(self, name: str, *, inherits: bool = False) -> Node:
        return Node(self, name, inherits=inherits)

    async def settle(self, *nodes: Node, rounds: int = 4) -> None:
        """Each node looks every so often, as its role does."""
        for _ in range(rounds):
            self.now += LOOK_EVERY_S
            for node in nodes:
                await node.look()


async def test_a_process_alone_holds_everything_at_once() -> None:
    one = Group("abc").node("one")
    await one.look()
    assert one.mine == set("abc")


async def test_processes_share_the_pieces_evenly_and_nobody_starves() -> None:
    group = Group("abcdefg")
    nodes = [group.node(name) for name in ("one", "two", "three")]
    await group.settle(*nodes)
    assert sorted(len(node.mine) for node in nodes) == [1, 3, 3]
    assert set.union(*(node.mine for node in nodes)) == set("abcdefg")
    before = [node.mine for node in nodes]
    await group.settle(*nodes)
    assert [node.mine for node in nodes] == before, "what is even stays"


async def test_more_processes_than_pieces_leave_one_waiting_that_takes_over() -> None:
    group = Group("a")
    one, two = group.node("one"), group.node("two")
    await group.settle(one, two)
    assert (one.mine, two.mine) == ({"a"}, set())
    await one.share.close()
    await group.settle(two, rounds=1)
    assert two.mine == {"a"}, "what is given back is taken at the next look"


async def test_a_dead_processs_pieces_go_to_the_others_within_ten_seconds() -> None:
    group = Group("abcd")
    one, two = group.node("one"), group.node("two")
    await group.settle(one, two)
    dies_at = group.now
    while two.mine != set("abcd"):
        await group.settle(two, rounds=1)
    assert group.now - dies_at <= HELD_FOR_S + LOOK_EVERY_S <= 10


async def test_a_paused_process_stops_by_its_own_clock_before_anyone_can_take_over() -> None:
    group = Group("a")
    one, two = group.node("one"), group.node("two")
    await group.settle(one, two)
    lease = one.share.lease("a")
    assert lease is not None
    group.now += HELD_FOR_S
    assert one.mine == set()
    with pytest.raises(LeaseLost):
        one.share.check("a", lease)
    await two.look()
    assert two.mine == {"a"}
    await one.look()
    assert one.mine == set()


async def test_a_paused_process_whose_work_nobody_took_goes_on_under_the_same_lease() -> None:
    group = Group("a")
    one = group.node("one")
    await one.look()
    lease = one.share.lease("a")
    group.now += 100 * HELD_FOR_S
    assert one.share.lease("a") is None
    await one.look()
    assert one.share.lease("a") == lease


async def test_a_piece_that_is_worked_at_is_stopped_first_and_given_back_when_the_work_has_ended() -> None:
    group = Group("ab")
    one, two = group.node("one"), group.node("two")
    await one.look()
    one.busy = "ab"
    await group.settle(two, one, two, rounds=1)
    assert len(one.mine) == 1, "the other one's work must not go on"
    assert two.mine == set()
    await group.settle(one, two)
    assert two.mine == set(), "it is still being stopped"
    one.busy = one.mine
    await one.look()
    await group.settle(two, rounds=1)
    assert two.mine == set("ab") - one.mine
    assert len(two.mine) == 1


async def test_a_new_piece_is_acquired_at_the_next_look_and_one_that_is_gone_is_given_back() -> None:
    group = Group("a")
    one = group.node("one")
    await one.look()
    one.wanted = "ab"
    await one.look()
    assert one.mine == {"a", "b"}
    one.wanted = "b"
    await one.look()
    assert one.mine == {"b"}
    one.wanted = ""
    await one.look()
    assert group.leases.held("relay") == [], "nothing wanted, nothing held and nothing to renew"


async def test_a_process_that_is_started_again_has_its_predecessors_pieces_at_once_and_a_stranger_does_not() -> None:
    group = Group("ab")
    await group.node("one").look()  # and it is killed
    stranger = group.node("two")
    await stranger.look()
    assert stranger.mine == set()
    again = group.node("one", inherits=True)
    await again.look()
    assert len(again.mine) == 1, "it shares with the stranger, and waits for nothing"
    await group.settle(again, stranger, rounds=1)
    assert len(stranger.mine) == 1


async def test_a_lease_that_the_store_refused_is_not_used_again() -> None:
    group = Group("a")
    one = group.node("one")
    await one.look()
    lease = one.share.lease("a")
    assert lease is not None
    group.leases.release(lease.holder, ["relay/a"])
    group.leases.acquire(["relay/a"], "two", for_s=60)
    one.share.lost(lease)
    assert one.mine == set()
    await group.settle(one)
    assert one.mine == set()


async def test_a_lease_that_was_refused_by_mistake_is_free_again_at_the_next_look() -> None:
    group = Group("a")
    one = group.node("one")
    await one.look()
    before = one.share.lease("a")
    assert before is not None
    one.share.lost(before)
    await group.settle(one, rounds=2)
    after = one.share.lease("a")
    assert after is not None
    assert after.number > before.number


class Away(InMemoryLeases):
    """Leases of a database that is out of reach from `away` on."""

    away = False
    asked = 0

    def renew(self, holder: str, *, for_s: float) -> list[Lease]:
        self.asked += 1
        if self.away:
            raise Transient("The state cannot be read.")
        return super().renew(holder, for_s=for_s)


async def test_a_state_that_is_away_lets_work_go_on_until_the_leases_may_be_anothers() -> None:
    group = Group("a")
    group.leases = away = Away(lambda: group.now)
    one = group.node("one")
    await one.look()
    away.away = True
    group.now += LOOK_EVERY_S
    with pytest.raises(Transient):
        await one.look()
    assert one.mine == {"a"}
    asked = away.asked
    await one.look()
    assert away.asked == asked, "it is not asked again at once"
    group.now = HELD_FOR_S
    assert one.mine == set()
    away.away = False
    await one.look()
    assert one.mine == {"a"}


async def test_a_look_that_is_not_due_asks_the_store_for_nothing() -> None:
    group = Group("a")
    group.leases = counted = Away(lambda: group.now)
    one = group.node("one")
    for _ in range(100):
        await one.look()
    assert counted.asked == 1
    nothing = group.node("two")
    nothing.wanted = ""
    await nothing.look()
    assert counted.asked == 1


async def test_of_processes_that_take_their_turn_at_a_short_work_one_does_it() -> None:
    group = Group("")
    one, two = group.node("one").share, group.node("two").share
    with one.turn("upkeep") as ours:
        assert ours
        with two.turn("upkeep") as theirs:
            assert not theirs
    with two.turn("upkeep") as theirs:
        assert theirs


async def test_a_process_learns_whether_others_share_its_work() -> None:
    group = Group("ab")
    one, two = group.node("one"), group.node("two")
    await one.look()
    assert one.share.is_alone
    assert not await one.share.has_others()
    await two.look()
    assert await one.share.has_others()
    assert one.share.is_alone, "as of its last look"
    await group.settle(one, rounds=1)
    assert not one.share.is_alone
    await two.share.close()
    assert not await one.share.has_others()
