from tifo.kernel.errors import Transient
from tifo.operations.readiness import Need, NeedStatus, readiness

UP = Need(NeedStatus.UP)


def test_a_node_that_lacks_nothing_is_ready() -> None:
    seen = readiness({"state": lambda: UP, "disk": lambda: UP}, lambda: {"api": UP})
    assert (seen.is_ready, seen.reasons) == (True, [])


def test_all_that_is_lacking_is_named_with_its_reason() -> None:
    def away() -> Need:
        raise Transient("The state is away.")

    def full() -> Need:
        raise OSError(28, "No space left on device", "/secret/path")

    roles = {"api": UP, "loader": Need(NeedStatus.STARTING), "relay": Need(NeedStatus.DOWN, "no process runs it")}
    seen = readiness({"state": away, "log": lambda: UP, "disk": full}, lambda: roles)
    assert not seen.is_ready
    assert seen.reasons == [
        "state: The state is away.",
        "disk: No space left on device",
        "role loader: starting",
        "role relay: no process runs it",
    ]
