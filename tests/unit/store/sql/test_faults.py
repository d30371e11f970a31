"""Which errors of a database an operator must act on, and in which words."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import URL

from tifo.kernel.postgres_refusals import is_lasting, reason_of
from tifo.store.sql.faults import lasting_fault

PLACE = URL.create("sqlite", database="/data/tifo.db")
REFUSED = 'connection to server at "10.0.0.1", port 5432 failed: FATAL:  '


def test_a_state_that_may_only_be_read_is_named_with_the_remedy(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "tifo.db").executescript("CREATE TABLE a (b)").connection.close()
    with sqlite3.connect(f"file:{tmp_path}/tifo.db?mode=ro", uri=True) as connection:
        with pytest.raises(sqlite3.OperationalError) as refused:
            connection.execute("INSERT INTO a VALUES (1)")
        connection.rollback()
    connection.close()
    fault = lasting_fault(refused.value, PLACE)
    assert fault is not None
    assert "/data/tifo.db cannot be opened or written" in fault.reason
    assert "/data" not in fault.message, "clients are not told where the state is"


def test_a_lock_and_a_full_disk_pass() -> None:
    for code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        error = sqlite3.OperationalError("away")
        error.sqlite_errorcode = code
        assert lasting_fault(error, PLACE) is None


@pytest.mark.parametrize(
    "message",
    [
        f'{REFUSED}database "no" does not exist',
        f'{REFUSED}role "no" does not exist',
        f'{REFUSED}password authentication failed for user "tifo"',
        f'{REFUSED}no pg_hba.conf entry for host "10.0.0.2", user "tifo", database "tifo", no encryption',
        f'{REFUSED}permission denied for database "tifo"',
        f'{REFUSED}role "tifo" is not permitted to log in',
        "fe_sendauth: no password supplied",
    ],
)
def test_a_refusal_that_another_try_does_not_mend_is_lasting(message: str) -> None:
    assert is_lasting(message)


@pytest.mark.parametrize(
    "message",
    [
        f"{REFUSED}the database system is starting up",
        f"{REFUSED}sorry, too many clients already",
        'connection to server at "127.0.0.1", port 1 failed: Connection refused',
        'could not translate host name "db" to address: Temporary failure in name resolution',
        "server closed the connection unexpectedly",
    ],
)
def test_a_server_that_is_away_for_a_moment_is_waited_for(message: str) -> None:
    assert not is_lasting(message)


def test_the_reason_is_what_the_server_said() -> None:
    assert reason_of(f'{REFUSED}database "no" does not exist\nMultiple attempts') == 'database "no" does not exist'
