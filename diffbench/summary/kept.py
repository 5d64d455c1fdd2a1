"""Rows that the summary keeps, so that it opens no file again that is as it was: one file, `.rows`, in the results.

It is only that: deleting it changes nothing but time. One that is damaged, or of another version, is as good as none. A
file is as it was if the system says so (size, times, inode) and if it ends with the same seal, which stands for its
content; damage that leaves all of these as they were, beneath the file system, is found where a job reads the file.
"""

import json
import struct
import time
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from diffbench.conventions import SCHEMA_VERSION, DiffbenchError
from diffbench.files.hash_cache import RACY_NS
from diffbench.files.output import written
from diffbench.files.sealed import Identity, opened, seal
from diffbench.study.layout import ROWS
from diffbench.summary.rows import Labels, Rows

VERSION = f"diffbench rows 1.{SCHEMA_VERSION}"
"""To be changed with what the rows of a file or of a run (`onsets`) are, and with how they are kept."""

END = struct.Struct("<Q")
"""After the index: its length."""

AT_HAND = 64
"""Files whose rows stay in memory."""


class Entry(NamedTuple):
    """Where the rows of a file lie, and what was known of it before it was read."""

    start: int
    rows: int
    packed: int  # bytes of counts and reasons
    text: int  # bytes of lines
    labels: int
    made: dict[str, Any]
    known: Identity
    settled: bool  # else it may have changed again without another time

    @property
    def seal(self) -> str:
        """Of the file."""
        return self.known.seal


class Shelf:
    """Rows by the path of their file, in a file that is open for reading."""

    def __init__(
        self, file: BinaryIO, entries: dict[str, Entry], labels: list[Labels], derived: dict[str, Any]
    ) -> None:
        """derived: rows of several files together, by a name, each with the seals of these."""
        self.entries, self.derived = entries, derived
        self._file, self._labels = file, labels
        self._at_hand: OrderedDict[str, Rows] = OrderedDict()

    def holds(self, path: str, known: Identity) -> bool:
        """Whether it has the rows of the file that is known as this."""
        entry = self.entries.get(path)
        return entry is not None and entry.settled and entry.known == known

    def rows(self, path: str) -> Rows | None:
        """The rows of a file, None where it has none."""
        if path not in self.entries:
            return None
        if path not in self._at_hand:
            self._at_hand[path] = self.read(path)
            if len(self._at_hand) > AT_HAND:
                self._at_hand.popitem(last=False)
        return self._at_hand[path]

    def read(self, path: str) -> Rows:
        """The rows of a file that it has."""
        return self._rows(self.entries[path], self.content(path))

    def content(self, path: str) -> bytes:
        """All that it has of a file, packed."""
        entry = self.entries[path]
        self._file.seek(entry.start)
        return self._file.read(24 * entry.rows + entry.packed + entry.text)

    def unpacked(self, path: str) -> tuple[Rows, bytes, bytes]:
        """The rows of a file, its lines of a table as CSV, and both packed."""
        entry, content = self.entries[path], self.content(path)
        return self._rows(entry, content), zlib.decompress(content[len(content) - entry.text :]), content

    def _rows(self, entry: Entry, content: bytes) -> Rows:
        numbers = np.frombuffer(content, float, 3 * entry.rows).reshape(3, entry.rows)
        packed = zlib.decompress(content[24 * entry.rows : 24 * entry.rows + entry.packed])
        counts = np.frombuffer(packed, np.int64, entry.rows)
        reasons = {int(row): reason for row, reason in json.loads(packed[8 * entry.rows :]).items()}
        return Rows(self._labels[entry.labels], numbers, counts, reasons, entry.made)


class NewShelf(Shelf):
    """A shelf to fill."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, {}, [], {})
        self._places: dict[tuple[object, ...], int] = {}
        self._known: dict[int, int] = {}
        self._end = 0
        self._began = time.time_ns()

    def put(self, path: str, known: Identity, rows: Rows, lines: bytes) -> None:
        """Keep the rows of a file, and its lines."""
        reasons = json.dumps({str(row): reason for row, reason in rows.reasons.items()}).encode()
        packed = zlib.compress(rows.counts.tobytes() + reasons, 1)
        text = zlib.compress(lines, 1)
        settled = max(known.modified, known.changed) + RACY_NS < self._began
        sizes = len(rows.counts), len(packed), len(text), self._place(rows.labels)
        content = np.ascontiguousarray(rows.numbers).tobytes() + packed + text
        self._add(path, Entry(self._end, *sizes, dict(rows.made), known, settled), content)

    def take(self, path: str, entry: Entry, rows: Rows, content: bytes) -> None:
        """Keep what another shelf has of a file; rows: the same unpacked."""
        self._add(path, entry._replace(start=self._end, labels=self._place(rows.labels)), content)

    def _add(self, path: str, entry: Entry, content: bytes) -> None:
        self.entries[path] = entry
        self._file.seek(self._end)
        self._end += self._file.write(content)

    def _place(self, labels: Labels) -> int:
        """Labels that several files share are kept once."""
        if id(labels) in self._known:
            return self._known[id(labels)]
        key = (labels.measures, labels.spaces, np.array(labels.sigmas).tobytes())
        if key not in self._places:
            self._places[key] = len(self._labels)
            self._labels.append(labels)
            self._known[id(labels)] = self._places[key]  # which lives as long as this
        return self._places[key]

    def with_shared_labels(self, rows: Rows) -> Rows:
        """The same rows, whose labels are those of other files."""
        return replace(rows, labels=self._labels[self._place(rows.labels)])

    def finish(self) -> None:
        """Write the index."""
        labels = [(each.measures, each.spaces, each.sigmas) for each in self._labels]
        index = {"version": VERSION, "labels": labels, "files": self.entries, "derived": self.derived}
        content = json.dumps(index).encode()
        self._file.seek(self._end)
        self._file.write(content + END.pack(len(content)))


@contextmanager
def kept(results: Path) -> Iterator[Shelf | None]:
    """What the last summary kept, None where it is of no use."""
    path = results / ROWS
    try:
        with opened(path) as sealed:
            sealed.compare_all()
    except DiffbenchError:
        yield None
        return
    with path.open("rb") as file:
        yield _shelf(file, sealed.length)


def _shelf(file: BinaryIO, length: int) -> Shelf | None:
    with suppress(OSError, ValueError, LookupError, TypeError, struct.error):
        file.seek(length - END.size)
        (size,) = END.unpack(file.read(END.size))
        file.seek(length - END.size - size)
        index = json.loads(file.read(size))
        if index["version"] == VERSION:
            entries = {path: _entry(values) for path, values in index["files"].items()}
            labels = [Labels(tuple(names), tuple(spaces), tuple(sigmas)) for names, spaces, sigmas in index["labels"]]
            return Shelf(file, entries, labels, index["derived"])
    return None


def _entry(values: list[Any]) -> Entry:
    entry = Entry._make(values)
    return entry._replace(known=Identity._make(entry.known))


@contextmanager
def keeping(results: Path) -> Iterator[NewShelf]:
    """A shelf to fill, which takes the place of the old one when the block ends well. UnwritableError if it cannot."""
    with written(results / ROWS) as output:
        shelf = NewShelf(output)
        yield shelf
        shelf.finish()
        seal(output)
