"""The lock that keeps a second run from results: the system's own, or a file where the file system has none."""

import errno
import fcntl
import tempfile
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock

from diffbench.study.layout import HOLDER, LOCK

NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)
"""What file systems answer that have no locks, such as Lustre by default, or whose server of them is not running."""


def lock_of(results: Path) -> BaseFileLock:
    """The lock of results, not taken yet; who finds it taken gives up at once.

    The system drops its lock with the process, also when that is killed. A file stays: on the machine that wrote it
    others see that its process is gone; on another it must be deleted by hand. OSError if `results` cannot be written.
    """
    if has_locks(results):
        return FileLock(results / LOCK, timeout=0)
    return SoftFileLock(results / HOLDER, timeout=0)


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


def what_to_do(lock: BaseFileLock) -> str:
    """Advice to who finds it taken."""
    advice = "wait for it or stop it"
    if not isinstance(lock, SoftFileLock):
        return advice
    return f"{advice}; if it was killed on another machine delete {lock.lock_file}"
