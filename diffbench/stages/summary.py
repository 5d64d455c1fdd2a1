"""Summary: the files of a study gathered into tidy tables, with a manifest of where they come from."""

import json
from pathlib import Path

import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.data.catalog import facts
from diffbench.files import provenance, store
from diffbench.files.estimates import rows
from diffbench.study.study import Study
from diffbench.summary import TABLES
from diffbench.summary.claims import judge
from diffbench.summary.laboratory import laboratory_tests
from diffbench.summary.lookup import Lookup
from diffbench.summary.models import model_sizes
from diffbench.summary.tables import ESTIMATE, FACTORS, Gathered, gather, stage_costs
from diffbench.summary.timescales import timescales
from diffbench.summary.verdicts import as_records


def run(study: Study, results: Path) -> None:
    """Write summary/*.csv, summary/*.h5 and summary/manifest.json inside `results`, from the files that exist."""
    gathered = gather(study, results)
    folder = results / "summary"
    lookup = Lookup(gathered.tables)
    tables = gathered.tables | {"timescales": timescales(study, lookup, results)}
    for name in TABLES:
        write_table(folder / name, tables.get(name, pd.DataFrame()).reindex(columns=FACTORS + ESTIMATE))
    sizes = model_sizes(study, results)
    write_csv(folder / "models.csv", sizes)
    write_csv(folder / "status.csv", gathered.files)
    write_csv(folder / "costs.csv", stage_costs(results))
    counted = sizes.dropna(subset=["parameters"])
    parameters = dict(zip(counted["model"], counted["parameters"], strict=True))
    verdicts = as_records(judge(study, lookup, parameters, facts(study.data).classes, laboratory_tests(results)))
    with store.atomic(results / "claims.json") as temporary:
        temporary.write_text(json.dumps(verdicts, indent=2))
    with store.atomic(folder / "manifest.json") as temporary:
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
        file = store.read(results / "features.h5", "features")
    except DiffbenchError:
        return None
    found: dict[str, object] = {"name": file.attributes["space"]}
    for row in rows(file):
        found[str(row["measure"])] = {name: float(row[name]) for name in ("value", "low", "high")}
    return found


def write_table(path: Path, table: pd.DataFrame) -> None:
    """One table as CSV and as HDF5, whose columns are variables over the dimension `row`."""
    write_csv(path.with_suffix(".csv"), table)
    columns = {str(name): store.Variable(_storable(column), ("row",), str(name)) for name, column in table.items()}
    store.write(path.with_suffix(".h5"), "table", columns, provenance.attributes({}, {}))


def _storable(column: pd.Series) -> pd.Series:
    """A column whose missing values HDF5 can hold: in a column of text they are empty."""
    return column if pd.api.types.is_numeric_dtype(column) else column.fillna("")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """A table as CSV, written atomically."""
    with store.atomic(path) as temporary:
        table.to_csv(temporary, index=False)
