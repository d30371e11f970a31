"""Tokens are accepted until they expire, are revoked, or their secret is replaced."""

import base64
import json
from typing import Any

import jwt
import pytest

OTHER_SECRET = "a secret of somebody else, long enough"


async def _status(world: Any, token: str, scheme: str = "Bearer") -> int:
    path = f"applications/{world.client_id}/profile/"
    answer = await world.call("GET", path, headers={"Authorization": f"{scheme} {token}"})
    if answer.status == 401:
        assert list(answer.body) == ["detail"]
        assert answer.headers["www-authenticate"] == "Bearer"
        assert token not in json.dumps(answer.body)
    status: int = answer.status
    return status


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_a_token_that_is_well_signed_is_believed(world: Any) -> None:
    assert await _status(world, world.signed(custom_profile_id="f")) == 200
    assert await _status(world, (await world.fan())["access_token"], "bearer") == 200


async def test_tokens_that_are_not_well_signed_are_401(world: Any) -> None:
    good = world.signed(custom_profile_id="f")
    header, claims, signature = good.split(".")
    payload = {"iss": world.client_id, "iat": 1, "custom_profile_id": "f"}
    flipped = ("A" if signature[5] != "A" else "B").join((signature[:5], signature[6:]))
    bad = {
        "another secret": world.signed(custom_profile_id="f", secret=OTHER_SECRET),
        "no algorithm": f"{_part({'alg': 'none', 'typ': 'JWT'})}.{claims}.",
        "another algorithm": jwt.encode(
            payload, f"the client secret of application {world.client_id}" * 3, algorithm="HS512"
        ),
        "altered claims": f"{header}.{_part({**payload, 'custom_profile_id': 'g'})}.{signature}",
        "altered signature": f"{header}.{claims}.{flipped}",
        "an unknown application": world.signed(client_id="nobody", custom_profile_id="f"),
        "no issuer": world.signed(iss=None, custom_profile_id="f"),
        "no iat": world.signed(iat=None, custom_profile_id="f"),
        "names nobody": world.signed(),
        "an empty custom id": world.signed(custom_profile_id=""),
        "a long custom id": world.signed(custom_profile_id="x" * 256),
        "a custom id of a wrong type": world.signed(custom_profile_id=7),
        "expired": world.signed(custom_profile_id="f", exp=1),
        "expiry of a wrong type": world.signed(custom_profile_id="f", exp="never"),
        "expiry that is no number": world.signed(custom_profile_id="f", exp=float("nan")),
        "dots only": "..",
        "no base64": "$.$.$",
        "deep claims": f"{header}.{base64.urlsafe_b64encode(b'[' * 2_500).decode()}.x",
        "too long": "x" * 5_000,
        "an unknown producer token": "no-such-token",
    }
    assert {what: await _status(world, token) for what, token in bad.items()} == dict.fromkeys(bad, 401)


async def test_a_token_expires_although_it_was_cached(world: Any) -> None:
    token = world.signed(custom_profile_id="f", exp=int(world.clock().timestamp()) + 10)
    assert await _status(world, token) == 200
    assert await _status(world, token) == 200
    world.clock.tick(9)
    assert await _status(world, token) == 200
    world.clock.tick(1)
    assert await _status(world, token) == 401


@pytest.mark.parametrize("scheme", ["Bearer", "Token"])
async def test_a_producer_token_is_looked_up_once_and_again_after_a_while(world: Any, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {world.producer}"}

    async def reads() -> int:
        before = world.twin.reads
        assert (await world.call("GET", "quests/", headers=headers)).status == 200
        return int(world.twin.reads - before)

    assert [await reads(), await reads()] == [1, 0]
    world.clock.tick(31)
    assert await reads() == 1


async def test_one_applications_secret_signs_for_it_alone(world: Any) -> None:
    forged = world.signed(custom_profile_id="f", secret=f"the client secret of application {world.rival_id}")
    assert await _status(world, forged) == 401
    rivals = world.signed(client_id=world.rival_id, custom_profile_id="f")
    assert await _status(world, rivals) == 403


async def test_an_invoked_action_by_a_known_producer_for_a_known_fan_reads_nothing(stage: Any) -> None:
    world = stage.world
    fan = await world.fan()
    before = world.twin.reads
    body = {"program_id": world.program_id, "profile_id": fan["id"], "reward_action_key": "vote"}
    assert (await world.make("invoked-actions/", **body))["profile_nickname"] == "Zoë"
    assert world.twin.reads == before
