"""What a report reads of a study: the tables and verdicts of its summary, and its files."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.data.stored_images import StoredImages
from diffbench.data.training_set import Images, stored_images
from diffbench.files.faults import BrokenFileError
from diffbench.files.store import StageFile
from diffbench.report.tables.estimates import Estimates, Stored
from diffbench.shapes import Int64
from diffbench.study import layout
from diffbench.study.grid import Cell
from diffbench.study.layout import Kind
from diffbench.study.lineage import Lineage
from diffbench.study.study import Study
from diffbench.summary.manifest import opened_vouched, read_manifest, read_vouched
from diffbench.summary.reading import DONE, Fault, Reader
from diffbench.summary.rows import FACTORS

TABLES = {
    "denoise": layout.DENOISE,
    "memorization": layout.MEMORIZATION,
    "overlap": layout.OVERLAP,
    "consistency": layout.CONSISTENCY,
}
"""Tables of the summary that pages are made of, and the files whose estimates they hold."""

NUMBERS = ("train_size", "seed", "step", "sigma", "value", "low", "high", "n")
"""Columns of numbers of the summary's tables."""


@dataclass(frozen=True)
class Results:
    """A study and its tables."""

    folder: Path
    study: Study
    manifest: dict[str, Any]
    estimates: Estimates
    status: pd.DataFrame  # file, stage, state, reason, ...
    costs: pd.DataFrame  # job, seconds, cpu_seconds, max_rss_mb
    written_to: Path | None = None

    @property
    def pages(self) -> Path:
        """The folder in which pages are written: that of the report, if no other was named."""
        return self.written_to or (self.folder / layout.page("index")).parent

    @cached_property
    def reader(self) -> Reader:
        """Reads the study's files for pictures and figures, and remembers those that it cannot."""
        return Reader(Lineage(self.study, self.manifest.get("contents", {})), self.folder)

    @cached_property
    def known_faults(self) -> dict[str, Fault]:
        """Files that the summary could not use, by path."""
        rows = self.status[self.status["state"] != DONE] if len(self.status) else self.status
        return {row["file"]: Fault(row["state"], row["reason"]) for row in rows.to_dict("records")}

    @property
    def faults(self) -> dict[str, Fault]:
        """The same, and those that a figure or picture lacks."""
        return self.reader.faults | self.known_faults

    @property
    def scalars(self) -> dict[str, Kind]:
        """All measures without a noise level, and the files that hold them."""
        by_table = zip(TABLES.values(), self.estimates.scalars, strict=True)
        return {name: kind for kind, names in by_table for name in names}

    @property
    def title(self) -> str:
        """What pages are headed with: the study's title, else its name, of an inspection its model's."""
        runs = self.study.runs
        return self.study.title or (runs[0].model if self.inspects else self.study.name)

    @property
    def inspects(self) -> bool:
        """Whether the study is of one model from outside and no other: an inspection."""
        return self.study.inspects

    @cached_property
    def cells(self) -> pd.DataFrame:
        """FACTORS of every cell of the study, as `shown_factors`."""
        return pd.DataFrame([shown_factors(cell) for cell in self.study.cells], columns=FACTORS)

    @contextmanager
    def stored(self, train_size: int) -> Iterator[dict[str, StoredImages]]:
        """Images of either split as they are looked at, unread; errors of the block that reads some are remembered."""
        kind = self.study.pictured
        with self.reader.noting(kind, {}) as path:
            try:
                splits = stored_images(path, train_size, self.reader.lineage.fingerprint(kind, {}), kind.stage)
            except KeyError as error:
                raise BrokenFileError(path, f"holds no {error}") from None
            yield splits

    def pictures(self, train_size: int, rows: Int64[np.ndarray, " r"]) -> Images:
        """Images (r, *shape) at rows of a training subset, as they are looked at. DiffbenchError as of `read`."""
        with self.stored(train_size) as splits:
            return splits["train"].images(rows)

    def read(self, kind: Kind, factors: Mapping[str, Any]) -> StageFile:
        """The file of this kind with these factors. DiffbenchError if it is missing, broken, stale or unreadable."""
        if fault := self.known_faults.get(kind.of(factors)):
            raise DiffbenchError(f"{kind.of(factors)}: {fault.state}: {fault.reason}")
        return self.reader.read(kind, factors)

    def table(self, name: str) -> pd.DataFrame:
        """A table of the summary. DiffbenchError if it cannot be read, or is not what the summary wrote."""
        return _summary_table(self.folder, self.manifest, name, self.study)


def load_results(folder: Path) -> Results:
    """Read the summary in `folder`. DiffbenchError if it is not there, or not as it was written."""
    manifest = read_manifest(folder)
    study = Study.parse(manifest["study"], str(folder / layout.MANIFEST))
    status, costs = (_summary_table(folder, manifest, name, study) for name in ("status", "costs"))
    tables = []
    for name in TABLES:
        with opened_vouched(folder, manifest, layout.table(name, "h5")):
            tables.append(Stored(folder / layout.table(name, "h5"), study))
    return Results(folder, study, manifest, Estimates(tables), status, costs)


def load_claims(results: Results) -> list[dict[str, Any]]:
    """The claims as `summary.verdicts.as_records` made them. DiffbenchError if they cannot be read."""
    return json.loads(read_vouched(results.folder, results.manifest, layout.CLAIMS))


def load_laws(results: Results) -> list[dict[str, Any]]:
    """The laws likewise, also those that the study says nothing of: see `tested`."""
    return json.loads(read_vouched(results.folder, results.manifest, layout.LAWS))


def tested(claim: Mapping[str, Any]) -> bool:
    """Whether any test of a claim or law has a value, positive controls aside."""
    return any(test["value"] is not None for test in claim["tests"] if not test["control"])


def load_controls(results: Results) -> pd.DataFrame:
    """The controls as `summary.controls.judge_controls` made them. DiffbenchError if they cannot be read."""
    texts = ["sigmas", "why", "verdict"]
    judged = results.table("controls").astype(dict.fromkeys(texts, object))  # a column without text reads as numbers
    return judged.fillna(dict.fromkeys(texts, ""))


def _summary_table(folder: Path, manifest: Mapping[str, Any], name: str, study: Study) -> pd.DataFrame:
    return read_table(BytesIO(read_vouched(folder, manifest, layout.table(name))), study)


def read_table(source: Path | BytesIO, study: Study) -> pd.DataFrame:
    """A table of the summary, in which values of the guidance factor stand in words, as in `shown_factors`."""
    table = plain_table(source)
    if "guidance" in table:
        table["guidance"] = table["guidance"].map({name: each.text for name, each in study.guidances.items()})
    return table


def plain_table(source: Path | BytesIO) -> pd.DataFrame:
    """A table as written; only empty text is undefined, since a condition may be called "none", and models "2"."""
    names = dict.fromkeys(("model", "guidance"), object)
    table = pd.read_csv(source, keep_default_na=False, na_values=[""], dtype=names)
    if table.empty:  # where every cell failed; pandas cannot tell its columns' types then
        table = table.astype({name: float for name in NUMBERS if name in table})
    if "reason" in table:
        table["reason"] = table["reason"].astype(object).where(table["reason"].notna(), "")
    return table


def shown_factors(cell: Cell) -> dict[str, Any]:
    """All factors of a cell by name, as pages show them: the guidance in words."""
    return cell.factors | {"guidance": cell.guidance.text}
