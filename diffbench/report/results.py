"""What a report reads: the summary of a study, as tables."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.study.grid import Cell
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


def load_results(folder: Path) -> Results:
    """Read `folder`/summary. DiffbenchError if it is not there."""
    summary = folder / "summary"
    try:
        manifest = json.loads((summary / "manifest.json").read_text())
        study = Study.parse(manifest["study"], str(summary / "manifest.json"))
        tables = [read_table(summary / f"{name}.csv", study) for name in TABLES]
        status, costs = (read_table(summary / f"{name}.csv", study) for name in ("status", "costs"))
    except (OSError, ValueError) as error:
        raise DiffbenchError(f"{summary}: no readable summary ({error}); run snakemake to make it") from None
    estimates = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
    return Results(folder, study, manifest, estimates, status, costs)


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
