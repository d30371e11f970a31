"""Copies a file, without writing its bytes where the file system can share them (XFS, btrfs, APFS)."""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

_FICLONE = 0x40049409
"""Linux's request to share all blocks of one file with another (`man ioctl_ficlone`)."""


def copy_file(source: Path, target: Path) -> bool:
    """Makes `target` a copy of `source`; an older `target` is removed first. Returns True where no bytes were written.

    The caller holds writers of `source` off. Raises `OSError`, such as for a full disk.
    """
    target.unlink(missing_ok=True)
    if _cloned(source, target):
        return True
    shutil.copyfile(source, target)
    return False


def _cloned(source: Path, target: Path) -> bool:
    if sys.platform == "darwin":
        # -c: clonefile(2), which Python does not offer.
        done = subprocess.run(["/bin/cp", "-c", str(source), str(target)], check=False, stderr=subprocess.DEVNULL)
        return done.returncode == 0
    try:
        with source.open("rb") as read, target.open("wb") as written:
            fcntl.ioctl(written.fileno(), _FICLONE, read.fileno())
    except OSError:  # another file system, or an older kernel
        return False
    return True
