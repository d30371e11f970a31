"""docs/architecture.md and CONTRIBUTING.md name files that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACEHOLDERS = ("NAME", "NOUN")
_NAMED = re.compile(r"`([\w/.<>-]+?(?:\.(?:py|md|toml)|/))`")


def named(document: str) -> list[str]:
    text = (ROOT / document).read_text()
    return sorted({name for name in _NAMED.findall(text) if not any(each in name for each in PLACEHOLDERS)})


@pytest.mark.parametrize("document", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_every_file_that_a_document_names_exists(document: str) -> None:
    """A bare name such as `ahead.py` may stand in any room."""
    known = {path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if ".venv" not in path.parts}
    future = {"console/", "tifo.toml"}
    missing = [
        name
        for name in named(document)
        if name not in future and not any(f"/{path}".endswith(f"/{name.rstrip('/')}") for path in known)
    ]
    assert not missing
    assert len(named(document)) > 3
