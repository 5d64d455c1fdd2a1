"""What a report reads of a study: the tables and verdicts of its summary, and its files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.files import store
from diffbench.files.store import StageFile
from diffbench.study import layout
from diffbench.study.grid import Cell
from diffbench.study.layout import Kind
from diffbench.study.study import Study

TABLES = ("denoise", "memorization", "overlap")
"""Tables of the summary that charts are made of; all have the same columns."""

NUMBERS = ("train_size", "seed", "step", "sigma", "value", "low", "high", "n")
"""Their columns of numbers."""


@dataclass(frozen=True)
class Results:
    """A study and its tables."""

    folder: Path
    study: Study
    manifest: dict[str, Any]
    estimates: pd.DataFrame  # tables.FACTORS + tables.ESTIMATE of all stages; guidance in words, nan for checkpoints
    status: pd.DataFrame  # file, stage, state, reason, ...
    costs: pd.DataFrame  # job, seconds, cpu_seconds, max_rss_mb

    def path(self, kind: Kind, factors: Mapping[str, Any]) -> Path:
        """Where the file of this kind with these factors lies."""
        return self.folder / kind.of(factors)

    def read(self, kind: Kind, factors: Mapping[str, Any]) -> StageFile:
        """The file of this kind with these factors. DiffbenchError if it is missing or broken."""
        return store.read(self.path(kind, factors), kind.stage)

    def table(self, name: str) -> pd.DataFrame:
        """A table of the summary. DiffbenchError if it cannot be read."""
        path = self.folder / layout.table(name)
        try:
            return read_table(path, self.study)
        except (OSError, ValueError) as error:
            raise DiffbenchError(f"{path}: no readable table ({error}); run snakemake to make it") from None


def load_results(folder: Path) -> Results:
    """Read the summary in `folder`. DiffbenchError if it is not there."""
    path = folder / layout.MANIFEST
    try:
        manifest = json.loads(path.read_text())
        study = Study.parse(manifest["study"], str(path))
        tables = [read_table(folder / layout.table(name), study) for name in TABLES]
        status, costs = (read_table(folder / layout.table(name), study) for name in ("status", "costs"))
    except (OSError, ValueError) as error:
        raise DiffbenchError(f"{path.parent}: no readable summary ({error}); run snakemake to make it") from None
    estimates = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
    return Results(folder, study, manifest, estimates, status, costs)


def load_claims(results: Results) -> list[dict[str, Any]]:
    """The claims as `summary.verdicts.as_records` made them. DiffbenchError if they cannot be read."""
    path = results.folder / layout.CLAIMS
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DiffbenchError(f"{path}: no readable claims ({error}); run snakemake to make them") from None


def load_controls(results: Results) -> pd.DataFrame:
    """The controls as `summary.controls.judge_controls` made them. DiffbenchError if they cannot be read."""
    texts = ["sigmas", "why", "verdict"]
    judged = results.table("controls").astype(dict.fromkeys(texts, object))  # a column without text reads as numbers
    return judged.fillna(dict.fromkeys(texts, ""))


def read_table(path: Path, study: Study) -> pd.DataFrame:
    """A table of the summary; only empty text is undefined, since a condition may be called "none", and models "2".

    Values of the guidance factor stand in words, as in `shown_factors`.
    """
    try:
        names = dict.fromkeys(("model", "guidance"), object)
        table = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=names)
    except pd.errors.EmptyDataError:
        return pd.DataFrame(columns=["job", "seconds", "cpu_seconds", "max_rss_mb"])
    if table.empty:  # where every cell failed; pandas cannot tell its columns' types then
        table = table.astype({name: float for name in NUMBERS if name in table})
    if "guidance" in table:
        table["guidance"] = table["guidance"].map({name: each.text for name, each in study.guidances.items()})
    if "reason" in table:
        table["reason"] = table["reason"].astype(object).where(table["reason"].notna(), "")
    return table


def shown_factors(cell: Cell) -> dict[str, Any]:
    """All factors of a cell by name, as pages show them: the guidance in words."""
    return cell.factors | {"guidance": cell.guidance.text}
