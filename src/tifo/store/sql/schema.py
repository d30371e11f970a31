"""The tables of an opened state are brought to what this Tifo knows: Alembic's revisions, and what came before them."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from tifo.kernel.errors import Rejected

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent.parent / "migrations"
VERSION_TABLE = "alembic_version"
REVISIONS = sorted(file.stem.removeprefix("r") for file in (MIGRATIONS / "versions").glob("r*.py"))
"""In order; each module's name is its revision's."""
HEAD = REVISIONS[-1]
_VERSION = text(f"SELECT version_num FROM {VERSION_TABLE}")


def version_of(connection: Connection) -> str | None:
    """None: the tables are not made by revisions, or there are none. Raises `Rejected` for one that is not known here.

    Cheap: Alembic is not imported, as it is whenever there is something to do.
    """
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    version: str | None = connection.execute(_VERSION).scalar()
    if version is not None and version not in REVISIONS:
        raise Rejected(f"The state is of a newer Tifo (revision {version!r:.20}; this one knows {HEAD}). Use that one.")
    return version


def upgrade(connection: Connection) -> None:
    """To the head, in the transaction that has begun; nobody else may be doing it meanwhile."""
    version = version_of(connection)
    if version == HEAD:
        return
    if version is None:
        from tifo.store.sql.unversioned import is_unversioned, move_in, set_aside

        if is_unversioned(connection):
            before = set_aside(connection)
            run(connection, REVISIONS[0])
            move_in(connection, before)
    run(connection, HEAD)


def run(connection: Connection, revision: str) -> None:
    from alembic import command

    command.upgrade(alembic_config(connection), revision)


def alembic_config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("file_template", "r%%(rev)s")
    config.attributes["connection"] = connection
    return config
