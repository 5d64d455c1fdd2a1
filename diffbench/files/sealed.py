"""Sealed files: every result ends with digests of its blocks and the fingerprint of the spec that made it.

Readers of HDF5 and of zip archives pass over what follows their content. Blocks are compared with their digests before
a library sees them: damaged HDF5 can make one loop for ever. The workflow tells by the last bytes alone, of thousands
of files, which of them are what the study asks for.
"""

import hashlib
import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from diffbench.conventions import DiffbenchError
from diffbench.files.faults import REBUILD, BrokenFileError, StaleFileError

MARK = b"diffbench:"
NO_FINGERPRINT = "0" * 16
DIGEST = 32
"""Hexadecimal digits of a digest: the first half of SHA-256."""
FOOTER = len(MARK) + len(NO_FINGERPRINT) + 16 + 16 + DIGEST
"""Bytes after the digests of blocks: mark, fingerprint, length of the content, length of a block, own digest."""
BLOCK = 2**20
MOST_BLOCKS = 1000
"""So that the seal fits into the comment of a zip archive; larger files have larger blocks."""
ZIP_END = b"PK\5\6"


def seal(file: BinaryIO, fingerprint: str = "") -> None:
    """Append the seal to a whole file, open for reading and writing. fingerprint: of the spec that made it."""
    length = file.seek(0, os.SEEK_END)
    block = BLOCK
    while length > MOST_BLOCKS * block:
        block *= 2
    size = DIGEST * -(-length // block) + FOOTER
    _announce_comment(file, size)
    file.seek(0)
    table = b"".join(_digest(_read(file, min(block, length - start))) for start in range(0, length, block))
    footer = MARK + f"{fingerprint or NO_FINGERPRINT}{length:016x}{block:016x}".encode()
    file.seek(0, os.SEEK_END)
    file.write(table + footer + _digest(table + footer))


def _announce_comment(file: BinaryIO, size: int) -> None:
    """To a zip archive the seal is its comment, whose length is told by the last two bytes of the content."""
    end = file.seek(0, os.SEEK_END)
    if end < 22:
        return
    file.seek(end - 22)
    if file.read(len(ZIP_END)) == ZIP_END:
        file.seek(end - 2)
        file.write(struct.pack("<H", size))


def _read(file: BinaryIO, size: int) -> bytes:
    """So many bytes: an unbuffered file may return fewer at once."""
    parts: list[bytes] = []
    while size > 0 and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest()[:DIGEST].encode()


def fingerprint_at(path: Path) -> str | None:
    """Fingerprint of the spec that made a file, from its last bytes; None if the file is missing or has no seal."""
    try:
        with path.open("rb") as file:
            file.seek(-FOOTER, os.SEEK_END)
            footer = file.read()
    except OSError:
        return None
    parts = _parts(footer)
    return parts[0] if parts else None


class Identity(NamedTuple):
    """What is known of a file without reading its content; the seal stands for the content that was written."""

    size: int
    modified: int  # nanoseconds
    changed: int  # nanoseconds: of the state, which no program can set back
    inode: int
    seal: str

    @property
    def made_by(self) -> str:
        """Fingerprint of the spec that made it."""
        return self.seal[: len(NO_FINGERPRINT)]


def identity_of(path: Path) -> Identity | None:
    """What is known of a sealed file from its state and last bytes; None if it is missing or has no seal."""
    try:
        with path.open("rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            file.seek(-FOOTER, os.SEEK_END)
            footer = file.read(FOOTER)
    except OSError:
        return None
    if _parts(footer) is None:
        return None
    told = status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
    return Identity(*told, footer[len(MARK) :].decode("ascii", "replace"))


def _parts(footer: bytes) -> tuple[str, int, int] | None:
    """Fingerprint, length of the content and length of a block; None if it is no footer."""
    numbers = footer[len(MARK) + 16 : len(MARK) + 48]
    if not footer.startswith(MARK) or len(footer) != FOOTER:
        return None
    try:
        length, block = int(numbers[:16], 16), int(numbers[16:], 16)
    except ValueError:
        return None
    return (footer[len(MARK) : len(MARK) + 16].decode("ascii", "replace"), length, block) if block > 0 else None


class SealedFile(io.RawIOBase):
    """The content of a sealed file. Where a block is not what was written, zeros are read, from there on everywhere.

    `fault` keeps the error, for `opened` to raise: HDF5 crashes the process at its end if reading raises beneath it.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        """Read and compare the seal itself."""
        super().__init__()
        self.path = path
        self.fault: BrokenFileError | OSError | None = None
        self._file = file
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - FOOTER))
        footer = file.read(FOOTER)
        parts = _parts(footer)
        if parts is None:
            raise BrokenFileError(path, f"truncated, or not written by this diffbench (no seal at its end); {REBUILD}")
        self.fingerprint, self.length, self._block = parts
        table = size - FOOTER - self.length
        if table != DIGEST * -(-self.length // self._block):
            raise BrokenFileError(path, f"damaged: its length is not what its seal says; {REBUILD}")
        file.seek(self.length)
        self._table = file.read(table)
        if _digest(self._table + footer[:-DIGEST]) != footer[-DIGEST:]:
            raise BrokenFileError(path, f"damaged: its seal is not what was written; {REBUILD}")
        self._sound: set[int] = set()
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to `offset` from the start, from here or from the end of the content."""
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.length}[whence]
        return self._position

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride] (a buffer)
        """Read sound bytes into `buffer`, fewer at the end of the content; zeros after a fault."""
        stop = min(self._position + len(buffer), self.length)
        if stop <= self._position:
            return 0
        sound = bytes(stop - self._position)
        try:
            if self.fault is None:
                sound = self._sound_bytes(self._position, stop)
        except (BrokenFileError, OSError) as error:
            self.fault = error.with_traceback(None)
        memoryview(buffer)[: len(sound)] = sound
        self._position += len(sound)
        return len(sound)

    def _sound_bytes(self, start: int, stop: int) -> bytes:
        for index in range(start // self._block, -(-stop // self._block)):
            self._compare(index)
        self._file.seek(start)
        return _read(self._file, stop - start)

    def taken_fault(self) -> BrokenFileError | OSError:
        """The fault, kept no longer: an error that holds the file that holds it lives until the process ends."""
        fault, self.fault = self.fault, None
        assert fault
        return fault

    def compare_all(self) -> None:
        """Compare every block with its digest."""
        for index in range(-(-self.length // self._block)):
            self._compare(index)

    def _compare(self, index: int) -> None:
        if index in self._sound:
            return
        self._file.seek(index * self._block)
        content = _read(self._file, min(self._block, self.length - index * self._block))
        if _digest(content) != self._table[index * DIGEST : (index + 1) * DIGEST]:
            raise BrokenFileError(self.path, f"damaged: its content is not what was written; {REBUILD}")
        self._sound.add(index)


@contextmanager
def opened(path: Path, made_by: str | None = None) -> Iterator[SealedFile]:
    """A sealed file to read. made_by: fingerprint of the spec that must have made it, if that is known.

    BrokenFileError if it is damaged, whatever a library makes of that; StaleFileError if another spec made it;
    DiffbenchError if it is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            sealed = SealedFile(path, file)
            if made_by is not None and sealed.fingerprint != made_by:
                raise StaleFileError(path, f"made with other settings, factors or inputs than the study has; {REBUILD}")
            try:
                yield sealed
            finally:  # whatever a library made of zeros
                if sealed.fault is not None:
                    raise sealed.taken_fault() from None
    except FileNotFoundError:
        raise DiffbenchError(f"{path}: no such file; run snakemake to make it") from None
    except OSError as error:
        raise DiffbenchError(f"{path}: cannot be read: {error.strerror or error}") from None


def check(path: Path, made_by: str | None = None) -> None:
    """Compare every byte of a file with its digests. Errors as of `opened`."""
    with opened(path, made_by) as sealed:
        sealed.compare_all()
