from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from tests.tracks import append, load, track
from tests.twins import TwinBackend
from tifo.kernel.ids import ClientId, FactId
from tifo.operations import audit, selective_sync, sources
from tifo.operations.audit import AuditVerdict
from tifo.warehouses.drivers.duckdb import DuckdbWarehouse
from tifo.workspace.memory import InMemoryCatalog
from tifo.workspace.model import Source

CLUB = ClientId("club")


class Ledger:
    """A `LedgerAudit` of one application's facts."""

    def __init__(self, *ids: str) -> None:
        self.ids = [FactId(each) for each in ids]
        self.found: list[str] = []

    def problems(self) -> Sequence[str]:
        return self.found

    def facts_by_application(self) -> dict[ClientId, int]:
        return {CLUB: len(self.ids)} if self.ids else {}

    def fact_ids(self, client_id: ClientId) -> Iterator[Sequence[FactId]]:
        assert client_id == CLUB
        yield from ([each] for each in self.ids)


@pytest.fixture
def ledger(backend: TwinBackend, warehouse: DuckdbWarehouse) -> Ledger:
    made = Ledger("a", "b")
    backend.ledger_audit = made  # type: ignore[assignment]
    backend.catalog = InMemoryCatalog([CLUB])
    backend.opened["duckdb"] = warehouse
    return made


@pytest.fixture
def fans(backend: TwinBackend, ledger: Ledger) -> Source:  # noqa: ARG001 (it makes the application)
    """The application is connected to it."""
    made = sources.create(backend, "Fans", "livelike")
    backend.catalog.connect(CLUB, made.write_key, None)
    return made


def audited(backend: TwinBackend) -> AuditVerdict:
    return audit.run(backend, patience_s=0)


def test_ledger_events_and_rows_agree(backend: TwinBackend, fans: Source, warehouse: DuckdbWarehouse) -> None:
    append(backend.log, fans.id, track("a"), track("b"))
    load(backend.log, warehouse, fans)
    assert audited(backend) == AuditVerdict(ledger=2, events=2, rows=2)


def test_events_that_are_not_loaded_yet_are_counted_from_the_log(
    backend: TwinBackend, fans: Source, warehouse: DuckdbWarehouse
) -> None:
    append(backend.log, fans.id, track("a"))
    load(backend.log, warehouse, fans)
    append(backend.log, fans.id, track("b"))
    verdict = audited(backend)
    assert (verdict.ledger, verdict.events, verdict.rows) == (2, 2, 1)
    assert verdict.problems == ("1 events are not in fans: b",)


def test_an_audit_waits_for_what_is_on_its_way(backend: TwinBackend, fans: Source, warehouse: DuckdbWarehouse) -> None:
    def arrive(_: float) -> None:
        append(backend.log, fans.id, track("a"), track("b"))
        load(backend.log, warehouse, fans)

    assert audit.run(backend, sleep=arrive).ok


def test_a_lost_event_is_a_problem(backend: TwinBackend, fans: Source, warehouse: DuckdbWarehouse) -> None:
    append(backend.log, fans.id, track("b"))
    load(backend.log, warehouse, fans)
    verdict = audited(backend)
    assert (verdict.events, verdict.rows, verdict.problems) == (1, 1, ("1 events are not in fans: a",))
    assert not verdict.ok


def test_a_row_without_its_counterpart_is_a_problem(
    backend: TwinBackend, fans: Source, warehouse: DuckdbWarehouse, tmp_path: Path
) -> None:
    append(backend.log, fans.id, track("a"), track("b"), track("c"))
    load(backend.log, warehouse, fans)
    with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
        connection.execute("DELETE FROM fans.goal WHERE id = 'c'")
    assert audited(backend).problems == ("fans.tracks has 3 rows, its events' tables have 2",)


def test_problems_of_the_ledger_itself_are_reported_first(backend: TwinBackend, fans: Source, ledger: Ledger) -> None:
    ledger.found = ["1 balances are negative: x"]
    lost = f"2 events are not in {fans.schema}: a, b"
    assert audited(backend).problems == ("1 balances are negative: x", lost)


def test_a_source_without_tracks_is_noted_and_not_counted(backend: TwinBackend, fans: Source) -> None:
    selective_sync.select(backend, "duckdb", {"fans": selective_sync.overrides_of(off=["tracks"], on=())})
    note = f"2 events of {fans.slug} are not compared: its table tracks is turned off"
    assert audited(backend) == AuditVerdict(notes=(note,))


def test_facts_of_an_application_that_sends_nowhere_are_a_problem(backend: TwinBackend, ledger: Ledger) -> None:
    verdict = audited(backend)
    assert (verdict.ledger, verdict.events) == (len(ledger.ids), 0)
    assert verdict.problems == ("2 events wait: application club is not connected (tifo app connect)",)


def test_facts_that_go_elsewhere_are_not_audited(backend: TwinBackend, fans: Source) -> None:
    backend.catalog.connect(CLUB, fans.write_key, "https://elsewhere.example")
    (problem,) = audited(backend).problems
    assert "went elsewhere" in problem


def test_an_installation_without_facts_is_sound(backend: TwinBackend, ledger: Ledger) -> None:
    ledger.ids = []
    assert audited(backend) == AuditVerdict()


def test_verdicts_add_up() -> None:
    one = AuditVerdict(ledger=1, events=2, rows=3, problems=("p",), notes=("n",))
    assert one + one == replace(one, ledger=2, events=4, rows=6, problems=("p", "p"), notes=("n", "n"))
