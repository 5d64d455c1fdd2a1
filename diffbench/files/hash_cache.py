"""Hashes of files that are not read again while the system says that they are the same, as in the index of git."""

import hashlib
import json
import os
import stat
import time
from contextlib import suppress
from pathlib import Path

from diffbench.files.output import UnwritableError, atomic

Entry = tuple[int, int, int, int, str]
"""Size, times of modification and of change of state in nanoseconds, inode, SHA-256."""

RACY_NS = 2 * 10**9
"""A file that changed so short a time before it was read may change again without another time."""

FORMAT = "diffbench hashes 1"


class HashCache:
    """SHA-256 of files, by path.

    The cache is only that: one that is damaged or foreign is as good as none, and one that cannot be written is not.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known = _read(path) if path is not None else {}
        self._seen: dict[str, Entry] = {}

    def sha256(self, file: str) -> str:
        """In hexadecimal digits; "" of what is no file that can be read."""
        now = time.time_ns()
        try:
            status = os.stat(file)
        except (OSError, ValueError):
            return ""
        told = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        known = (self._known or {}).get(file)
        if known is not None and known[:-1] == told:
            self._seen[file] = known
            return known[-1]
        found = sha256_of(file)
        if found and max(status.st_mtime_ns, status.st_ctime_ns) + RACY_NS < now:
            self._seen[file] = (*told, found)
        return found

    def write(self) -> None:
        """Keep the hashes of the files that were asked for, if others were kept and the cache's folder exists."""
        if self._path is None or self._seen == self._known or not self._path.parent.is_dir():
            return
        with suppress(UnwritableError), atomic(self._path) as temporary:
            temporary.write_text(json.dumps({"sha256": _digest(self._seen), "files": self._seen}), encoding="utf-8")


def sha256_of(file: str) -> str:
    """SHA-256 of a file in hexadecimal digits, read block by block; "" of what is no file that can be read."""
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):  # a pipe would wait for ever
            return ""
        with open(file, "rb", buffering=0) as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""


def _read(path: Path) -> dict[str, Entry] | None:
    """What was kept; None if it is not what was written: a wrong hash would pass for a change of the file."""
    try:
        stored = json.loads(path.read_bytes())
        if stored["sha256"] == _digest(stored["files"]):
            return {file: tuple(entry) for file, entry in stored["files"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        pass
    return None


def _digest(files: object) -> str:
    return hashlib.sha256(f"{FORMAT} {json.dumps(files)}".encode()).hexdigest()
