"""Tidy tables of a study, one per family of measures, from the files that exist."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.files import provenance
from diffbench.files.output import atomic
from diffbench.files.sealed import Identity, identity_of
from diffbench.files.table import ROWS, TableWriter
from diffbench.files.table import table as hdf5_table
from diffbench.study.layout import place_of, stage_of, table
from diffbench.summary.kept import NewShelf, Shelf
from diffbench.summary.reading import DONE, MISSING, Fault, Reader
from diffbench.summary.rows import ESTIMATE, FACTORS, PROVENANCE, Rows, columns_of, encoded, rows_of

STATUS = ["file", "stage", "state", "reason", *PROVENANCE]
NOTHING = pd.DataFrame(columns=FACTORS + ESTIMATE)
WHOLE = ("train_size", "seed", "step", "n")
REAL = ("sigma", "value", "low", "high")


class Table:
    """One table as CSV and as HDF5, to which rows are appended."""

    def __init__(self, text: BinaryIO, columns: TableWriter) -> None:
        self._text, self._columns = text, columns
        self._waiting: list[tuple[Mapping[str, str], Rows]] = []
        self._count = 0
        NOTHING.to_csv(text, index=False)

    def append(self, rows: Rows, lines: bytes, factors: Mapping[str, str]) -> None:
        """The rows of a file; as columns they wait for others."""
        self._text.write(lines)
        self._waiting.append((factors, rows))
        self._count += len(rows.counts)
        if self._count >= ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the columns that wait."""
        if self._waiting:
            self._columns.append(columns_of(self._waiting))
            self._waiting.clear()
            self._count = 0

    def append_frame(self, rows: pd.DataFrame) -> None:
        """Rows of several files together."""
        rows = rows.reindex(columns=FACTORS + ESTIMATE)
        rows.to_csv(self._text, index=False, header=False)
        self._columns.append({str(name): _column(column) for name, column in rows.items()})

    def finish(self) -> None:
        """Write what waits; a table without rows has its columns all the same."""
        self.flush()
        self.append_frame(NOTHING)


def _column(column: pd.Series) -> np.ndarray:
    """A column as HDF5 holds it: text as UTF-8, whole numbers with gaps as reals."""
    if column.name not in (*WHOLE, *REAL):
        return encoded(["" if pd.isna(text) else str(text) for text in column])
    whole = column.name in WHOLE and not column.isna().any()
    return column.to_numpy(np.int64 if whole else float, na_value=0 if whole else np.nan)


@contextmanager
def tables(results: Path, names: tuple[str, ...]) -> Iterator[dict[str, Table]]:
    """Tables to fill, by name, each of which takes the place of the old one when the block ends well."""
    made_by = provenance.attributes({}, {})
    with ExitStack() as stack:
        filled = {}
        for name in names:
            temporary = stack.enter_context(atomic(results / table(name)))
            text = stack.enter_context(temporary.open("wb"))
            writer = stack.enter_context(hdf5_table(results / table(name, "h5"), "table", made_by))
            filled[name] = Table(text, writer)
        yield filled
        for each in filled.values():
            each.finish()


def gather(reader: Reader, before: Shelf | None, now: NewShelf, filled: Mapping[str, Table]) -> None:
    """Put the rows of every measure's file of the study on the shelf `now`, and into the table of its stage.

    Those that `before` has are not read again. Files that cannot be read are left out, and stand in the reader.
    """
    for path in reader.study.files:
        place = place_of(path)
        assert place
        kind, factors = place
        known = identity_of(reader.results / path)
        fingerprint = reader.lineage.fingerprint(kind, factors)
        if before and known and known.made_by == fingerprint and before.holds(path, known):
            rows, lines, content = before.unpacked(path)
            now.take(path, before.entries[path], rows, content)
        else:
            try:
                rows = now.with_shared_labels(rows_of(reader.estimates(kind, factors)))
            except DiffbenchError:
                continue
            lines = rows.lines(factors)
            now.put(path, known or NOT_KNOWN, rows, lines)
        if kind.stage in filled:
            filled[kind.stage].append(rows, lines, factors)


NOT_KNOWN = Identity(0, 0, 0, 0, "")
"""Of a file that came to be while it was looked for."""


def status(shelf: Shelf, reader: Reader, others: Mapping[str, Fault]) -> pd.DataFrame:
    """A row of STATUS per file that the study expects, then of each other file that is there but has a fault.

    others: faults beside those of the reader, by path.
    """
    whole = Fault(DONE, "")
    states = [(path, reader.faults.get(path, whole)) for path in reader.study.files]
    expected = frozenset(reader.study.files)
    states += [
        (path, fault)
        for path, fault in sorted(reader.faults.items())
        if path not in expected and fault.state != MISSING
    ]
    entries = [
        {"file": path, "stage": stage_of(path), "state": fault.state, "reason": fault.reason}
        | (shelf.entries[path].made if path in shelf.entries else {})
        for path, fault in [*states, *others.items()]
    ]
    return pd.DataFrame(entries, columns=STATUS)
