"""Write the revision that brings the state's tables to what store/sql/tables says now.

    .venv/bin/python scripts/revision.py "webhook subscribers"   the next one
    .venv/bin/python scripts/revision.py --first                 the first one anew, while nothing is released

Read what it wrote: a new column that may not be empty needs a value for the rows that are there.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import create_engine

from tifo.store.sql.schema import MIGRATIONS, REVISIONS, alembic_config, run

VERSIONS = MIGRATIONS / "versions"
FIRST = "0001"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("message", nargs="?", help="what changes, in a few words")
    parser.add_argument("--first", action="store_true", help=f"write {FIRST} anew")
    asked = parser.parse_args()
    if asked.first == bool(asked.message) or (asked.first and REVISIONS != [FIRST]):
        parser.error(f"give a message; or --first, as long as {FIRST} is the only revision")
    revision = FIRST if asked.first else f"{int(REVISIONS[-1]) + 1:04}"
    file = VERSIONS / f"r{revision}.py"
    earlier = file.read_text() if asked.first else None
    try:
        file.unlink(missing_ok=True)
        write(revision, asked.message or "The tables of the state", [each for each in REVISIONS if each != revision])
    except BaseException:
        if earlier is not None:
            file.write_text(earlier)
        raise
    lines = [line for line in file.read_text().splitlines() if not line.strip().startswith("# ###")]
    file.write_text("\n".join(lines) + "\n")
    for step in (["check", "--quiet", "--fix"], ["format", "--quiet"]):
        subprocess.run([Path(sys.executable).with_name("ruff"), *step, file], check=True)
    return 0


def write(revision: str, message: str, earlier: list[str]) -> None:
    """What the tables have more than an empty database brought to the earlier revisions."""
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/empty.db")
        with engine.begin() as connection:
            if earlier:
                run(connection, earlier[-1])
            command.revision(alembic_config(connection), message, autogenerate=True, rev_id=revision)
        engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
