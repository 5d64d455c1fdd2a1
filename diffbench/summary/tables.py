"""Tidy tables of a study, one per family of measures, from the files that exist."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.files import store
from diffbench.files.estimates import rows
from diffbench.study.layout import BENCHMARK, is_result, logs_behind, stage_of
from diffbench.study.study import Study

FACTORS = ["model", "train_size", "granularity", "seed", "step", "guidance"]
ESTIMATE = ["sigma", "measure", "space", "value", "low", "high", "n", "reason"]


@dataclass(frozen=True)
class Gathered:
    """Tables by stage, and the provenance and status of every file that the study expects."""

    tables: dict[str, pd.DataFrame]  # FACTORS + ESTIMATE
    files: pd.DataFrame  # file, stage, state, reason, wall_seconds, peak_memory_mb, device


def gather(study: Study, results: Path) -> Gathered:
    """Read every measure's file of the study; a missing or broken one becomes a row that says why."""
    estimates: dict[str, list[dict[str, Any]]] = {}
    files = []
    for path in study.files:
        stage = stage_of(path)
        try:
            file = store.read(results / path, stage)
        except DiffbenchError as error:
            reason = why_missing(results, path, error)
            files.append({"file": path, "stage": stage, "state": "missing", "reason": reason})
            continue
        factors = file.attributes["factors"]
        estimates.setdefault(stage, []).extend(factors | row for row in rows(file))
        provenance = {key: file.attributes[key] for key in ("wall_seconds", "peak_memory_mb", "device")}
        files.append({"file": path, "stage": stage, "state": "done", "reason": ""} | provenance)
    tables = {stage: pd.DataFrame(entries).reindex(columns=FACTORS + ESTIMATE) for stage, entries in estimates.items()}
    return Gathered(tables, pd.DataFrame(files))


def why_missing(results: Path, path: str, error: Exception) -> str:
    """The last line of the log that stopped a file, its own stage's or that of a stage before it."""
    if (results / path).exists():
        return str(error)
    for log in logs_behind(path):
        if (results / log).exists() and (lines := (results / log).read_text().strip().splitlines()):
            return lines[-1]
    return "not made yet"


def stage_costs(results: Path) -> pd.DataFrame:
    """What Snakemake measured of every job that it ran: one row per benchmark file, with its stage and path."""
    return pd.DataFrame(_benchmark_rows(sorted(results.rglob(f"*{BENCHMARK}")), results))


def _benchmark_rows(paths: Iterable[Path], results: Path) -> Iterator[dict[str, Any]]:
    for path in paths:
        if not is_result(path.relative_to(results).as_posix()):
            continue
        record = pd.read_json(path, lines=True).iloc[-1]
        yield {
            "job": str(path.relative_to(results)).removesuffix(BENCHMARK),
            "seconds": record["s"],
            "cpu_seconds": record["cpu_time"],
            "max_rss_mb": record["max_rss"],
        }
