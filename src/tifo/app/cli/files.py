"""Files that commands read."""

from pathlib import Path

from tifo.documents.tree import MAX_BYTES
from tifo.kernel.errors import Rejected


def read_file(file: Path) -> str:
    """Raises `Rejected` for a file that cannot be read, is too large or is not UTF-8."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise Rejected(f"{file} cannot be read: {error.strerror}. Name a file of rules.", field="file") from error
    if len(content) > MAX_BYTES:
        raise Rejected(f"{file} is larger than {MAX_BYTES:,} bytes. Split it: files may refer to one another's keys.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Rejected(f"{file}: byte {error.start:,} is no UTF-8. Save the file as UTF-8.", field="file") from error
