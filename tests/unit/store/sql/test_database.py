import stat
import subprocess
import sys
from pathlib import Path

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
