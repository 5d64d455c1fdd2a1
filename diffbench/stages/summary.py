"""Summary: the files of a study gathered into tidy tables, with a manifest of where they come from."""

import json
from pathlib import Path

import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.data.catalog import facts
from diffbench.files import estimates, provenance, store
from diffbench.files.output import atomic
from diffbench.study.layout import CLAIMS, FEATURES, MANIFEST, table
from diffbench.study.study import Study
from diffbench.summary import TABLES
from diffbench.summary.claims import judge
from diffbench.summary.controls import judge_controls
from diffbench.summary.laboratory import laboratory_tests
from diffbench.summary.lookup import Lookup
from diffbench.summary.models import model_sizes
from diffbench.summary.tables import ESTIMATE, FACTORS, Gathered, gather, stage_costs
from diffbench.summary.timescales import timescales
from diffbench.summary.verdicts import as_records


def run(study: Study, results: Path) -> None:
    """Write summary/*.csv, summary/*.h5 and summary/manifest.json inside `results`, from the files that exist."""
    gathered = gather(study, results)
    lookup = Lookup(gathered.tables)
    tables = gathered.tables | {"timescales": timescales(study, lookup, results)}
    for name in TABLES:
        write_table(results, name, tables.get(name, pd.DataFrame()).reindex(columns=FACTORS + ESTIMATE))
    sizes = model_sizes(study, results)
    write_csv(results / table("models"), sizes)
    write_csv(results / table("status"), gathered.files)
    write_csv(results / table("costs"), stage_costs(results))
    if study.has_controls:
        write_csv(results / table("controls"), judge_controls(study, gathered.tables))
    counted = sizes.dropna(subset=["parameters"])
    parameters = dict(zip(counted["model"], counted["parameters"], strict=True))
    verdicts = as_records(judge(study, lookup, parameters, facts(study.data).classes, laboratory_tests(results)))
    with atomic(results / CLAIMS) as temporary:
        temporary.write_text(json.dumps(verdicts, indent=2))
    with atomic(results / MANIFEST) as temporary:
        temporary.write_text(json.dumps(manifest(study, gathered, results), indent=2))


def manifest(study: Study, gathered: Gathered, results: Path) -> dict[str, object]:
    """What the study is, what of it exists, and what made it."""
    done = gathered.files["state"] == "done"
    missing = set(gathered.files.loc[~done, "file"])
    complete = [cell for cell in study.cells if missing.isdisjoint(study.files_of(cell))]
    return {
        "study": study.model_dump(mode="json"),
        "cells": len(study.cells),
        "cells_complete": len(complete),
        "files": len(gathered.files),
        "files_missing": len(missing),
        "feature_space": feature_space(results),
        "provenance": provenance.attributes({}, {}),
    }


def feature_space(results: Path) -> dict[str, object] | None:
    """Name of the space in which quality is measured, and what is known of it, such as a classifier's accuracy."""
    try:
        file = store.read(results / FEATURES.pattern, "features")
    except DiffbenchError:
        return None
    space: dict[str, object] = {"name": file.attributes["space"]}
    for row in estimates.rows(file):
        space[str(row["measure"])] = {name: float(row[name]) for name in ("value", "low", "high")}
    return space


def write_table(results: Path, name: str, rows: pd.DataFrame) -> None:
    """One table as CSV and as HDF5, whose columns are variables over the dimension `row`."""
    write_csv(results / table(name), rows)
    columns = {str(name): store.Variable(_storable(column), ("row",), str(name)) for name, column in rows.items()}
    store.write(results / table(name, "h5"), "table", columns, provenance.attributes({}, {}))


def _storable(column: pd.Series) -> pd.Series:
    """A column whose missing values HDF5 can hold: in a column of text they are empty."""
    return column if pd.api.types.is_numeric_dtype(column) else column.fillna("")


def write_csv(path: Path, rows: pd.DataFrame) -> None:
    """A table as CSV, written atomically."""
    with atomic(path) as temporary:
        rows.to_csv(temporary, index=False)
