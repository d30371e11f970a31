"""Jars from Maven Central, by lists of `group:artifact:version` and SHA-256 that stand beside their users."""

import hashlib
import shutil
import tempfile
import urllib.request
from contextlib import suppress
from pathlib import Path

from tifo.destinations.actions import installing

_CENTRAL = "https://repo1.maven.org/maven2"
_SUFFIX = "_jars"


def jars(listed: Path) -> Path:
    """Returns a folder of the user's cache with the jars of `NAME_jars.txt`; fetches them where they are missing."""
    content = listed.read_text()
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    folder = installing.folder().with_name(f"test-{listed.stem.removesuffix(_SUFFIX)}-{digest}")
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix="fetching-"))
    try:
        for line in content.splitlines():
            coordinates, hashed = line.split()
            _fetch(coordinates, hashed, aside)
        with suppress(OSError):  # another process was quicker
            aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _fetch(coordinates: str, digest: str, folder: Path) -> None:
    group, artifact, version = coordinates.split(":")
    name = f"{artifact}-{version}.jar"
    address = f"{_CENTRAL}/{group.replace('.', '/')}/{artifact}/{version}/{name}"
    with urllib.request.urlopen(address, timeout=60) as got:  # noqa: S310 (a constant, and what a file of the tests lists)
        content = got.read()
    assert hashlib.sha256(content).hexdigest() == digest, f"{coordinates} is not what it was"
    (folder / name).write_bytes(content)
