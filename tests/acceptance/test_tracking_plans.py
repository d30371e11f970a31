"""Tracking plans through the real `tifo up`: what comes in by HTTP, what the warehouse has, what is counted."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.commands import command
from tifo.app.demo.local import LocalTifo
from tifo.app.settings import Settings
from tifo.kernel.errors import Rejected
from tifo.source.events import EVENTS

WITHIN_S = 15.0
Call = Callable[..., Any]
ORDER = {
    "type": "TRACK",
    "key": "Order Completed",
    "version": 1,
    "jsonSchema": {
        "type": "object",
        "properties": {
            "properties": {
                "type": "object",
                "properties": {
                    "total": {"type": "number"},
                    "coupon": {"type": "string"},
                    "address": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
                },
                "required": ["total"],
            }
        },
    },
}
COMMON = {"type": "COMMON", "version": 1, "jsonSchema": {"properties": {"context": {"required": ["app"]}}}}


def until(is_so: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WITHIN_S
    while not (found := is_so()):
        if time.monotonic() > deadline:
            raise AssertionError(found)
        time.sleep(0.1)
    return found


def tries(tifo: LocalTifo, *words: str) -> tuple[int, str]:
    """The exit code and what is printed, of a command that may end with another one than 0."""
    try:
        return 0, json.dumps(tifo.command(*words))
    except subprocess.CalledProcessError as error:
        return error.returncode, error.stdout


def rows_of(tifo: LocalTifo, query: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = command(Settings(data=tifo.data), "sql", query)
    except Rejected:  # the table is not there yet
        return []
    return found


class Shop:
    """A source with a plan, and what became of its events."""

    def __init__(self, tifo: LocalTifo, call: Call, name: str, tmp_path: Path, *rules: object) -> None:
        self._tifo = tifo
        self._call = call
        self.slug = name
        self._settings = Settings(data=tifo.data)
        self._key = command(self._settings, "source", "create", name, "--type", "http")["write_key"]
        self.sent = 0
        file = tmp_path / "rules.json"
        file.write_text(json.dumps({"rules": rules}))
        command(self._settings, "plan", "create", f"plan of {name}", "--rules", str(file))
        command(self._settings, "plan", "connect", f"plan of {name}", name)

    def controls(self, *settings: str) -> None:
        command(self._settings, "plan", "controls", self.slug, *(f"--set={each}" for each in settings))
        time.sleep(1.5)  # every process sees it within a second

    def send(self, properties: dict[str, Any], event: str = "Order Completed", **more: Any) -> int:
        self.sent += 1
        body = {"userId": "ada", "event": event, "properties": properties, **more}
        status: int = self._call("POST", f"{self._tifo.address}/v1/track", body, write_key=self._key)[0]
        return status

    def rows(self, table: str = "tracks", where: str = "true") -> list[dict[str, Any]]:
        return rows_of(self._tifo, f"select * from {self.slug}.{table} where {where}")

    def counted(self) -> dict[str, int]:
        errors = [each for each in command(self._settings, "delivery", "errors") if each["where"] == "ingest"]
        return {each["code"]: each["count"] for each in errors if each["source"] == self.slug}

    def adds_up(self) -> bool:
        return len(self.rows()) + sum(self.counted().values()) == self.sent


def test_events_are_let_through_blocked_or_stripped_as_the_controls_say_and_all_are_counted(
    tifo: LocalTifo, call: Call, tmp_path: Path
) -> None:
    for name in ("plan_alarm", "plan_blocked"):
        command(Settings(data=tifo.data), "source", "create", name, "--type", "http")
    shop = Shop(tifo, call, "plan_shop", tmp_path, ORDER)
    shop.controls("forwardingViolationsTo=plan_alarm", "forwardingBlockedEventsTo=plan_blocked")
    assert [shop.send(each) for each in ({"total": 1}, {"coupon": "x"}, {"total": "much"})] == [200, 200, 200]
    assert shop.send({}, event="Surprise") == 200
    shop.controls("track.allowUnplannedEvents=false", "track.allowEventOnViolations=false")
    assert [shop.send({}, event="Nope"), shop.send({"coupon": "y"}), shop.send({"total": 2})] == [200, 200, 200]
    shop.controls(
        "track.allowEventOnViolations=true",
        "track.allowPropertiesOnViolations=false",
        "track.allowUnplannedEventProperties=false",
    )
    assert shop.send({"total": 3, "coupon": 7, "odd": 1}) == 200
    until(lambda: len(shop.rows()) == 6)
    assert shop.counted() == {"unplanned": 1, "schema_violation": 1}
    assert shop.adds_up()
    (stripped,) = shop.rows("order_completed", "total = '3'")
    assert stripped["coupon"] is None
    assert "odd" not in stripped
    told = tifo.command("plan", "violations", "plan_shop", "--since", "1h")
    by_kind = {(each["event"], each["violation"], each["field"]): each for each in told}
    assert by_kind["Order Completed", "Required", "properties.total"]["count"] == 2
    assert by_kind["Order Completed", "Required", "properties.total"]["blocked"] == 1
    assert by_kind["Order Completed", "Invalid Type", "properties.coupon"]["omitted"] == 1
    assert by_kind["Order Completed", "Unplanned Property", "properties.odd"]["omitted"] == 1
    assert by_kind["Nope", "Unplanned Event", ""]["blocked"] == 1
    made = "select * from plan_alarm.violation_generated"
    alarm = until(lambda: len(found := rows_of(tifo, made)) == 7 and found)
    assert {each["user_id"] for each in alarm} == {"schema-violations"}
    assert sum(each["count"] for each in told) == len(alarm)
    blocked = rows_of(tifo, "select event_text from plan_blocked.tracks order by 1")
    assert [each["event_text"] for each in blocked] == ["Nope", "Order Completed"]


def test_the_common_rule_comes_after_the_events_own(tifo: LocalTifo, call: Call, tmp_path: Path) -> None:
    shop = Shop(tifo, call, "plan_common", tmp_path, ORDER, COMMON)
    shop.controls("track.commonEventOnViolations=BLOCK")
    shop.send({"total": 1})
    shop.send({"total": 2}, context={"app": {"version": "1"}})
    until(lambda: len(shop.rows()) == 1)
    assert shop.counted() == {"common_schema_violation": 1}


def test_what_landed_is_checked_against_the_plan(tifo: LocalTifo, call: Call, tmp_path: Path) -> None:
    shop = Shop(tifo, call, "plan_checked", tmp_path, ORDER, {**ORDER, "key": "Never Sent"})
    shop.send({"total": 1, "address": {"city": "Rome"}})
    shop.send({"total": 2})
    shop.send({}, event="Surprise")
    until(lambda: len(shop.rows()) == 3)
    verdict = tifo.command("events", "check", "plan_checked")
    (checked,) = verdict["sources"]
    assert verdict["ok"]
    assert {each["event"]: each["rows"] for each in checked["events"]} == {"Order Completed": 2, "Never Sent": 0}
    (order, _) = checked["events"]
    present = {each["property"]: (each["required"], each["present"]) for each in order["properties"]}
    assert present == {"total": (True, 2), "coupon": (False, 0), "address.city": (False, 1)}
    assert checked["unplanned"] == [{"event": "Surprise", "rows": 1}]
    shop.send({"coupon": "x"}, messageId="without-total")
    until(lambda: len(shop.rows()) == 4)
    code, told = tries(tifo, "events", "check", "plan_checked")
    assert code == 1
    total = json.loads(told)["sources"][0]["events"][0]["properties"][0]
    assert (total["missing"], total["examples"]) == (1, ["without-total"])


def test_a_livelike_source_is_checked_by_the_plan_of_its_six_events(tifo: LocalTifo, call: Call) -> None:
    made = tifo.command("source", "create", "plan_livelike", "--type", "livelike")
    time.sleep(1.5)
    for event in EVENTS.values():
        whole = {each.name: 1 if each.type == "number" else "x" for each in event.properties}
        body = {"userId": "ada", "event": event.name, "properties": whole}
        assert call("POST", f"{tifo.address}/v1/track", body, write_key=made["write_key"])[0] == 200
    until(lambda: len(rows_of(tifo, "select id from plan_livelike.tracks")) == 6)
    verdict = tifo.command("events", "check", "plan_livelike")
    assert verdict["ok"]
    assert [each["rows"] for each in verdict["sources"][0]["events"]] == [1] * 6
    assert tifo.command("plan", "violations", "plan_livelike") == []
    tifo.command("plan", "disconnect", "plan_livelike")
    assert tries(tifo, "events", "check", "plan_livelike")[0] == 2


def test_a_plan_that_is_none_is_refused_with_its_place(tifo: LocalTifo, tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    file.write_text(json.dumps([{**ORDER, "jsonSchema": {"properties": {"properties": {"type": "strin"}}}}]))
    code, _ = tries(tifo, "plan", "create", "bad", "--rules", str(file))
    assert code == 2
    assert all(plan["name"] != "bad" for plan in tifo.command("plan", "list"))
