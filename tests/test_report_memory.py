"""What the report holds in memory of tables of millions of rows, and that it reads the rows that are asked for.

The tables' parts are made small, so that one part is little beside the table.
"""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diffbench.conventions import karras_sigmas
from diffbench.files import table
from diffbench.report.tables.estimates import FIELDS, Estimates, Stored
from diffbench.study.file import parse_study
from diffbench.study.study import Study
from diffbench.summary.rows import FACTORS, Labels, Rows, columns_of

LEVELS = karras_sigmas(18).tolist()
CURVES = [f"curve_{index}" for index in range(20)]
LABELS = Labels(
    ("scalar", *(name for name in CURVES for _ in LEVELS)),
    ("pixels",) * (1 + len(CURVES) * len(LEVELS)),
    (np.nan, *LEVELS * len(CURVES)),
)
REASON = "made up without a value, σ too high"
PART = 1000
"""Rows: neither files nor tables are whole parts."""


@pytest.fixture(scope="module")
def study() -> Study:
    grid = {"train_size": list(range(10, 30)), "guidance": [0.0, 1.0, 2.0]}
    return parse_study({"name": "many", "seeds": [0, 1, 2], "steps": [4, 8], "sweeps": [grid]}, "many")


@pytest.fixture(scope="module")
def rows(study: Study) -> pd.DataFrame:
    """The table, row by row."""
    rng = np.random.default_rng(0)
    parts = []
    for cell in study.cells:
        numbers = rng.normal(size=(3, len(LABELS.measures)))
        numbers[:, 1] = np.nan
        own = {"measure": LABELS.measures, "sigma": LABELS.sigmas, **dict(zip(FIELDS, numbers, strict=False))}
        parts.append(pd.DataFrame(cell.factors | own | {"n": rng.integers(1, 99, len(LABELS.measures)), "reason": ""}))
    whole = pd.concat(parts, ignore_index=True)
    whole.loc[whole["value"].isna(), "reason"] = REASON
    return whole.astype(dict.fromkeys(("model", "granularity", "guidance", "measure", "reason"), object))


@pytest.fixture(scope="module")
def path(study: Study, rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory):
    """The same as the summary writes it."""
    path = tmp_path_factory.mktemp("tables") / "overlap.h5"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(table, "ROWS", PART)
        with table.table(path, "table", {}) as filled:
            for cell, (_, own) in zip(study.cells, rows.groupby(FACTORS, sort=False), strict=True):
                numbers = own[["value", "low", "high"]].to_numpy().T
                told = Rows(LABELS, numbers, own["n"].to_numpy(), {1: REASON}, {})
                filled.append(columns_of([({name: str(value) for name, value in cell.factors.items()}, told)]))
        yield path


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "ROWS", PART)


@pytest.fixture(scope="module")
def estimates(study: Study, path: Path) -> Estimates:
    return Estimates([Stored(path, study)])


def as_read(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the table in the columns and with the index that they are read with."""
    return rows[[*FACTORS, "measure", "sigma", *FIELDS]].reset_index(drop=True)


def peaks(study: Study) -> pd.DataFrame:
    """A level for every cell, some between two of the curves', one far beyond them."""
    cells = pd.DataFrame([cell.factors for cell in study.cells])
    return cells.assign(level=np.geomspace(1e-4, 90, len(cells)))


def test_rows_are_those_of_the_table_wherever_its_parts_end(estimates: Estimates, rows: pd.DataFrame) -> None:
    assert len(rows) > 50 * PART
    wanted = ["curve_3", "scalar"]
    pd.testing.assert_frame_equal(estimates.of(wanted), as_read(rows[rows["measure"].isin(wanted)]))


def test_rows_of_settings_are_those_with_the_factors_of_any(estimates: Estimates, rows: pd.DataFrame) -> None:
    found = estimates.of(["curve_0"], [{"train_size": 12, "seed": 1}, {"guidance": "2", "step": 8}])
    chosen = (rows["train_size"] == 12) & (rows["seed"] == 1) | (rows["guidance"] == "2") & (rows["step"] == 8)
    pd.testing.assert_frame_equal(found, as_read(rows[chosen & (rows["measure"] == "curve_0")]))
    assert estimates.of(["curve_0"], []).empty
    assert estimates.of(["nothing"]).empty


def test_nearest_level_is_the_least_distance_in_ln_sigma(
    estimates: Estimates, rows: pd.DataFrame, study: Study
) -> None:
    found = estimates.nearest(["curve_7"], peaks(study))
    curves = rows[rows["measure"] == "curve_7"].merge(peaks(study), on=FACTORS)
    curves["distance"] = np.abs(np.log(curves["sigma"]) - np.log(curves["level"]))
    expected = curves.loc[curves.groupby(FACTORS, sort=False)["distance"].idxmin()]
    pd.testing.assert_frame_equal(found, as_read(expected))


def test_groups_are_each_combination_once(estimates: Estimates, rows: pd.DataFrame) -> None:
    keys = ["train_size", "measure", "sigma"]
    expected = rows.loc[rows["measure"].isin(["scalar", "curve_1"]), keys].drop_duplicates()
    found = estimates.groups(["scalar", "curve_1"], keys)
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected.reset_index(drop=True))


def peak_of(work: Callable[[], object]) -> tuple[int, int]:
    """Bytes that Python and numpy held at most beyond those before, and those that are left with the result."""
    tracemalloc.start()
    try:
        result = work()
        left, most = tracemalloc.get_traced_memory()
        del result
        return most, left
    finally:
        tracemalloc.stop()


def test_memory_grows_with_the_files_of_a_table_not_with_its_rows(study: Study, path: Path, rows: pd.DataFrame) -> None:
    """In bytes per row, which as codes and numbers takes 60."""
    most, left = peak_of(lambda: Stored(path, study))
    assert left < 3 * len(rows)
    assert most < 8 * len(rows)


def test_what_charts_read_of_all_cells_takes_a_part_of_the_table(
    estimates: Estimates, study: Study, rows: pd.DataFrame
) -> None:
    levels = peaks(study)
    for work in (
        lambda: estimates.nearest(["curve_7"], levels),
        lambda: estimates.of(CURVES, [dict(study.cells[0].factors)]),
        lambda: estimates.of(["scalar"]),
    ):
        assert peak_of(work)[0] < 5 * len(rows)
