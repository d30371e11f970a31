"""However a state came about, once it is opened its tables are those of store/sql/tables."""

import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from tests.conftest import NewState
from tests.postgres import PostgresServer
from tifo.engagement import commands as c
from tifo.kernel.clock import system_clock
from tifo.kernel.errors import Rejected, Transient
from tifo.kernel.ids import ClientId, uuid7
from tifo.store.engagement.access import SqlAccess
from tifo.store.engagement.audit import SqlLedgerAudit
from tifo.store.engagement.engine import SqlEngine
from tifo.store.source.facts import SqlFactFeed
from tifo.store.sql import tables as t
from tifo.store.sql.database import Database, open_postgres, open_sqlite
from tifo.store.sql.schema import HEAD, MIGRATIONS, REVISIONS

KINDS = ("sqlite", "postgres")
UNVERSIONED = Path(__file__).with_name("unversioned.sql")
"""A folder's state by a Tifo of before the revisions: one fan who has voted once, and the first of 6 facts sent."""


def differences(database: Database) -> Sequence[object]:
    with database.reading() as connection:
        found: Sequence[object] = compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True}), t.METADATA
        )
    return found


def shape(path: Path) -> dict[str, list[str]]:
    """What SQLite says of each table and index, whatever the order of a table's lines."""
    with sqlite3.connect(path) as connection:
        made = connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'"
        )
        found = {name: sorted(line.strip(" ,\t") for line in sql.splitlines()) for name, sql in made}
    connection.close()
    return found


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "tifo.db"
    connection = sqlite3.connect(path)
    connection.executescript(UNVERSIONED.read_text())
    connection.close()
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_database_gets_every_table_as_it_is_told_of(kind: str, new_state: NewState) -> None:
    assert differences(new_state(kind)) == []


def test_revisions_make_the_same_as_the_tables_themselves_constraint_by_constraint(tmp_path: Path) -> None:
    open_sqlite(tmp_path / "revisions.db").dispose()
    engine = create_engine(f"sqlite:///{tmp_path / 'tables.db'}")
    t.METADATA.create_all(engine)
    engine.dispose()
    assert shape(tmp_path / "revisions.db") == shape(tmp_path / "tables.db")


def test_the_revisions_are_alembics_in_one_line() -> None:
    script = ScriptDirectory(str(MIGRATIONS))
    assert script.get_heads() == [HEAD]
    assert [each.revision for each in reversed(list(script.walk_revisions()))] == REVISIONS


async def test_a_folder_of_before_the_revisions_keeps_all_it_has_and_plays_on(old: Path, tmp_path: Path) -> None:
    database = open_sqlite(old)
    assert differences(database) == []
    open_sqlite(tmp_path / "new.db").dispose()
    assert shape(old) == shape(tmp_path / "new.db")
    with database.reading() as connection:
        client_id = ClientId(connection.execute(text("SELECT id FROM applications")).scalar_one())
        program_id = connection.execute(text("SELECT program_id FROM invoked_actions")).scalar_one()
        invoked = connection.execute(text("SELECT created_at, body ->> 'created_at' FROM invoked_actions")).one()
        token = connection.execute(text("SELECT hex(digest) FROM tokens")).scalar_one()
    assert invoked == (1_795_580_665_536_102, "2026-11-25T04:24:25.536102Z")
    assert token.startswith("40FD8FCA")
    [info] = SqlAccess(database, system_clock, uuid7).tokens(client_id)
    assert (info.name, len(info.id)) == ("first", 36)
    assert len(SqlFactFeed(database).pending(client_id, 10)) == 5
    engine = SqlEngine(database, system_clock, uuid7)
    vote: dict[str, Any] = {"client_id": client_id, "program_id": program_id, "reward_action_key": "vote"}
    await engine.handle(c.InvokeAction(**vote, custom_profile_id="fan", code="2"))
    await engine.close()
    assert SqlLedgerAudit(database).problems() == []
    assert len(SqlFactFeed(database).pending(client_id, 10)) == 6
    database.dispose()


def test_an_upgrade_that_fails_leaves_the_folder_as_it_was(old: Path) -> None:
    before = shape(old)
    connection = sqlite3.connect(old)
    connection.execute("UPDATE invoked_actions SET body = '{}'")
    connection.commit()
    connection.close()
    with pytest.raises(Transient):
        open_sqlite(old)
    assert shape(old) == before


_OPEN = """
import sys
from pathlib import Path
from tifo.store.sql.database import open_postgres, open_sqlite
(open_postgres(sys.argv[1]) if "://" in sys.argv[1] else open_sqlite(Path(sys.argv[1]))).dispose()
"""


@pytest.mark.parametrize("kind", [*KINDS, "old"])
def test_many_may_open_it_at_once(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if kind == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.new_database()
    else:
        url = str(request.getfixturevalue("old") if kind == "old" else tmp_path / "tifo.db")
    openers = [subprocess.Popen([sys.executable, "-c", _OPEN, url]) for _ in range(4)]
    assert [opener.wait(60) for opener in openers] == [0] * 4
    database = open_sqlite(Path(url)) if kind != "postgres" else open_postgres(url)
    assert differences(database) == []
    database.dispose()


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_of_a_newer_tifo_is_left_alone(kind: str, new_state: NewState) -> None:
    with new_state(kind).writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Rejected, match="newer Tifo"):
        new_state(kind)


def test_a_postgresql_of_something_else_is_left_alone(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    postgres.run("CREATE TABLE sources (id int)", url)
    with pytest.raises(Rejected, match="'sources' that Tifo did not make"):
        open_postgres(url)
    assert postgres.run("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", url) == "1"


def test_alembic_is_not_imported_where_there_is_nothing_to_do(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tifo.store.sql.database import open_sqlite;"
        "open_sqlite(Path(sys.argv[1])).dispose(); sys.exit('alembic' in sys.modules)"
    )
    codes = [
        subprocess.run([sys.executable, "-c", program, tmp_path / "tifo.db"], check=False).returncode for _ in range(2)
    ]
    assert codes == [1, 0]
