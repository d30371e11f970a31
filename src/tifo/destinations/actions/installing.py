"""Installs the library by npm, into a folder of the user's cache that is named after the lock file."""

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
"""Number of packages in the lock file, from which the progress is computed."""
CATALOG = "catalog.json"


def folder() -> Path:
    """Returns the library's folder, whether or not it exists."""
    # Named after the lock file: a newer Tifo installs its own library beside the old one, which an older process may
    # run.
    return _cache() / "tifo" / f"actions-{_digest()}"


@cache
def _digest() -> str:
    content = b"".join((SOURCES / name).read_bytes() for name in (*FILES, "worker.cjs"))
    return hashlib.sha256(content).hexdigest()[:16]


def is_installed() -> bool:
    return (folder() / CATALOG).exists()


def node() -> str:
    """Finds Node.js. Raises `Transient` where it is missing: somebody may install it later."""
    found = shutil.which("node")
    if found is None:
        raise Transient(
            f"Vendors' kinds need Node.js {OLDEST_NODE} or newer on PATH (Debian: apt install nodejs npm). All else"
            " works without it.",
            retry_after_s=60,
        )
    return found


def install(on_progress: Callable[[], None] = lambda: None) -> Path:
    """Installs the library where it is missing; returns its folder. Calls `on_progress` for each fetched package.

    Raises `Rejected` where npm refuses, `Transient` where Node.js or npm is missing.
    """
    wanted = folder()
    if is_installed():
        return wanted
    program, npm = node(), shutil.which("npm")
    if npm is None:
        raise Transient("Vendors' kinds are installed by npm, which is not on PATH (Debian: apt install npm).")
    wanted.parent.mkdir(parents=True, exist_ok=True)
    # Built beside the folder and renamed: whoever finds the folder finds it whole, also after a crash.
    unfinished = Path(tempfile.mkdtemp(dir=wanted.parent, prefix="installing-"))
    try:
        for name in FILES:
            shutil.copy(SOURCES / name, unfinished / name)
        _run_npm(npm, unfinished, on_progress)
        kinds = _described(program, unfinished)
        # The catalog is written last: a folder that has one is complete.
        (unfinished / CATALOG).write_text(json.dumps(kinds))
        if wanted.exists():  # without a catalog, so it is a part of one only
            shutil.rmtree(wanted)
        unfinished.rename(wanted)
    except OSError as error:
        if not is_installed():  # else another process has installed it meanwhile
            raise Transient(
                f"The vendors' library could not be put into {wanted}: {error}. Make it writable."
            ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return wanted


def _run_npm(npm: str, place: Path, on_progress: Callable[[], None]) -> None:
    """Runs `npm ci`. npm logs each package that it fetches, which makes the progress."""
    # Without install scripts: the library works without them, and 100 packages could run any code as this user.
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "http"]
    log: list[str] = []
    with subprocess.Popen(
        command, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None  # noqa: S101 (as it was asked for)
        for line in process.stderr:
            log = [*log[-20:], line.strip()]
            if " fetch GET " in line:
                on_progress()
    if process.returncode:
        errors = [line for line in log if "http fetch" not in line]
        raise Rejected(
            f"npm could not install the vendors' library: {' '.join(errors)[-500:] or 'it printed no error'}"
        )


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
