import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.shards import SHARD
from tifo.delivery.loading.loader import BACKOFF_CAP_S, Loader
from tifo.delivery.loading.progress import LOOK_S, MISSING_S
from tifo.eventlog.ports import EventLog
from tifo.kernel.backoff import Backoff
from tifo.kernel.errors import Rejected, Transient
from tifo.kernel.ids import Position, SourceId
from tifo.warehouses.budgets import MAX_COLUMNS
from tifo.warehouses.columns import MAX_CELLS
from tifo.warehouses.drivers.duckdb import DuckdbWarehouse
from tifo.warehouses.ports import Cursor, Load, Loaded
from tifo.workspace.model import Source, SourceType, WriteKey
from tifo.workspace.sync import EVERYTHING, Override, with_overrides
from tifo.workspace.warehouses import Sync, SyncStatus

NOW = datetime(2026, 11, 24, 10, 0, 1, tzinfo=UTC)
Message = Callable[..., bytes]


class Time:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Warehouse(DuckdbWarehouse):
    """DuckDB that fails, or refuses what a test calls poison, on demand."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, lambda: NOW)
        self.failures: list[Exception] = []
        self.fails_after_commit = False
        self.poison: set[str] = set()
        self.loads: list[int] = []

    def load(self, loads: Sequence[Load], meanwhile: Callable[[], None] | None = None) -> list[Loaded]:
        self.loads.append(len(loads))
        if self.failures and not self.fails_after_commit:
            raise self.failures.pop(0)
        ids = {i for load in loads for table in load.tables.values() for i in table.rows["id"].to_pylist()}
        if ids & self.poison:
            raise Rejected("poison")
        loaded = super().load(loads, meanwhile)
        if self.failures:
            raise self.failures.pop(0)
        return loaded

    def ids(self, table: str) -> list[Any]:
        return [row["id"] for row in self.query(f"SELECT id FROM {table} ORDER BY id")]


def source(name: str) -> Source:
    return Source(
        id=SourceId(name),
        name=name,
        slug=name,
        schema=name,
        type=SourceType.HTTP,
        enabled=True,
        created_at=NOW,
        keys=(WriteKey("k", NOW),),
    )


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse.duckdb")


@pytest.fixture
def monotonic() -> Time:
    return Time()


@pytest.fixture
def sources() -> list[Source]:
    return [source("one"), source("two")]


@pytest.fixture
def loader(log: EventLog, warehouse: Warehouse, sources: list[Source], monotonic: Time) -> Loader:
    return Loader(log, warehouse, lambda: sources, lambda: NOW, monotonic=monotonic, drain_s=30)


def test_backoff_doubles_up_to_a_cap_and_is_jittered() -> None:
    backoff = Backoff(0.1, BACKOFF_CAP_S)
    assert [backoff.pause_s(n, 1.0) for n in (1, 2, 3)] == [0.1, 0.2, 0.4]
    assert backoff.pause_s(1000, 1.0) == 10
    assert backoff.pause_s(2, 0.0) == 0.1


def test_events_wait_two_seconds_and_are_then_loaded(
    loader: Loader, log: Any, warehouse: Warehouse, message: Message, monotonic: Time
) -> None:
    log.add("one", message("a"))
    assert loader.step() > 0
    assert warehouse.loads == []
    monotonic.now += 2
    loader.step()
    assert warehouse.ids("one.badge_rewarded") == ["a"]
    assert loader.step() > 0
    assert len(warehouse.loads) == 1


def test_all_sources_share_one_opening_of_the_warehouse(
    loader: Loader, log: Any, warehouse: Warehouse, message: Message
) -> None:
    log.add("one", message("a"))
    log.add("two", message("b"))
    log.add("one", message("c"))
    assert loader.flush() == 3
    assert warehouse.loads == [2]
    assert warehouse.ids("one.tracks") == ["a", "c"]
    assert warehouse.ids("two.tracks") == ["b"]


def test_a_backlog_is_loaded_in_bounded_flushes(log: Any, warehouse: Warehouse, message: Message) -> None:
    loader = Loader(log, warehouse, lambda: [source("one")], flush_events=2_000)
    log.add("one", *(message(f"m{n:05}") for n in range(4_500)))
    assert [loader.flush() for _ in range(4)] == [2_000, 2_000, 500, 0]
    assert len(set(warehouse.ids("one.tracks"))) == len(warehouse.ids("one.tracks")) == 4_500


def test_a_poisonous_message_in_a_backlog_is_set_aside_alone(log: Any, warehouse: Warehouse, message: Message) -> None:
    loader = Loader(log, warehouse, lambda: [source("one")], flush_events=1_000)
    log.add("one", *(message(f"m{n:04}") for n in range(3_500)))
    warehouse.poison = {"m0999", "m1000", "m2500"}
    while loader.flush():
        pass
    assert len(warehouse.ids("one.tracks")) == 3_497
    discarded = warehouse.query("SELECT message_id FROM one._discards ORDER BY 1")
    assert [row["message_id"] for row in discarded] == sorted(warehouse.poison)


def test_a_backlog_of_too_many_event_names_stays_within_the_limit(
    log: Any, warehouse: Warehouse, message: Message
) -> None:
    loader = Loader(log, warehouse, lambda: [source("one")], flush_events=1_000, max_tables=5)
    log.add("one", *(message(f"m{n:04}", event=f"Event {n // 500}") for n in range(6_000)))
    while loader.flush():
        pass
    assert warehouse.tables("one").keys() == {"tracks", "_discards", *(f"event_{n}" for n in range(5))}


def test_a_source_without_new_events_is_moved_along(
    loader: Loader, log: Any, warehouse: Warehouse, message: Message
) -> None:
    log.add("one", message("a"), message("b"))
    loader.flush()
    assert warehouse.positions(SHARD) == {"one": Cursor("one", Position(2)), "two": Cursor("two", Position(2))}


def test_a_failed_load_is_repeated_after_a_pause_and_loses_nothing(
    loader: Loader, log: Any, warehouse: Warehouse, message: Message, monotonic: Time
) -> None:
    log.add("one", message("a"))
    warehouse.failures = [Transient("a reader holds the file", retry_after_s=1.0)]
    loader.step()
    monotonic.now += 2
    assert loader.step() > 0
    assert warehouse.positions(SHARD) == {}
    loader.step()
    assert len(warehouse.loads) == 1, "it waits before it tries again"
    monotonic.now += 2
    loader.step()
    assert warehouse.ids("one.tracks") == ["a"]


def test_a_commit_whose_answer_was_lost_is_not_loaded_twice(
    loader: Loader, log: Any, warehouse: Warehouse, message: Message
) -> None:
    log.add("one", b'{"no": "message"}', message("a"))
    warehouse.failures, warehouse.fails_after_commit = [Transient("gone while committing")], True
    with pytest.raises(Transient):
        loader.flush()
    assert loader.flush() == 0
    assert warehouse.ids("one.tracks") == ["a"]
    assert warehouse.tables("one")["_discards"] == 1


def test_a_poisonous_message_is_set_aside_alone(
    loader: Loader, log: Any, warehouse: Warehouse, message: Message
) -> None:
    log.add("one", *(message(f"m{n:02}") for n in range(20)))
    log.add("two", message("healthy"))
    log.add("one", message("z"))
    warehouse.poison = {"m07", "m13"}
    loader.flush()
    expected = [f"m{n:02}" for n in range(20) if n not in (7, 13)] + ["z"]
    assert warehouse.ids("one.badge_rewarded") == expected
    assert warehouse.ids("two.tracks") == ["healthy"]
    rows = warehouse.query("SELECT message_id, reason, value FROM one._discards ORDER BY message_id")
    assert [row["message_id"] for row in rows] == ["m07", "m13"]
    assert "poison" in str(rows[0]["reason"])
    assert rows[0]["value"] == message("m07").decode()
    assert warehouse.positions(SHARD)["one"].position == log.end()


def test_a_line_that_is_no_message_is_kept_with_the_time_it_was_received(
    loader: Loader, log: Any, warehouse: Warehouse, message: Message
) -> None:
    log.add("one", b'{"type":"track"', message("a"))
    loader.flush()
    (row,) = warehouse.query("SELECT value, reason FROM one._discards")
    assert row["value"] == '{"type":"track"'
    assert warehouse.ids("one.tracks") == ["a"]


def test_a_deleted_sources_events_go_where_its_others_are(
    loader: Loader, log: Any, warehouse: Warehouse, sources: list[Source], message: Message
) -> None:
    log.add("one", message("a"))
    loader.flush()
    sources.clear()
    log.add("one", message("b"))
    Loader(log, warehouse, lambda: sources).flush()
    assert warehouse.ids("one.tracks") == ["a", "b"]


def test_a_source_that_the_catalog_never_shows_gets_a_schema_after_a_while(
    loader: Loader, log: Any, warehouse: Warehouse, message: Message, monotonic: Time
) -> None:
    log.add("0193-ab", message("a"))
    loader.step()
    for _ in range(int(MISSING_S)):
        assert warehouse.tables("unknown_source_0193_ab") == {}
        monotonic.now += 2
        loader.step()
        if warehouse.positions(SHARD):
            break
    assert warehouse.ids("unknown_source_0193_ab.tracks") == ["a"]


def test_a_source_that_appears_late_gets_its_own_schema(
    loader: Loader, log: Any, warehouse: Warehouse, sources: list[Source], message: Message
) -> None:
    log.add("one", message("a"))
    log.add("late", message("b"))
    loader.flush()
    sources.append(source("late"))
    loader.flush()
    assert warehouse.ids("late.tracks") == ["b"]


def test_a_new_log_beside_an_old_warehouse_is_read_from_its_start(
    loader: Loader, log: Any, new_log: Callable[[], Any], warehouse: Warehouse, message: Message
) -> None:
    log.add("one", message("a"), message("b"), message("c"))
    loader.flush()
    other = new_log()
    other.add("one", message("a"), message("d"))
    Loader(other, warehouse, lambda: [source("one")]).flush()
    assert warehouse.ids("one.tracks") == ["a", "b", "c", "d"]


def test_on_stop_everything_in_the_log_is_loaded(
    loader: Loader, log: Any, warehouse: Warehouse, message: Message
) -> None:
    log.add("one", *(message(f"m{n}") for n in range(10)))
    warehouse.failures = [Transient("a reader holds the file", retry_after_s=0.01)]
    stop = threading.Event()
    stop.set()
    loader.run(stop)
    assert len(warehouse.ids("one.tracks")) == 10


def test_a_source_with_too_many_event_names_hurts_no_other(
    log: Any, warehouse: Warehouse, sources: list[Source], message: Message
) -> None:
    loader = Loader(log, warehouse, lambda: sources, max_tables=3)
    log.add("one", message("first", event="Known"))
    loader.flush()
    log.add("one", *(message(f"m{n}", event=f"Event {n}", n=n) for n in range(5)), message("last", event="Known"))
    log.add("two", *(message(f"t{n}", event=f"Event {n}") for n in range(3)))
    Loader(log, warehouse, lambda: sources, max_tables=3).flush()
    assert warehouse.tables("one") == {"tracks": 7, "known": 2, "event_0": 1, "event_1": 1, "_discards": 3}
    assert warehouse.tables("two") == {"tracks": 3, "event_0": 1, "event_1": 1, "event_2": 1}
    values = warehouse.query("SELECT value FROM one._discards ORDER BY message_id")
    assert values == [{"value": '{"n":2}'}, {"value": '{"n":3}'}, {"value": '{"n":4}'}]


def test_events_that_are_too_sparse_together_are_loaded_in_parts(
    loader: Loader, log: Any, warehouse: Warehouse, message: Message
) -> None:
    size = MAX_CELLS // MAX_COLUMNS + 1
    log.add("one", *(message(f"m{n}", **{f"p{n}": n}) for n in range(size)))
    loader.flush()
    assert warehouse.tables("one")["badge_rewarded"] == warehouse.tables("one")["tracks"] == size
    discards = warehouse.query("SELECT count(*) AS n, min(reason) AS reason FROM one._discards")[0]
    assert int(str(discards["n"])) > size - MAX_COLUMNS
    assert "no room" in str(discards["reason"])


def test_each_load_is_told_and_a_failure_once(
    log: Any, warehouse: Warehouse, message: Message, monotonic: Time
) -> None:
    told: list[Sync] = []
    loader = Loader(log, warehouse, lambda: [source("one")], lambda: NOW, on_syncs=told.extend, monotonic=monotonic)
    log.add("one", message("a"), message("b"))
    warehouse.failures = [Transient("away"), Transient("away")]
    loader.step()
    for _ in range(4):
        monotonic.now += 20
        loader.step()
    assert [(sync.status, sync.error) for sync in told] == [(SyncStatus.FAILURE, "away"), (SyncStatus.SUCCESS, None)]
    assert told[1].events == 2
    assert told[1].rows == {"tracks": 2, "badge_rewarded": 2}
    assert "table tracks made" in told[1].notices


def test_a_history_that_cannot_be_kept_stops_no_load_and_is_told_later(
    log: Any, warehouse: Warehouse, message: Message
) -> None:
    told: list[Sync] = []
    away = True

    def tell(syncs: Sequence[Sync]) -> None:
        if away:
            raise Transient("state out of reach")
        told.extend(syncs)

    loader = Loader(log, warehouse, lambda: [source("one")], on_syncs=tell, recorded=dict)
    for number in range(3):
        log.add("one", message(str(number)))
        away = number < 2
        loader.flush()
    assert warehouse.ids("one.tracks") == ["0", "1", "2"]
    assert [(sync.events, sync.position) for sync in told] == [(1, 1), (1, 2), (1, 3)]


def test_what_was_loaded_by_one_that_was_killed_before_it_told_is_counted_by_the_next(
    log: Any, warehouse: Warehouse, sources: list[Source], message: Message
) -> None:
    told: list[Sync] = []

    def recorded() -> dict[SourceId, Position]:
        return {sync.source_id: sync.position for sync in told if sync.source_id and sync.position}

    def killed(_: Sequence[Sync]) -> None:
        raise KeyboardInterrupt

    def new(on_syncs: Callable[[Sequence[Sync]], None]) -> Loader:
        return Loader(log, warehouse, lambda: sources, on_syncs=on_syncs, recorded=recorded)

    log.add("one", message("a"))
    new(told.extend).flush()
    log.add("one", message("b"), message("c"))
    log.add("two", message("d"))
    with pytest.raises(KeyboardInterrupt):
        new(killed).flush()
    log.add("one", message("e"))
    new(told.extend).flush()
    events = Counter[str | None]()
    for sync in told:
        events[sync.source_id] += sync.events
    assert events == {"one": 4, "two": 1}
    assert recorded() == {"one": 5, "two": 4}
    assert [sync.events for sync in told if any("afterwards" in each for each in sync.notices)] == [2, 1]


def test_a_warehouse_gets_only_the_sources_that_it_is_connected_to(
    log: Any, warehouse: Warehouse, sources: list[Source], message: Message, monotonic: Time
) -> None:
    loader = Loader(log, warehouse, lambda: sources, takes=lambda source_id: source_id == "two", monotonic=monotonic)
    log.add("one", message("a"))
    log.add("two", message("b"))
    log.add("unknown", message("c"))
    for _ in range(4):
        loader.flush()
        monotonic.now += MISSING_S
    assert warehouse.positions(SHARD).keys() == {"two"}
    assert warehouse.ids("two.tracks") == ["b"]


def test_an_idle_loader_notices_that_its_position_was_taken_back(
    loader: Loader, log: Any, warehouse: Warehouse, message: Message, monotonic: Time
) -> None:
    log.add("one", message("a"))
    loader.flush()
    warehouse.rewind("one", None)
    monotonic.now += LOOK_S
    loader.step()
    assert warehouse.ids("one.tracks") == ["a"]


def test_what_stays_out_by_choice_is_counted_in_the_history(log: Any, warehouse: Warehouse, message: Message) -> None:
    told: list[Sync] = []
    off = [Override("badge_rewarded", "level", enabled=False), Override("seen", None, enabled=False)]
    loader = Loader(
        log,
        warehouse,
        lambda: [source("one")],
        selection_of=lambda _: with_overrides(EVERYTHING, off),
        on_syncs=told.extend,
    )
    withheld = message("c")[:-1] + b', "integrations": {"Warehouses": {"all": false}}}'
    log.add("one", message("a", level=1), message("b", "Seen"), withheld)
    assert loader.flush() == 3
    assert warehouse.ids("one.tracks") == ["a", "b"]
    assert warehouse.tables("one").keys() == {"tracks", "badge_rewarded"}
    assert warehouse.positions(SHARD)["one"].position == 3
    assert [dict(sync.left_out) for sync in told] == [
        {
            "column badge_rewarded.level is turned off": 1,
            "table seen is turned off": 1,
            "withheld by the message's integrations": 1,
        }
    ]


def test_a_backlog_is_prepared_while_what_came_before_is_committed(
    log: Any, warehouse: Warehouse, sources: list[Source], message: Message, monotonic: Time
) -> None:
    for number in range(2_500):
        log.add("one" if number % 2 else "two", message(f"{number:04}"))
    loader = Loader(log, warehouse, lambda: sources, lambda: NOW, monotonic=monotonic, flush_events=1_000)
    assert [loader.flush() for _ in range(4)] == [1_000, 1_000, 500, 0]
    both = warehouse.ids("one.badge_rewarded") + warehouse.ids("two.badge_rewarded")
    assert sorted(both) == [f"{number:04}" for number in range(2_500)]


@pytest.mark.parametrize("after_commit", [False, True])
def test_what_was_prepared_ahead_is_read_again_after_a_failure(
    log: Any, warehouse: Warehouse, sources: list[Source], message: Message, monotonic: Time, after_commit: bool
) -> None:
    for number in range(2_500):
        log.add("one", message(f"{number:04}"))
    loader = Loader(log, warehouse, lambda: sources, lambda: NOW, monotonic=monotonic, flush_events=1_000)
    loader.flush()
    warehouse.fails_after_commit = after_commit
    warehouse.failures = [Transient("away")]
    with pytest.raises(Transient):
        loader.flush()
    while loader.flush():
        pass
    assert warehouse.ids("one.badge_rewarded") == [f"{number:04}" for number in range(2_500)]


def test_poison_in_a_backlog_costs_its_own_event_only(
    log: Any, warehouse: Warehouse, sources: list[Source], message: Message, monotonic: Time
) -> None:
    for number in range(3_000):
        log.add("one" if number % 3 else "two", message(f"{number:04}"))
    warehouse.poison = {"0500", "1500"}
    loader = Loader(log, warehouse, lambda: sources, lambda: NOW, monotonic=monotonic, flush_events=1_000)
    while loader.flush():
        pass
    both = warehouse.ids("one.badge_rewarded") + warehouse.ids("two.badge_rewarded")
    assert sorted(both) == [f"{number:04}" for number in range(3_000) if number not in {500, 1500}]


def test_a_loader_that_stops_loads_what_it_prepared(
    log: Any, warehouse: Warehouse, sources: list[Source], message: Message, monotonic: Time
) -> None:
    for number in range(1_500):
        log.add("one", message(f"{number:04}"))
    loader = Loader(log, warehouse, lambda: sources, lambda: NOW, monotonic=monotonic, flush_events=1_000, drain_s=30)
    loader.flush()
    stop = threading.Event()
    stop.set()
    loader.run(stop)
    assert len(warehouse.ids("one.badge_rewarded")) == 1_500
