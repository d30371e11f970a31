"""Brings the tables of an opened state to this version of Tifo, by Alembic's revisions."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from tifo.kernel.errors import Rejected

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent.parent / "migrations"
VERSION_TABLE = "alembic_version"
REVISIONS = sorted(file.stem.removeprefix("r") for file in (MIGRATIONS / "versions").glob("r*.py"))
"""The revisions in order. Each module is named after its revision."""
HEAD = REVISIONS[-1]
_VERSION = text(f"SELECT version_num FROM {VERSION_TABLE}")


def version_of(connection: Connection) -> str | None:
    """Returns the state's revision; None if there are no tables, or they were made before revisions existed.

    Raises `Rejected` for an unknown revision.
    """
    # By hand: importing Alembic would slow down the start of every command.
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    version: str | None = connection.execute(_VERSION).scalar()
    if version is not None and version not in REVISIONS:
        raise Rejected(f"The state is of a newer Tifo (revision {version!r:.20}; this one knows {HEAD}). Use that one.")
    return version


def upgrade(connection: Connection) -> None:
    """Upgrades to the head in the current transaction. Nobody else may do so meanwhile."""
    version = version_of(connection)
    if version == HEAD:
        return
    if version is None:
        from tifo.store.sql.unversioned import is_unversioned, move_rows, rename_tables

        if is_unversioned(connection):
            before = rename_tables(connection)
            run(connection, REVISIONS[0])
            move_rows(connection, before)
    run(connection, HEAD)


def run(connection: Connection, revision: str) -> None:
    from alembic import command

    command.upgrade(alembic_config(connection), revision)


def alembic_config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    # A percent sign has a meaning in Alembic's configuration; a path may hold one.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("file_template", "r%%(rev)s")
    config.attributes["connection"] = connection
    return config
