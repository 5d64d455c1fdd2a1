"""A study of an odd but legal shape, too large for single charts: its report tells what it leaves out, and is small."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffbench.report.charts.figure import MAXIMUM_ROWS
from diffbench.report.charts.fitting import THINNED, fitted
from diffbench.report.tables.slices import VALUES
from diffbench.settings.report import ReportSettings
from diffbench.stages import report
from diffbench.study.study import Study
from tests.large_studies import make_large_study

LARGEST_PAGE = 8_000_000
SEEDS, SIZES, MILESTONES = list(range(40)), [32 + 2 * n for n in range(40)], [100 * (n + 1) for n in range(30)]
ODD: dict[str, Any] = {
    "seeds": SEEDS,
    "steps": MILESTONES,
    "sweeps": [
        {"train_size": SIZES, "step": MILESTONES[-1:]},
        {"guidance": [0.25 * n for n in range(40)], "step": MILESTONES[-1:]},
    ],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Study]:
    """A study of 40 training sizes, weights and seeds, and of 30 milestones, with its report."""
    folder = tmp_path_factory.mktemp("odd")
    study = make_large_study(folder, ODD)
    report.run(ReportSettings(), folder)
    return folder / "report", study


def pages(folder: Path) -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.html")}


def test_pages_and_charts_stay_small(made):
    drawn = {}
    for name, page in pages(made[0]).items():
        assert len(page.encode()) < LARGEST_PAGE, name
        held = re.search(r'id="specifications">(.*?)</script>', page, re.DOTALL)
        drawn |= json.loads(held[1]) if held and held[1] else {}
    assert len(drawn) > 12
    for name, specification in drawn.items():
        assert sum(map(len, specification["datasets"].values())) <= MAXIMUM_ROWS, name


def test_what_charts_leave_out_is_said_and_stands_in_their_tables(made):
    folder, study = made
    text = {name: unescape(page) for name, page in pages(folder).items()}
    seeds = len(study.seeds)
    assert f"{VALUES} of {len(SIZES)} values" in text["factors"]
    assert re.search(rf"Drawn of this large study: \d\d of {seeds} seeds; the table has all", text["factors"])
    table = pd.read_csv(folder / "data/outcomes-by-factor.csv")
    assert table["seed"].nunique() == seeds


ROWS = st.fixed_dictionaries(
    {"value": st.floats(0, 1)},
    optional={column: st.integers(0, 60) for column in THINNED},
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text("ab", min_size=1, max_size=2), st.lists(ROWS, max_size=150)), st.integers(50, 400))
def test_rows_that_are_drawn_are_some_of_all_in_their_order(datasets, most):
    drawn, words = fitted(datasets, most)
    assert sum(map(len, drawn.values())) <= most
    assert bool(words) == (drawn != datasets)
    for name, rows in datasets.items():
        places = iter(rows)
        assert all(any(row is each for each in places) for row in drawn[name])
