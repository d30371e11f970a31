from dataclasses import replace

import pytest

from tests.tracks import append, load, track
from tests.twins import TwinBackend
from tests.unit.operations.conftest import NOW, earn
from tifo.engagement.facts import QuestTaskCompleted
from tifo.engagement.model import Application, Transaction, TransactionKind
from tifo.kernel.ids import (
    ClientId,
    FactId,
    ProfileId,
    QuestId,
    QuestTaskId,
    RewardItemId,
    TransactionId,
    UserQuestId,
    UserQuestTaskId,
)
from tifo.operations import applications, audit, selective_sync, sources
from tifo.operations.audit import AuditVerdict
from tifo.warehouses.ports import Warehouse
from tifo.workspace.model import Source


@pytest.fixture
def club(backend: TwinBackend) -> Application:
    """An application with the facts "a" and "b", which no row of the ledger has to stand beside."""
    made = applications.create(backend, "Club").application
    backend.state.application(made.id).facts += [task_completed(made.id, "a"), task_completed(made.id, "b")]
    return made


def task_completed(client_id: ClientId, fact_id: str) -> QuestTaskCompleted:
    return QuestTaskCompleted(
        id=FactId(fact_id),
        client_id=client_id,
        profile_id=ProfileId("fan-1"),
        custom_id=None,
        happened_at=NOW,
        quest_id=QuestId("quest-1"),
        quest_name="Quest",
        quest_task_id=QuestTaskId("task-1"),
        quest_task_name="Task",
        user_quest_id=UserQuestId("run-1"),
        user_quest_task_id=UserQuestTaskId("step-1"),
    )


@pytest.fixture
def fans(backend: TwinBackend, club: Application) -> Source:
    """The application is connected to it."""
    made = sources.create(backend, "Fans", "livelike")
    backend.catalog.connect(club.id, made.write_key, None)
    return made


UNSEEN = Transaction(
    id=TransactionId("tx-1"),
    profile_id=ProfileId("fan-1"),
    reward_item_id=RewardItemId("points"),
    amount=5,
    balance=5,
    kind=TransactionKind.CREDIT,
    created_at=NOW,
)
"""A row of the ledger that no balance shows."""


def audited(backend: TwinBackend) -> AuditVerdict:
    return audit.run(backend, patience_s=0)


def test_ledger_events_and_rows_agree(backend: TwinBackend, fans: Source, warehouse: Warehouse) -> None:
    append(backend.log, fans.id, track("a"), track("b"))
    load(backend.log, warehouse, fans)
    assert audited(backend) == AuditVerdict(ledger=2, events=2, rows=2, compared=2)


def test_events_that_are_not_loaded_yet_are_counted_from_the_log(
    backend: TwinBackend, fans: Source, warehouse: Warehouse
) -> None:
    append(backend.log, fans.id, track("a"))
    load(backend.log, warehouse, fans)
    append(backend.log, fans.id, track("b"))
    verdict = audited(backend)
    assert (verdict.ledger, verdict.events, verdict.rows) == (2, 2, 1)
    assert verdict.problems == ("1 events are not in fans: b",)


def test_an_audit_waits_for_what_is_on_its_way(backend: TwinBackend, fans: Source, warehouse: Warehouse) -> None:
    def arrive(_: float) -> None:
        append(backend.log, fans.id, track("a"), track("b"))
        load(backend.log, warehouse, fans)

    assert audit.run(backend, sleep=arrive).ok


def test_a_lost_event_is_a_problem(backend: TwinBackend, fans: Source, warehouse: Warehouse) -> None:
    append(backend.log, fans.id, track("b"))
    load(backend.log, warehouse, fans)
    verdict = audited(backend)
    assert (verdict.events, verdict.rows, verdict.problems) == (1, 1, ("1 events are not in fans: a",))
    assert not verdict.ok


def test_a_row_without_its_counterpart_is_a_problem(backend: TwinBackend, fans: Source, warehouse: Warehouse) -> None:
    append(backend.log, fans.id, track("a"), track("b"))
    load(backend.log, warehouse, fans)
    append(backend.log, fans.id, track("c"))
    load(backend.log, warehouse, fans, only={"tracks"})
    assert audited(backend).problems == ("fans.tracks has 3 rows, its events' tables have 2",)


def test_problems_of_the_ledger_itself_are_reported_first(
    backend: TwinBackend, club: Application, fans: Source
) -> None:
    backend.state.application(club.id).transactions.append(UNSEEN)
    lost = f"2 events are not in {fans.schema}: a, b"
    assert audited(backend).problems == ("1 balances differ from the sum of their transactions: fan-1 points", lost)


def test_a_source_without_tracks_is_noted_and_not_counted(backend: TwinBackend, fans: Source) -> None:
    selective_sync.select(backend, "duckdb", {"fans": selective_sync.overrides_of(off=["tracks"], on=())})
    note = f"2 events of {fans.slug} are not compared: its table tracks is turned off"
    assert audited(backend) == AuditVerdict(notes=(note,))


def test_facts_of_an_application_that_sends_nowhere_are_a_problem(backend: TwinBackend, club: Application) -> None:
    verdict = audited(backend)
    assert (verdict.ledger, verdict.events) == (2, 0)
    assert verdict.problems == (f"2 events wait: application {club.id} is not connected (tifo app connect)",)


def test_facts_that_go_elsewhere_are_not_audited(backend: TwinBackend, club: Application, fans: Source) -> None:
    backend.catalog.connect(club.id, fans.write_key, "https://elsewhere.example")
    (problem,) = audited(backend).problems
    assert "went elsewhere" in problem


def test_an_installation_without_facts_is_sound(backend: TwinBackend) -> None:
    applications.create(backend, "Club")
    assert audited(backend) == AuditVerdict()


def test_what_a_fan_earns_is_one_fact_of_a_sound_ledger(backend: TwinBackend) -> None:
    earn(backend, applications.create(backend, "Club").application)
    (problem,) = audited(backend).problems
    assert problem.startswith("1 events wait")


def test_verdicts_add_up() -> None:
    one = AuditVerdict(ledger=1, events=2, rows=3, problems=("p",), notes=("n",))
    assert one + one == replace(one, ledger=2, events=4, rows=6, problems=("p", "p"), notes=("n", "n"))
