"""The loader's process dies at any moment: every event is in the warehouse once."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.shards import SHARD
from tifo.warehouses.ports import Warehouse

_CHILD = Path(__file__).with_name("child.py")
_EVENTS = 10_000
_KILLS = 4


@pytest.fixture(autouse=True)
def outlives_its_process(kind: str) -> None:
    if kind == "memory":
        pytest.skip("it ends with its process")


@pytest.mark.kill
def test_a_loader_killed_again_and_again_loads_every_event_once(kind: str, place: str, warehouse: Warehouse) -> None:
    moments = random.Random(11)
    kills = 0
    while kills < _KILLS:
        with _child(kind, place) as child:
            assert child.stdout is not None
            if child.stdout.readline() == "done\n":
                break
            time.sleep(moments.uniform(0, 0.08))  # the moment of death, not a wait for something
            child.kill()
            kills += 1
    assert kills >= 3, "it was done too early to be killed"
    with _child(kind, place) as child:
        output, _ = child.communicate(timeout=60)
        assert output.splitlines()[-1] == "done"
    broken = len([n for n in range(_EVENTS) if n % 500 == 7])
    assert warehouse.positions(SHARD)["one"].position == _EVENTS
    assert warehouse.tables("one") == {
        "_discards": broken,
        "event_0": _good(0),
        "event_1": _good(1),
        "event_2": _good(2),
        "tracks": _EVENTS - broken,
    }
    distinct = "SELECT count(DISTINCT id) AS n FROM one.tracks"
    assert warehouse.query(distinct) == [{"n": _EVENTS - broken}]


def _good(event: int) -> int:
    return len([n for n in range(_EVENTS) if n % 3 == event and n % 500 != 7])


def _child(kind: str, place: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, str(_CHILD), kind, place, str(_EVENTS)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
