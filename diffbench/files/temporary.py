"""Names for what is not whole yet, beside what it will be; what killed processes left under such names goes.

A name tells machine and process: machines that share a disk do not write one file, and one knows its own dead.
"""

import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

FORGOTTEN_SECONDS = 24 * 60 * 60.0
"""Nothing takes as long to write: what is older was left, whoever it was of."""

_TEMPORARY = re.compile(r"\..+\.(?P<process>\d+)\.tmp")


def temporary_beside(path: Path) -> Path:
    """A name for what is to take the place of `path`, a file or a folder; what was left beside it is removed."""
    remove_left(path)
    return path.with_name(f".{path.name}.{os.uname().nodename}.{os.getpid()}.tmp")


def is_temporary(name: str) -> bool:
    """Whether a file of this name is not whole yet, or was left by a process that was killed."""
    return _TEMPORARY.fullmatch(name) is not None


def remove_left(path: Path) -> None:
    """Remove what killed processes left that were to write `path`, or what stands beside it under a longer name."""
    with suppress(OSError):
        for entry in list(os.scandir(path.parent)):
            if entry.name.startswith(f".{path.name}.") and _is_left(entry):
                _remove(entry)


def _is_left(entry: "os.DirEntry[str]") -> bool:
    named = _TEMPORARY.fullmatch(entry.name)
    if named is None:
        return False
    if time.time() - entry.stat(follow_symlinks=False).st_mtime > FORGOTTEN_SECONDS:
        return True
    here = entry.name[: named.start("process")].endswith(f".{os.uname().nodename}.")
    return here and not _runs(int(named["process"]))


def _runs(process: int) -> bool:
    import psutil  # rarely needed

    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _remove(entry: "os.DirEntry[str]") -> None:
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path, ignore_errors=True)
    else:
        with suppress(OSError):
            os.unlink(entry.path)
