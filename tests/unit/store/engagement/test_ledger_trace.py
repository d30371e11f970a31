from datetime import UTC, datetime

from sqlalchemy import insert

from tests.conftest import NewState
from tifo.engagement.model import Transaction, TransactionKind
from tifo.kernel.ids import ClientId, ProfileId, RewardItemId, TransactionId
from tifo.store.engagement.ledger_trace import SqlLedgerTrace
from tifo.store.engagement.rows import transaction_row
from tifo.store.sql import tables as t


def transaction(number: int, profile: str) -> Transaction:
    return Transaction(
        id=TransactionId(f"tx-{number}"),
        profile_id=ProfileId(profile),
        reward_item_id=RewardItemId("points"),
        amount=1,
        balance=number,
        kind=TransactionKind.CREDIT,
        created_at=datetime(2026, 11, 24, 10, number, tzinfo=UTC),
    )


def test_a_transaction_or_the_newest_of_a_profile_are_found_oldest_first(new_state: NewState) -> None:
    database = new_state("sqlite")
    rows = [transaction(number, "ada" if number % 2 else "bob") for number in range(8)]
    with database.writing() as connection:
        connection.execute(insert(t.transactions), [transaction_row(ClientId("club"), each) for each in rows])
    ledger = SqlLedgerTrace(database)
    assert ledger.about("tx-3", limit=20) == [rows[3]]
    assert ledger.about("ada", limit=2) == [rows[5], rows[7]]
    assert ledger.about("nobody\x00", limit=20) == []
