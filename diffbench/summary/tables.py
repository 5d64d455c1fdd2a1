"""Tidy tables of a study, one per family of measures, from the files that exist."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import rows
from diffbench.files.store import StageFile
from diffbench.study.layout import place_of, stage_of
from diffbench.study.lineage import FACTORS as FACTOR_TYPES
from diffbench.summary.reading import DONE, MISSING, Fault, Reader

FACTORS = ["model", "train_size", "granularity", "seed", "step", "guidance"]
ESTIMATE = ["sigma", "measure", "space", "value", "low", "high", "n", "reason"]
PROVENANCE = ["wall_seconds", "peak_memory_mb", "device"]
STATUS = ["file", "stage", "state", "reason", *PROVENANCE]


@dataclass(frozen=True)
class Gathered:
    """Tables by stage, and what is known of the making of the files that they are of, by path."""

    tables: dict[str, pd.DataFrame]  # FACTORS + ESTIMATE
    made: dict[str, dict[str, Any]]  # PROVENANCE


def gather(reader: Reader) -> Gathered:
    """Read every measure's file of the study; those that cannot be read are left out, and stand in the reader."""
    estimates: dict[str, list[dict[str, Any]]] = {}
    made = {}
    for path in reader.study.files:
        place = place_of(path)
        assert place
        kind, factors = place
        try:
            file = reader.read(kind, factors)
            entries = list(_entries(file, factors))
            made[path] = {key: file.attributes[key] for key in PROVENANCE}
        except DiffbenchError:
            continue
        estimates.setdefault(kind.stage, []).extend(entries)
    tables = {stage: pd.DataFrame(entries).reindex(columns=FACTORS + ESTIMATE) for stage, entries in estimates.items()}
    return Gathered(tables, made)


def _entries(file: StageFile, factors: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    typed = {name: FACTOR_TYPES[name](text) for name, text in factors.items()}
    return (typed | row for row in rows(file))


def status(gathered: Gathered, reader: Reader, others: Mapping[str, Fault]) -> pd.DataFrame:
    """A row of STATUS per file that the study expects, then of each other file that is there but has a fault.

    others: faults beside those of the reader, by path.
    """
    states = [(path, reader.faults.get(path, Fault(DONE, ""))) for path in reader.study.files]
    expected = frozenset(reader.study.files)
    states += [
        (path, fault)
        for path, fault in sorted(reader.faults.items())
        if path not in expected and fault.state != MISSING
    ]
    entries = [
        {"file": path, "stage": stage_of(path), "state": fault.state, "reason": fault.reason}
        | gathered.made.get(path, {})
        for path, fault in [*states, *others.items()]
    ]
    return pd.DataFrame(entries, columns=STATUS)
