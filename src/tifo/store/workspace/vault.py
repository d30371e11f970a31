"""Encrypts secrets at rest, with a key that is not in the database.

The key is the variable `TIFO_SECRET_KEY`, or else a file beside the state, which is made when it is first needed and is
readable by its owner only. Machines that share a PostgreSQL all need the same variable.
"""

import contextlib
import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from tifo.kernel.errors import Rejected, Transient

VARIABLE = "TIFO_SECRET_KEY"


class Vault:
    """Encrypts with the first of the `given` keys, which commas separate, and decrypts with all of them."""

    def __init__(self, given: str, file: Path) -> None:
        self._given = given
        self._file = file
        self._opened: MultiFernet | None = None

    def encrypt(self, text: str) -> str:
        return self._fernet().encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> str:
        """Raises `Transient` for a secret that was encrypted with another key: it is readable again with that key."""
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
        """Reads the key's file, or makes it."""
        try:
            if not self._file.exists():
                _make(self._file)
            return _read(self._file.read_text())
        except OSError as error:
            raise Transient(f"The key for secrets, {self._file}, cannot be made or read: {error}") from error


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # The key is written under another name first, so that no process ever reads half of it.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # readable by its owner only
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            # A key that a power cut takes away makes every secret unreadable.
            os.fsync(file.fileno())
        # A link fails where the file is there by now. A rename would replace another process's key, and make the
        # secrets unreadable that it has encrypted.
        with contextlib.suppress(FileExistsError):  # another process was quicker: its key counts
            os.link(temporary, path)
    finally:
        os.unlink(temporary)  # noqa: PTH108 (a name, as mkstemp gives it)


def _read(key: str) -> Fernet:
    try:
        return Fernet(key)
    except ValueError as error:
        raise Rejected(
            f"{VARIABLE} is no key: it must be 32 bytes in URL-safe base64. Make one with `openssl rand -base64 32 |"
            " tr '+/' '-_'`.",
            field="secret_key",
        ) from error
