import threading
import time
from collections.abc import Callable

from tifo.delivery.loading.supervisor import LoaderSupervisor
from tifo.kernel.errors import Transient


class Recorder:
    """Runs until it is stopped, or dies at once as often as it is told."""

    def __init__(self, deaths: int = 0) -> None:
        self.deaths = deaths
        self.started: list[str] = []
        self.running: set[str] = set()

    def make(self, name: str) -> "_Run":
        return _Run(self, name)


class _Run:
    def __init__(self, recorder: Recorder, name: str) -> None:
        self._recorder = recorder
        self._name = name

    def run(self, stop: threading.Event) -> None:
        self._recorder.started.append(self._name)
        if self._name == "dying" and self._recorder.deaths:
            self._recorder.deaths -= 1
            raise ValueError("broken")
        self._recorder.running.add(self._name)
        stop.wait(10)
        self._recorder.running.discard(self._name)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_warehouses_are_loaded_side_by_side_and_one_that_dies_is_begun_again() -> None:
    recorder, stop, wanted = Recorder(deaths=2), threading.Event(), ["healthy", "dying"]
    fleet = LoaderSupervisor(lambda: list(wanted), recorder.make, look_s=0.01, again_s=0.01)
    thread = threading.Thread(target=fleet.run, args=(stop,))
    thread.start()
    until(lambda: recorder.running == {"healthy", "dying"})
    assert recorder.started.count("healthy") == 1
    assert recorder.started.count("dying") == 3
    wanted.remove("healthy")
    until(lambda: recorder.running == {"dying"})
    wanted.append("late")
    until(lambda: recorder.running == {"dying", "late"})
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert recorder.running == set()


def test_loaders_go_on_while_the_catalog_is_out_of_reach() -> None:
    recorder, stop, looks = Recorder(), threading.Event(), [0]

    def wanted() -> list[str]:
        looks[0] += 1
        if looks[0] > 1:
            raise Transient("state out of reach")
        return ["one"]

    thread = threading.Thread(target=LoaderSupervisor(wanted, recorder.make, look_s=0.01).run, args=(stop,))
    thread.start()
    until(lambda: looks[0] > 3)
    assert recorder.running == {"one"}
    stop.set()
    thread.join(5)
