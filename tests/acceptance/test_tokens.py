"""Tokens by the command line, against a running api that believes what it believed for five seconds at most."""

import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from tifo.app.demo.local import LocalTifo

Call = Callable[..., Any]


def test_a_revoked_token_is_refused_within_seconds(tifo: LocalTifo, call: Call) -> None:
    app = tifo.command("app", "create", "Club")
    made = tifo.command("app", "token", "create", app["client_id"], "--name", "backend")
    listed = tifo.command("app", "token", "list", app["client_id"])
    assert [(token["name"], token.keys() & {"token"}) for token in listed] == [("first", set()), ("backend", set())]
    address = f"{tifo.address}/api/v1/quests/"
    assert call("GET", address, token=made["token"]).status == 200
    tifo.command("app", "token", "revoke", app["client_id"], made["id"])
    deadline = time.monotonic() + 10
    while call("GET", address, token=made["token"]).status == 200:
        assert time.monotonic() < deadline, "the token is believed for too long"
        time.sleep(0.1)
    assert call("GET", address, token=app["producer_token"]).status == 200
    with pytest.raises(subprocess.CalledProcessError) as unknown:
        tifo.command("app", "token", "revoke", app["client_id"], made["id"])
    assert unknown.value.returncode == 2


def test_the_organisations_token_works_under_livelikes_scheme(tifo: LocalTifo, call: Call) -> None:
    token = tifo.command("org", "token", "create", "--name", "laptop")
    headers = {"Authorization": f"Token {token['token']}"}
    address = f"{tifo.address}/api/v1/applications/"
    assert call("POST", address, {"name": "By the API"}, headers=headers).status == 201
    assert "By the API" in {app["name"] for app in call("GET", address, headers=headers).body["results"]}
    assert [row["name"] for row in tifo.command("org", "token", "list")] == ["laptop"]
    tifo.command("org", "token", "revoke", token["id"])
    assert call("GET", address, headers=headers).status == 401


def test_a_rotated_secret_is_shown_once_and_ends_fans_tokens(tifo: LocalTifo, call: Call) -> None:
    app = tifo.command("app", "create", "Rotated")
    fan = call("POST", f"{tifo.address}/api/v1/applications/{app['client_id']}/profile/", raw=b"", token="").body
    rotated = tifo.command("app", "secret", "rotate", app["client_id"])
    assert rotated["client_secret"] != app["client_secret"]
    address = f"{tifo.address}/api/v1/quests/"
    deadline = time.monotonic() + 10
    while call("GET", address, token=fan["access_token"]).status == 200:
        assert time.monotonic() < deadline, "the old secret is believed for too long"
        time.sleep(0.1)
