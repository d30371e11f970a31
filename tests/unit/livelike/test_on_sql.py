"""The routes on the real engine and queries, on SQLite: one fan's match from sign-up to claim."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from tests.unit.livelike.clients import Match


async def test_a_fan_plays_a_match_from_sign_up_to_claim(match: Match) -> None:
    points = await match.make("reward-items/", name="Points")
    await match.make("reward-actions/", name="Vote", key="vote")
    entry = {"reward_item_id": points["id"], "reward_item_amount": 5, "action": "vote"}
    await match.make("reward-tables/", name="Match", entries=[entry])
    badge = await match.make("badges/", name="Voter", reward_item_id=points["id"], reward_item_threshold=10)
    quest = await match.make("quests/", name="Matchday", timeout="PT2H")
    await match.make("quest-tasks/", quest_id=quest["id"], name="Vote", reward_action_key="vote", target_value=2)
    watch = await match.make("quest-tasks/", quest_id=quest["id"], name="Watch", default_progress_increment=0.1)
    reward = {"reward_item_id": points["id"], "reward_item_amount": 7}
    await match.make("quest-rewards/", quest_id=quest["id"], quest_rewards=[reward])

    fan = await match.make(f"applications/{match.client_id}/profile/", token="", nickname="Zoë")
    token = fan["access_token"]
    run = await match.make("user-quests/", token=token, quest_id=quest["id"], profile_id=fan["id"])
    task = next(t for t in run["user_quest_tasks"] if t["quest_task"]["id"] == watch["id"])
    for _ in range(10):
        progressed = await match.make("user-quest-task-progress/", token=token, user_quest_task_id=task["id"])
    assert (progressed["user_quest_task"]["status"], progressed["user_quest_task"]["progress"]) == ("completed", 1)
    for code in ("a", "b"):
        body = {"program_id": match.made.application.default_program_id, "profile_id": fan["id"], "code": code}
        await match.make("invoked-actions/", **body, reward_action_key="vote")
        again = await match.call("POST", "invoked-actions/", {**body, "reward_action_key": "vote"})
        assert (again.status_code, again.json()) == (409, {"detail": "code already used."})

    claimed = await match.call("PATCH", f"user-quests/{run['id']}/", {"rewards_status": "claimed"}, token)
    assert (claimed.status_code, claimed.json()["status"]) == (200, "completed")
    own = await match.get(f"applications/{match.client_id}/profile/", token)
    [balance] = (await match.get(own["reward_item_balances_url"].partition("/api/v1/")[2], token))["results"]
    assert balance["reward_item_balance"] == 17
    [earned] = (await match.get(f"profiles/{fan['id']}/badges/", token))["results"]
    assert earned["badge"]["id"] == badge["id"]
    transactions = (await match.get("reward-transactions/", token))["results"]
    assert [row["reward_item_amount"] for row in transactions] == [7, 5, 5]
    listed = await match.get(f"user-quests/?profile_id={fan['id']}&rewards_status=claimed", token)
    assert [r["id"] for r in listed["results"]] == [run["id"]]


async def test_a_write_repeated_with_its_key_answers_alike_from_the_store(match: Match) -> None:
    points = await match.make("reward-items/", name="Points")
    fan = await match.make(f"profile-by-custom-id/{match.client_id}/fan-1/")
    body = {"reward_item_id": points["id"], "reward_item_amount": 3}
    path, key = f"profiles/{fan['id']}/reward-item-credits/", {"Idempotency-Key": "k"}
    answers = await asyncio.gather(*(match.call("POST", path, body, **key) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5
    assert len({answer.text for answer in answers}) == 1
    clash = await match.call("POST", path, {**body, "reward_item_amount": 4}, **key)
    assert (clash.status_code, list(clash.json())) == (409, ["detail"])


async def test_tokens_are_believed_by_what_the_store_holds(match: Match) -> None:
    assert (await match.call("GET", "quests/", token="no-such-token")).status_code == 401
    fan = await match.make(f"applications/{match.client_id}/profile/", token="")
    assert (await match.call("GET", "quests/", token=fan["access_token"])).status_code == 200
    assert (await match.call("GET", "quests/", token=fan["access_token"][:-4] + "AAAA")).status_code == 401


@pytest.mark.parametrize("path", ["invoked-actions", "reward-transactions"])
async def test_following_next_shows_each_row_once_while_rows_are_added(match: Match, path: str) -> None:
    points = await match.make("reward-items/", name="Points")
    await match.make("reward-actions/", name="Vote", key="vote")
    entry = {"reward_item_id": points["id"], "reward_item_amount": 5, "action": "vote"}
    await match.make("reward-tables/", name="Match", entries=[entry])
    fan = await match.make(f"applications/{match.client_id}/profile/", token="")
    body = {"program_id": match.made.application.default_program_id, "profile_id": fan["id"]}

    async def act() -> None:
        await match.make("invoked-actions/", **body, reward_action_key="vote")

    for _ in range(7):
        await act()
    there = [row["id"] for row in (await match.get(f"{path}/"))["results"]]
    seen, pages, address = [], [], f"{path}/?page_size=3"
    while address:
        page = await match.get(address)
        pages.append(page)
        seen += [row["id"] for row in page["results"]]
        await act()
        await act()
        address = (page["next"] or "").partition("/api/v1/")[2]
    assert seen == there
    assert [len(page["results"]) for page in pages] == [3, 3, 1]
    back = await match.get(pages[2]["previous"].partition("/api/v1/")[2])
    assert back["results"] == pages[1]["results"]
    assert back["next"] == pages[1]["next"]
    by_number = await match.get(f"{path}/?page_size=3&page=2")
    assert by_number["count"] == 13
    assert by_number["results"][0]["id"] not in there
    other_way = (await match.call("GET", f"{path}/?before=1&after=2")).status_code
    assert other_way == 404


async def test_invoked_actions_are_filtered_by_what_the_store_holds(match: Match) -> None:
    await match.make("reward-actions/", name="Vote", key="vote")
    fan = await match.make(f"applications/{match.client_id}/profile/", token="")
    body = {"program_id": match.made.application.default_program_id, "profile_id": fan["id"]}
    tricky = {"key": 'a"b', "value": "Ünï:c%_'"}
    for code, attributes in (("one", [tricky]), ("two", [{"key": "k", "value": "V"}])):
        await match.make(
            "invoked-actions/",
            **body,
            reward_action_key="vote",
            code=code,
            attributes=attributes,
            description=str(tricky),
        )

    async def codes(**query: str) -> list[str]:
        found = await match.get(f"invoked-actions/?{urlencode(query)}")
        return [action["code"] for action in found["results"]]

    assert await codes(ordering="created_at") == ["one", "two"]
    assert await codes(attributes=f"{tricky['key']}:{tricky['value']}") == ["one"]
    assert await codes(attributes="k:V") == ["two"]
    assert await codes(attributes="k:v") == []
    assert await codes(code="two") == ["two"]
    assert await codes(since="2100-01-01T00:00:00Z") == []
    assert await codes(until="2100-01-01T00:00:00Z", ordering="created_at") == ["one", "two"]


async def test_the_organisations_token_makes_and_changes_applications_and_nothing_else(match: Match) -> None:
    match.access.add_token(None, "laptop", "organisation token")
    made = await match.make("applications/", token="organisation token", name="Second")
    assert made["client_secret"] != made["producer_token"]
    listed = await match.get("applications/", "organisation token")
    assert [app["name"] for app in listed["results"]] == ["Club", "Second"]
    assert "client_secret" not in listed["results"][1]
    path = f"applications/{made['client_id']}/"
    changed = await match.call("PATCH", path, {"name": "2nd"}, "organisation token")
    assert (changed.status_code, changed.json()["name"]) == (200, "2nd")
    item = await match.make("reward-items/", token=made["producer_token"], name="Points")
    assert item["client_id"] == made["client_id"]
    for path in ("reward-items/", f"applications/{match.client_id}/badges/"):
        refused = await match.call("GET", path, token="organisation token")
        assert (refused.status_code, "organisation" in refused.json()["detail"]) == (403, True)
    fan = await match.make(f"applications/{match.client_id}/profile/", token="")
    expected = {match.made.producer_token: 403, fan["access_token"]: 403, "no such token": 401, "": 401}
    for token, status in expected.items():
        for method, path in (
            ("GET", "applications/"),
            ("POST", "applications/"),
            ("GET", f"applications/{match.client_id}/tokens/"),
            ("POST", f"applications/{match.client_id}/tokens/"),
            ("DELETE", f"applications/{match.client_id}/tokens/x/"),
            ("POST", f"applications/{match.client_id}/client-secret/"),
        ):
            answer = await match.call(method, path, {"name": "N"} if method == "POST" else None, token)
            assert answer.status_code == status, (method, path, token)
    assert len(match.access.applications()) == 2


async def test_producer_tokens_are_named_listed_and_revoked_at_once(match: Match) -> None:
    match.access.add_token(None, "laptop", "organisation token")
    path = f"applications/{match.client_id}/tokens/"
    made = await match.make(path, token="organisation token", name="backend")
    assert (await match.call("GET", "quests/", token=made["token"])).status_code == 200
    listed = (await match.get(path, "organisation token"))["results"]
    assert [(row["name"], "token" in row) for row in listed] == [("first", False), ("backend", False)]
    gone = await match.call("DELETE", f"{path}{made['id']}/", token="organisation token")
    assert gone.status_code == 204
    assert (await match.call("GET", "quests/", token=made["token"])).status_code == 401
    assert (await match.call("GET", "quests/")).status_code == 200
    assert (await match.call("DELETE", f"{path}{made['id']}/", token="organisation token")).status_code == 404
    [own] = match.access.tokens(None)
    match.access.revoke_token(None, own.id)
    assert (await match.call("GET", path, token="organisation token")).status_code == 401


async def test_a_new_client_secret_ends_every_fans_token(match: Match) -> None:
    match.access.add_token(None, "laptop", "organisation token")
    fan = await match.make(f"applications/{match.client_id}/profile/", token="")
    assert (await match.call("GET", "quests/", token=fan["access_token"])).status_code == 200
    path = f"applications/{match.client_id}/client-secret/"
    secret = (await match.call("POST", path, token="organisation token")).json()["client_secret"]
    assert (await match.call("GET", "quests/", token=fan["access_token"])).status_code == 401
    claims = {"iss": match.client_id, "iat": 1_700_000_000, "custom_profile_id": "fan-1"}
    signed = jwt.encode(claims, secret, algorithm="HS256")
    assert (await match.get(f"applications/{match.client_id}/profile/", signed))["custom_id"] == "fan-1"


async def test_the_organisations_writes_are_done_once_for_an_idempotency_key(match: Match) -> None:
    """The secrets are the same again, although the store has only their digests; and another token cannot get them."""
    for token in ("organisation token", "other token"):
        match.access.add_token(None, token, token)
    tokens = f"applications/{match.client_id}/tokens/"
    writes: list[tuple[str, str, Any]] = [
        ("POST", "applications/", {"name": "Second"}),
        ("POST", tokens, {"name": "backend"}),
        ("POST", f"applications/{match.client_id}/client-secret/", None),
        ("DELETE", f"{tokens}{match.access.tokens(match.client_id)[0].id}/", None),
    ]
    for number, (method, path, body) in enumerate(writes):
        key = {"Idempotency-Key": f"a key that is used twice {number}"}
        first = await match.call(method, path, body, "organisation token", **key)
        again = await match.call(method, path, body, "organisation token", **key)
        assert first.is_success
        assert (again.status_code, again.text) == (first.status_code, first.text), path
        clash = await match.call(method, path, {"name": "Third"}, "organisation token", **key)
        assert clash.status_code == 409, path
        if method == "POST":
            other = await match.call(method, path, body, "other token", **key)
            assert other.is_success
            assert other.text != first.text
    assert [app.name for app in match.access.applications()] == ["Club", "Second", "Second"]


PNG = b"\x89PNG\r\n\x1a\n" + b"the rest of a picture"


async def _upload(match: Match, content: bytes, **fields: str) -> Any:
    headers = {"Authorization": f"Bearer {match.made.producer_token}"}
    return await match.http.post(
        "/api/v1/badges/",
        data={"name": "Voter", **fields},
        files={"file": ("x.svg", content, "text/html")},
        headers=headers,
    )


async def test_an_uploaded_picture_is_served_from_here_as_what_it_is(match: Match) -> None:
    points = await match.make("reward-items/", name="Points")
    threshold = {"reward_item_id": points["id"], "reward_item_threshold": "10", "client_id": match.client_id}
    made = await _upload(match, PNG, **threshold, attributes='[{"key": "a", "value": "b"}]')
    assert made.status_code == 201, made.text
    badge = made.json()
    assert (badge["reward_item_threshold"], badge["attributes"]) == (10, [{"key": "a", "value": "b"}])
    assert badge["file"] == badge["badge_icon_url"]
    assert badge["file"].startswith("https://x.example/media/")
    assert badge["file"].endswith(".png")
    served = await match.http.get(badge["file"].removeprefix("https://x.example"))
    assert (served.status_code, served.content, served.headers["content-type"]) == (200, PNG, "image/png")
    assert served.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in served.headers["cache-control"]
    other = await match.http.get(badge["file"].removeprefix("https://x.example").replace(".png", ".gif"))
    assert other.status_code == 404


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", 400),
        (b"", 400),
        (PNG + bytes(1 << 20), 413),
        (PNG + bytes(3 << 20), 413),
    ],
    ids=["svg", "empty", "over 1 MiB", "over what a request may hold"],
)
async def test_what_is_no_picture_or_too_large_is_refused(match: Match, content: bytes, status: int) -> None:
    refused = await _upload(match, content)
    assert (refused.status_code, list(refused.json())) == (status, ["detail"] if status == 413 else ["file"])
    assert (await match.get(f"applications/{match.client_id}/badges/"))["count"] == 0


async def test_a_form_that_is_none_is_refused(match: Match) -> None:
    headers = {
        "Authorization": f"Bearer {match.made.producer_token}",
        "Content-Type": "multipart/form-data; boundary=x",
    }
    for content in (b"", b"no form", b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nV'):
        answer = await match.http.post("/api/v1/badges/", content=content, headers=headers)
        assert answer.status_code == 400, answer.text
    del headers["Content-Type"]
    lost = {**headers, "Content-Type": "multipart/form-data"}
    assert (await match.http.post("/api/v1/badges/", content=b"x", headers=lost)).status_code == 400


async def test_a_repeated_upload_makes_one_badge(match: Match) -> None:
    headers = {
        "Authorization": f"Bearer {match.made.producer_token}",
        "Content-Type": "multipart/form-data; boundary=x",
        "Idempotency-Key": "k",
    }
    part = b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    content = part % (b"name", b"", b"Voter") + part % (b"file", b'; filename="f"', PNG) + b"--x--\r\n"
    first = await match.http.post("/api/v1/badges/", content=content, headers=headers)
    again = await match.http.post("/api/v1/badges/", content=content, headers=headers)
    assert (first.status_code, first.text) == (201, again.text)
    assert (await match.get(f"applications/{match.client_id}/badges/"))["count"] == 1
