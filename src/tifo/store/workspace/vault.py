"""Secrets at rest: encrypted with a key that is not in the database.

The key is the variable `TIFO_SECRET_KEY`, or else a file beside the state, made when it is needed first and readable by
its owner only. Where several machines share a PostgreSQL, all of them need the same variable.
"""

import contextlib
import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from tifo.kernel.errors import Rejected, Transient

VARIABLE = "TIFO_SECRET_KEY"


class Vault:
    """`given` is one key, or several separated by commas: the first one encrypts, all of them decrypt."""

    def __init__(self, given: str, file: Path) -> None:
        self._given = given
        self._file = file
        self._opened: MultiFernet | None = None

    def encrypt(self, text: str) -> str:
        return self._fernet().encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> str:
        """Raises `Transient` where the key is another one: the secret is not lost, the key is."""
        try:
            return self._fernet().decrypt(token.encode()).decode()
        except InvalidToken as error:
            raise Transient(
                f"A secret was encrypted with another key. Start Tifo with the {VARIABLE} it was stored with,"
                f" or bring back {self._file}; or set the secret anew.",
                retry_after_s=5.0,
            ) from error

    def _fernet(self) -> MultiFernet:
        if self._opened is None:
            self._opened = MultiFernet([_read(key) for key in self._given.split(",") if key] or [self._from_file()])
        return self._opened

    def _from_file(self) -> Fernet:
        """Made aside and then given its name, so that another process meets the whole key or none."""
        try:
            if not self._file.exists():
                _make(self._file)
            return _read(self._file.read_text())
        except OSError as error:
            raise Transient(f"The key for secrets, {self._file}, cannot be made or read: {error}") from error


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, aside = tempfile.mkstemp(dir=path.parent)  # readable by its owner only
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was quicker: its key it is
            os.link(aside, path)
    finally:
        os.unlink(aside)  # noqa: PTH108 (a name, as mkstemp gives it)


def _read(key: str) -> Fernet:
    try:
        return Fernet(key)
    except ValueError as error:
        raise Rejected(
            f"{VARIABLE} is no key: it must be 32 bytes in URL-safe base64. Make one with `openssl rand -base64 32 |"
            " tr '+/' '-_'`.",
            field="secret_key",
        ) from error
