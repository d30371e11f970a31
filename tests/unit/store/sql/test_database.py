import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tifo.kernel.errors import Transient
from tifo.store.sql.database import open_sqlite

_OTHER = """
import sys
from pathlib import Path
from tifo.store.sql.database import open_sqlite
database = open_sqlite(Path(sys.argv[1]))
with database.writing() as connection:
    connection.exec_driver_sql("INSERT INTO relay_cursors VALUES (?, 1)", (sys.argv[2],))
database.dispose()
"""


def test_a_database_opened_twice_in_one_process_goes_on_seeing_what_others_commit(tmp_path: Path) -> None:
    path = tmp_path / "tifo.db"
    databases = [open_sqlite(path)]
    for number in range(3):
        subprocess.run([sys.executable, "-c", _OTHER, str(path), str(number)], check=True)
        databases.append(open_sqlite(path))
        for database in databases:
            with database.reading() as connection:
                assert connection.exec_driver_sql("SELECT count(*) FROM relay_cursors").scalar_one() == number + 1
    for database in databases:
        database.dispose()


def test_only_its_owner_reads_the_state(tmp_path: Path) -> None:
    open_sqlite(tmp_path / "tifo.db").dispose()
    assert stat.S_IMODE((tmp_path / "tifo.db").stat().st_mode) == 0o600


def test_a_lock_that_is_never_released_is_given_up_and_one_whose_holders_commit_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "tifo.db"
    database, other = (open_sqlite(path, patience_s=0.1) for _ in range(2))
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("CREATE TABLE held (n INTEGER)")
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Transient), database.writing():
        raise AssertionError
    with pytest.raises(Transient), database.writing():  # at once: it would wait behind the one that was refused
        raise AssertionError
    over = threading.Event()

    def commit_now_and_then() -> None:
        for _ in range(6):
            holder.execute("INSERT INTO held VALUES (1)")
            over.wait(0.3)
            holder.execute("COMMIT")
            holder.execute("BEGIN IMMEDIATE")
        holder.execute("ROLLBACK")

    busy = threading.Thread(target=commit_now_and_then)
    busy.start()
    with other.writing() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM held").scalar_one() > 0
    busy.join()
    with database.writing():
        pass
    holder.close()
    for each in (database, other):
        each.dispose()
