"""A user's function in its own process: what it raises, how long it takes, and how much memory it has."""

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tifo.destinations.kinds.function import Function
from tifo.destinations.ports import Configured, Event, Fate, Outcome, Tools
from tifo.egress.rules import Egress
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Rejected, Transient
from tifo.kernel.ids import Position


def events(*names: str, kind: str = "track") -> list[Event]:
    bodies = [{"type": kind, "event": name, "messageId": f"m{number}"} for number, name in enumerate(names, 1)]
    return [
        Event(Position(number), body["messageId"], kind, body["event"], "ada", 0.0, msgspec.json.encode(body))
        for number, body in enumerate(bodies, 1)
    ]


async def run(folder: Path, code: str, sent: Sequence[Event], **settings: Any) -> Sequence[Outcome]:
    file = folder / "mine.py"
    file.write_text(textwrap.dedent(code))
    kind = Function()
    async with aiohttp.ClientSession() as session:
        tools = Tools(session, Egress(), system_clock, folder)
        value = kind.check({"file": str(file), **settings})
        destination = await kind.open(Configured("d", "d", value), tools)
        try:
            return await destination.send(sent)
        finally:
            await destination.close()


async def test_each_event_is_handed_to_its_function_with_the_settings(tmp_path: Path) -> None:
    code = f"""
    def on_track(event, settings):
        print("seen", event["event"])
        with open({str(tmp_path / "told")!r}, "a") as file:
            file.write(event["event"] + settings["mark"])
    """
    outcomes = await run(tmp_path, code, events("a", "b", "c"), settings={"mark": "!"})
    assert [each.fate for each in outcomes] == [Fate.DELIVERED] * 3
    assert (tmp_path / "told").read_text() == "a!b!c!"
    (filtered,) = await run(tmp_path, code, events("a", kind="page"))
    assert (filtered.fate, filtered.code) == (Fate.FILTERED, "UNSUPPORTED_EVENT_TYPE")


async def test_what_it_raises_decides(tmp_path: Path) -> None:
    code = """
    import sys
    def on_track(event, settings):
        name = event["event"]
        if name == "exit":
            sys.exit(3)
        if name == "own":
            raise KeyError("gone")
        if name != "well":
            raise globals()[name]("as told")
    """
    names = ["EventNotSupported", "InvalidEventPayload", "ValidationError", "RetryError", "own", "exit", "well"]
    outcomes = await run(tmp_path, code, events(*names))
    assert [(each.fate.value, each.code) for each in outcomes] == [
        ("failed", "UNSUPPORTED_EVENT_TYPE"),
        ("failed", "BAD_REQUEST"),
        ("failed", "INVALID_SETTINGS"),
        ("retry", "RETRY"),
        ("failed", "MESSAGE_REJECTED"),
        ("failed", "MESSAGE_REJECTED"),
        ("delivered", ""),
    ]
    assert "as told" in outcomes[0].detail


async def test_it_is_stopped_when_it_takes_too_long_or_too_much(tmp_path: Path) -> None:
    code = """
    import os, time
    def on_track(event, settings):
        if event["event"] == "slow":
            time.sleep(60)
        if event["event"] == "large":
            bytearray(4 << 30)
        if event["event"] == "stubborn":
            try:
                time.sleep(60)
            except Exception:
                time.sleep(60)
        if event["event"] == "dies":
            os._exit(9)
    """
    outcomes = await run(tmp_path, code, events("slow", "stubborn", "well", "dies"), timeout_s=0.5)
    assert [each.code for each in outcomes] == ["FUNCTION_TIMEOUT", "FUNCTION_TIMEOUT", "", "INVOKE_ERROR"]
    assert {each.fate for each in outcomes} == {Fate.RETRY, Fate.DELIVERED}
    if sys.platform == "linux":  # macOS has no such limit
        (large,) = await run(tmp_path, code, events("large"))
        assert (large.fate, large.code) == (Fate.RETRY, "OUT_OF_MEMORY")


async def test_a_batch_is_taken_whole(tmp_path: Path) -> None:
    code = """
    def on_batch(events, settings):
        if len(events) != 3:
            raise RetryError("more")
    """
    assert {each.fate for each in await run(tmp_path, code, events("a", "b", "c"))} == {Fate.DELIVERED}
    assert {each.code for each in await run(tmp_path, code, events("a", "b"))} == {"RETRY"}


async def test_a_file_that_is_not_there_or_does_not_load_is_told(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="is not there") as refused:
        Function().check({"file": str(tmp_path / "nowhere.py")})
    assert refused.value.field == "file"
    with pytest.raises(Transient, match="SyntaxError"):
        await run(tmp_path, "def on_track(:", events("a"))
    with pytest.raises(Transient, match="no function such as on_track"):
        await run(tmp_path, "x = 1", events("a"))


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("def on_track(event, settings): pass\nx = 1", {"track"}),
        ("import a\nfrom b import c as on_page\non_group = on_alias = c", {"page", "group", "alias"}),
        ("if True:\n    def on_screen(event, settings): pass", {"screen"}),
        ("def on_batch(events, settings): pass", Function.handles),
        ("from b import *", Function.handles),
        ("def on_track(:", Function.handles),
        ("x = 1", set()),
    ],
)
def test_what_a_file_handles_is_known_without_running_it(tmp_path: Path, code: str, named: set[str]) -> None:
    file = tmp_path / "mine.py"
    file.write_text(code)
    assert Function.named_in(str(file)) == named
    assert Function.named_in(str(tmp_path / "gone.py")) == Function.handles


async def test_no_secret_of_tifos_is_in_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIFO_SECRET_KEY", "hush")
    code = """
    import os
    def on_track(event, settings):
        assert not [name for name in os.environ if name.startswith("TIFO")]
    """
    (outcome,) = await run(tmp_path, code, events("a"))
    assert outcome.fate is Fate.DELIVERED


def test_a_function_handles_the_calls_that_its_file_has_functions_for(tmp_path: Path) -> None:
    file = tmp_path / "function.py"
    file.write_text("def on_track(event, settings): pass\ndef on_deploy(): pass")
    assert Function().handled({"file": str(file)}) == {"track"}
