"""Programs that tests need and that a machine may lack."""

import os
import shutil
from typing import NoReturn

import pytest


def lacking(why: str) -> NoReturn:
    """Skips the test; in CI, which installs whatever is missing, fails it."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def need(*programs: str) -> None:
    if missing := [name for name in programs if shutil.which(name) is None]:
        lacking(f"needs {', '.join(missing)} on PATH")
