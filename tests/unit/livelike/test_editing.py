"""Only a producer's body is looked at, and an unnamed field stays as it is."""

from typing import Any


async def test_a_fan_who_changes_a_definition_is_refused_before_the_body_is_read(stage: Any) -> None:
    fan = await stage.world.fan()
    for path in (
        f"programs/{stage.world.program_id}/",
        f"reward-items/{stage.item['id']}/",
        f"reward-actions/{stage.action['id']}/",
        f"reward-tables/{stage.table['id']}/",
        f"badges/{stage.badge['id']}/",
        f"quests/{stage.quest['id']}/",
        f"quest-tasks/{stage.vote_task['id']}/",
    ):
        answer = await stage.world.call("PATCH", path, raw=b"no JSON", token=fan["access_token"])
        assert (answer.status, path) == (403, path)


async def test_a_change_sets_null_where_null_is_sent_and_keeps_what_is_not_named(stage: Any) -> None:
    path = f"badges/{stage.badge['id']}/"
    changed = await stage.world.call("PATCH", path, {"image_url": None, "key": "voter"})
    assert changed.body == {
        **stage.badge,
        "key": "voter",
        "image_url": None,
        "badge_icon_url": None,
        "file": None,
    }
    empty = await stage.world.call("PATCH", path, {})
    assert empty.body == changed.body
