"""The lock that keeps a second run from results: the system's own, or a file where the file system has none."""

import errno
import fcntl
import tempfile
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from diffbench.study.layout import HOLDER, LOCK

NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)
"""What file systems answer that have no locks, such as Lustre by default, or whose server of them is not running."""


class LockedError(Exception):
    """Another holds the lock; says what can be done."""


def taken(results: Path) -> BaseFileLock:
    """The lock of results, taken. LockedError if another has it, OSError if `results` cannot be written.

    The system drops its lock with the process, also when that is killed. A file stays: on the machine that wrote it
    others see that its process is gone; on another it must be deleted by hand.
    """
    on_disk = has_locks(results)
    lock = FileLock(results / LOCK, timeout=0) if on_disk else SoftFileLock(results / HOLDER, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        advice = "" if on_disk else f"; if it was killed on another machine delete {lock.lock_file}"
        raise LockedError(f"wait for it or stop it{advice}") from None
    return lock


def has_locks(folder: Path) -> bool:
    """Whether the file system of a folder locks files."""
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in NO_LOCKS:
                return False
            raise
    return True
