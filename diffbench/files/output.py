"""Files to write: whole or not at all, and one line that says why where they cannot be written."""

import errno
import io
import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from diffbench.conventions import DiffbenchError
from diffbench.files.faults import unmark
from diffbench.files.temporary import temporary_beside

if TYPE_CHECKING:  # most stages write no table, and pandas takes long to import
    import pandas as pd

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""Errors of the system that ask for room."""

MAKE_ROOM = "make room and run again"

UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


class UnwritableError(DiffbenchError):
    """A file cannot be written: its disk is full, or the system refuses."""


class LostWriteError(OSError):
    """A write of an `Output` that failed; needed: bytes of the whole file."""

    def __init__(self, error: OSError, needed: int) -> None:
        super().__init__(error.errno, error.strerror)
        self.needed = needed


class Output(io.FileIO):
    """A new file, open for reading and writing, that keeps the error of a failed write until `check` asks for it.

    file: its path, or the descriptor of an empty one.
    HDF5 crashes the process where it cannot write what it holds, and torch raises errors that say nothing of the disk.
    So they are told of no failure: after it nothing is written any more, and what is not there is read as zeros.
    """

    def __init__(self, file: Path | int) -> None:
        super().__init__(file, "w+")
        self._error: OSError | None = None
        self._needed = 0

    def write(self, data: bytes | bytearray | memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Write all of `data`."""
        view = memoryview(data).cast("B")
        start = self.tell()
        end = start + len(view)
        self._needed = max(self._needed, end)
        try:
            while self._error is None and start < end:  # a disk that is nearly full takes a part
                start += super().write(view[start - end :])
        except OSError as error:
            self._error = error
        self.seek(end)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the length, here if it is not given."""
        length = self.tell() if size is None else size
        try:
            super().truncate(length)
        except OSError as error:
            self._error = self._error or error
        return length

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; the end is where it would be had all been written."""
        if whence == os.SEEK_END and self._error is not None:
            return super().seek(self._needed + offset)
        return super().seek(offset, whence)

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Read into `buffer`."""
        count = super().readinto(buffer)
        if self._error is None:
            return count
        buffer[count:] = bytes(len(buffer) - count)  # HDF5 follows addresses that it reads, also those in no file
        return len(buffer)

    def check(self) -> None:
        """Raise LostWriteError if a write has failed."""
        if self._error is not None:
            raise LostWriteError(self._error, self._needed)


@contextmanager
def written(path: Path) -> Iterator[Output]:
    """A file to write to, which takes the place of `path` when the block ends well: no reader sees half a file.

    UnwritableError if a write failed, whatever a library made of that.
    """
    with atomic(path) as temporary, Output(temporary) as file:
        try:
            yield file
        except Exception:
            file.check()
            raise
        file.check()


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path that takes the place of `path` when the block ends well: no reader sees half a file.

    UnwritableError if something in the block cannot be written.
    """
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as whole:
            os.fsync(whole.fileno())
        temporary.replace(path)
        unmark(path)
    except OSError as error:
        needed = _needed(error, temporary)
        _remove(temporary)  # before it is asked what is free
        raise unwritable(path, error, needed) from None
    finally:
        _remove(temporary)


def unwritable(path: Path, error: OSError, needed: str = "", remedy: str | None = None) -> UnwritableError:
    """What to say of an error that came of writing to `path`, a file or a folder; remedy: what the user can do."""
    if error.errno not in NO_ROOM:
        reason = error.strerror or " ".join(str(error).split())
        if error.errno == errno.EISDIR:
            remedy = "move that folder away and run again"
        remedy = remedy or "check its folder and disk, and run again"
        return UnwritableError(f"{path}: cannot be written ({reason}); {remedy}")
    problem, free = ("quota used up", "") if error.errno == errno.EDQUOT else ("disk full", _free(path))
    amounts = ", ".join(filter(None, (needed, free)))
    return UnwritableError(f"{path}: {problem} ({amounts or error.strerror}); {remedy or MAKE_ROOM}")


def needed_bytes(count: int) -> str:
    """A size that is needed, rounded up, for messages."""
    return f"{_amount(count, math.ceil)} needed"


def _needed(error: OSError, temporary: Path) -> str:
    """What is known of the size that a file would have had."""
    if isinstance(error, LostWriteError):
        return needed_bytes(error.needed)
    with suppress(OSError):
        return f"more than {needed_bytes(temporary.stat().st_size)}"
    return ""


def _free(path: Path) -> str:
    """What is free where `path` lies, or would lie."""
    with suppress(OSError):
        path = path.absolute()
        folder = next(each for each in (path, *path.parents) if each.is_dir())
        if os.statvfs(folder).f_files and not os.statvfs(folder).f_favail:
            return "it takes no more files"
        return f"{_amount(shutil.disk_usage(folder).free, math.floor)} free"
    return ""


def _amount(count: int, rounded: Callable[[float], int]) -> str:
    unit, name = next((each for each in UNITS if count >= 10 * each[0]), UNITS[-1])
    return f"{rounded(count / unit)} {name}"


def _remove(temporary: Path) -> None:
    with suppress(OSError):  # a disk that is read-only refuses to remove what is not there
        temporary.unlink(missing_ok=True)


def write_csv(path: Path, rows: "pd.DataFrame") -> None:
    """A table as CSV, whole or not at all."""
    with atomic(path) as temporary:
        rows.to_csv(temporary, index=False)
