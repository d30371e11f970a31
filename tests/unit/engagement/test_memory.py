"""The engine in memory answers as its contract says."""

from typing import Any

import pytest

from tifo.engagement import commands as c
from tifo.engagement.memory import ApplicationState, InMemoryEngine, InMemoryState
from tifo.engagement.ports import Idempotency
from tifo.kernel.errors import Conflict, NotFound, Rejected
from tifo.kernel.ids import ClientId


@pytest.fixture
def state(club: Any) -> InMemoryState:
    club.pays("vote", (club.points, 5))
    return InMemoryState.of([club.working.game])


@pytest.fixture
def engine(club: Any, state: InMemoryState) -> InMemoryEngine:
    return InMemoryEngine(state, lambda: club.now, club.new_id)


@pytest.fixture
def left(state: InMemoryState) -> ApplicationState:
    """What the accepted commands left behind."""
    return state.applications[ClientId("club")]


def vote(club: Any, **more: Any) -> Any:
    fields = {"client_id": "club", "program_id": club.program_id, "reward_action_key": "vote", **more}
    return c.InvokeAction(**{"custom_profile_id": "bo", **fields})


async def test_it_defines_and_plays(club: Any, engine: InMemoryEngine, left: ApplicationState) -> None:
    item = await engine.handle(c.CreateRewardItem(client_id=club.working.game.application.id, name="Cups"))
    fan = await engine.handle(c.CreateProfile(client_id=club.working.game.application.id, custom_id="bo"))
    invoked = await engine.handle(vote(club))
    assert left.game.reward_items[item.id] == item
    assert left.invoked == [invoked]
    assert [row.profile_id for row in left.transactions] == [fan.id]
    assert [fact.profile_id for fact in left.facts] == [fan.id]


async def test_the_same_key_and_body_gives_the_first_answer_again(
    club: Any, engine: InMemoryEngine, left: ApplicationState
) -> None:
    await engine.handle(c.CreateProfile(client_id=club.working.game.application.id, custom_id="bo"))
    first = await engine.handle(vote(club), Idempotency("key", b"body"))
    assert await engine.handle(vote(club), Idempotency("key", b"body")) == first
    with pytest.raises(Conflict, match="'key'"):
        await engine.handle(vote(club), Idempotency("key", b"other"))
    assert (len(left.invoked), len(left.transactions), len(left.facts)) == (1, 1, 1)


async def test_a_rejected_command_does_not_use_its_key_up(club: Any, engine: InMemoryEngine) -> None:
    with pytest.raises(Rejected):
        await engine.handle(vote(club), Idempotency("key", b"body"))
    await engine.handle(c.CreateProfile(client_id=club.working.game.application.id, custom_id="bo"))
    assert (await engine.handle(vote(club), Idempotency("key", b"body"))).rewards


async def test_an_unknown_application_is_not_found(club: Any, engine: InMemoryEngine) -> None:
    with pytest.raises(NotFound):
        await engine.handle(vote(club, client_id="nothing"))


async def test_of_several_actions_each_is_done_or_refused_by_itself(
    club: Any, engine: InMemoryEngine, left: ApplicationState
) -> None:
    await engine.handle(c.CreateProfile(client_id=club.working.game.application.id, custom_id="bo"))
    one, other = vote(club, code="1"), vote(club)
    batch = c.InvokeActions(client_id=one.client_id, actions=(one, one, other))
    first, second, third = await engine.handle(batch)
    assert (first.refused, second.refused, third.refused) == (None, "code already used.", None)
    assert [first.invoked, third.invoked] == left.invoked
    assert (len(left.transactions), len(left.facts)) == (2, 2)
