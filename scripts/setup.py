"""Make `.venv` from nothing but Python ≥ 3.11: find or fetch uv, then install what `uv.lock` says.

Debian's bare python3 has neither pip nor ensurepip; then pip itself comes from the package index, checked
against the digest below. Needs no argument; `make` calls it.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".venv-tools"
UV_VERSION = "0.13.9"
INDEX = "https://pypi.org/simple/pip/"
PIP_WHEEL = "pip-26.3-py3-none-any.whl"
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
OLDEST_PYTHON = (3, 11)


def main() -> int:
    if sys.version_info < OLDEST_PYTHON:
        print(f"Tifo needs Python 3.11 or newer; this is {sys.version.split()[0]}.", file=sys.stderr)
        return 2
    uv = find_uv() or install_uv()
    command = [uv, "sync", "--locked", "--quiet", "--no-python-downloads", "--python", sys.executable]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def find_uv() -> str | None:
    for candidate in (str(TOOLS / "bin" / "uv"), shutil.which("uv")):
        # A version manager's shim may stand on PATH for a uv that is not there.
        if candidate and works([candidate, "--version"]):
            return candidate
    return None


def works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def install_uv() -> str:
    print(f"Installing uv {UV_VERSION} into {TOOLS.name} …", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip"]
        if not works([*pip, "--version"]):
            pip = [sys.executable, str(download_pip(Path(folder)) / "pip")]
        subprocess.run(
            [*pip, "install", "--quiet", "--disable-pip-version-check", "--target", str(TOOLS), f"uv=={UV_VERSION}"],
            check=True,
        )
    return str(TOOLS / "bin" / "uv")


def download_pip(folder: Path) -> Path:
    """Pip's wheel runs as it is: Python executes the `pip` folder inside the zip file."""
    links = _Links()
    with urllib.request.urlopen(INDEX) as page:
        links.feed(page.read().decode())
        address = urllib.parse.urljoin(page.url, links.found[PIP_WHEEL])
    wheel = folder / PIP_WHEEL
    with urllib.request.urlopen(address) as answer:
        wheel.write_bytes(answer.read())
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != PIP_SHA256:
        sys.exit(f"{PIP_WHEEL} from {INDEX} has digest {digest}, not {PIP_SHA256}: not using it.")
    return wheel


class _Links(HTMLParser):
    """The file names on a page of the package index, with their addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get("href") if tag == "a" else None
        if address:
            self.found[address.partition("#")[0].rpartition("/")[2]] = address


if __name__ == "__main__":
    sys.exit(main())
