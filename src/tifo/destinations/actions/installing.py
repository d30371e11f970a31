"""The library's place on this machine: a folder in the user's cache, named after the lock file, filled by npm."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tifo.kernel.errors import Rejected, Transient

SOURCES = Path(__file__).parent
FILES = ("package.json", "package-lock.json")
OLDEST_NODE = 20
PACKAGES = 108
"""That the lock file names: what the progress is of."""
CATALOG = "catalog.json"


def folder() -> Path:
    """Where it is, or would be. Another lock file is another folder."""
    return _cache() / "tifo" / f"actions-{_digest()}"


@cache
def _digest() -> str:
    content = b"".join((SOURCES / name).read_bytes() for name in (*FILES, "worker.cjs"))
    return hashlib.sha256(content).hexdigest()[:16]


def is_installed() -> bool:
    return (folder() / CATALOG).exists()


def node() -> str:
    """Raises `Transient` where it is missing: it may be installed later."""
    found = shutil.which("node")
    if found is None:
        raise Transient(
            f"Vendors' kinds need Node.js {OLDEST_NODE} or newer on PATH (Debian: apt install nodejs npm). All else"
            " works without it.",
            retry_after_s=60,
        )
    return found


def install(on_progress: Callable[[], None] = lambda: None) -> Path:
    """Returns the folder, which is whole or not there; `on_progress` is called for each package that is fetched.

    Raises `Rejected` where npm refuses, `Transient` where Node.js or npm is missing.
    """
    wanted = folder()
    if is_installed():
        return wanted
    program, npm = node(), shutil.which("npm")
    if npm is None:
        raise Transient("Vendors' kinds are installed by npm, which is not on PATH (Debian: apt install npm).")
    wanted.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=wanted.parent, prefix="installing-"))
    try:
        for name in FILES:
            shutil.copy(SOURCES / name, aside / name)
        _run_npm(npm, aside, on_progress)
        kinds = _described(program, aside)
        (aside / CATALOG).write_text(json.dumps(kinds))
        if wanted.exists():  # half of one that somebody took apart
            shutil.rmtree(wanted)
        aside.rename(wanted)
    except OSError as error:
        if not is_installed():  # or another process was quicker
            raise Transient(f"The vendors' library could not be put into {wanted}: {error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return wanted


def _run_npm(npm: str, place: Path, on_progress: Callable[[], None]) -> None:
    """Install scripts are not run. npm names each package as it fetches it, which is the progress."""
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "http"]
    told: list[str] = []
    with subprocess.Popen(
        command, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None  # noqa: S101 (as it was asked for)
        for line in process.stderr:
            told = [*told[-20:], line.strip()]
            if " fetch GET " in line:
                on_progress()
    if process.returncode:
        errors = [line for line in told if "http fetch" not in line]
        raise Rejected(f"npm could not install the vendors' library: {' '.join(errors)[-500:] or 'it says nothing'}")


def _described(program: str, place: Path) -> list[dict[str, Any]]:
    worker = [program, str(SOURCES / "worker.cjs")]
    done = subprocess.run(
        worker, cwd=place, input='{"id": 1, "do": "describe"}\n', capture_output=True, text=True, check=False
    )
    try:
        kinds: list[dict[str, Any]] = json.loads(done.stdout)["kinds"]
    except (ValueError, KeyError) as error:
        raise Rejected(f"The vendors' library does not load: {done.stderr[-500:]}") from error
    return kinds


def _cache() -> Path:
    if "XDG_CACHE_HOME" in os.environ:
        return Path(os.environ["XDG_CACHE_HOME"])
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
