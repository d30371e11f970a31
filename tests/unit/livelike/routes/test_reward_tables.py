"""Entries of reward tables, their limits, and the programs that a table is linked to."""

import asyncio

from tests.unit.livelike.clients import Club


async def test_an_entry_pays_within_its_limits_also_after_it_was_changed(club: Club) -> None:
    limit = {"is_enabled": True, "action_limit_count": 2, "duration": "all_time"}
    table = await club.make("reward-tables/", name="Match", entries=[club.entry(reward_limit=limit), club.entry(1)])
    assert table["entries"][0]["reward_limit"] == {**limit, "timezone": "UTC"}
    assert [await club.vote(), await club.vote(), await club.vote()] == [[5, 1], [5, 1], [1]]
    path = f"reward-tables/{table['id']}/entries/{table['entries'][0]['id']}/"
    wider = {**limit, "action_limit_count": 3}
    assert (await club.call("PATCH", path, club.entry(7, reward_limit=wider))).status_code == 200
    assert [await club.vote(), await club.vote()] == [[7, 1], [1]]
    bad = {"is_enabled": True, "action_limit_count": 1, "duration": "day", "timezone": "Mars/Base"}
    refused = await club.call("PATCH", path, club.entry(7, reward_limit=bad))
    assert (refused.status_code, [*refused.json()]) == (400, ["reward_limit"])


async def test_an_entrys_id_counts_only_where_a_tables_entries_are_replaced(club: Club) -> None:
    table = await club.make("reward-tables/", name="Match", entries=[club.entry()])
    [first] = table["entries"]
    path = f"reward-tables/{table['id']}/"
    kept = club.entry(1, id=first["id"])
    changed = (await club.call("PATCH", path, {"entries": [club.entry(2), kept]})).json()["entries"]
    assert [(each["reward_item_amount"], each["id"] == first["id"]) for each in changed] == [(2, False), (1, True)]
    twice = await club.call("PATCH", path, {"entries": [kept, kept]})
    assert (twice.status_code, [*twice.json()]) == (400, ["entries"])
    assert (await club.get(path))["entries"] == changed
    assert (await club.make(f"{path}entries/", **kept))["id"] != first["id"]
    other = await club.make("reward-tables/", name="Other", entries=[kept])
    assert other["entries"][0]["id"] != first["id"]
    elsewhere = await club.call("PATCH", f"reward-tables/{other['id']}/", {"entries": [kept]})
    assert elsewhere.status_code == 404


async def test_a_table_pays_in_the_programs_that_it_is_linked_to(club: Club) -> None:
    cup = await club.make("programs/", name="Cup")
    table = await club.make("reward-tables/", name="Match", entries=[club.entry()])
    links = f"reward-tables/{table['id']}/programs/"
    assert (await club.make(links, program_id=cup["id"]))["program_ids"] == [club.program_id, cup["id"]]
    assert (await club.call("DELETE", f"{links}{club.program_id}/")).status_code in {200, 204}
    assert [each["id"] for each in (await club.get(links))["results"]] == [cup["id"]]
    assert await club.vote() == []
    assert (await club.call("DELETE", f"{links}{club.program_id}/")).status_code == 404


async def test_links_that_are_made_at_once_are_all_kept(club: Club) -> None:
    programs = [(await club.make("programs/", name=f"Cup {n}"))["id"] for n in range(8)]
    table = await club.make("reward-tables/", name="Match")
    links = f"reward-tables/{table['id']}/programs/"
    await asyncio.gather(*(club.make(links, program_id=each) for each in programs))
    assert {each["id"] for each in (await club.get(links))["results"]} == {club.program_id, *programs}
    await asyncio.gather(*(club.call("DELETE", f"{links}{each}/") for each in programs))
    assert [each["id"] for each in (await club.get(links))["results"]] == [club.program_id]
