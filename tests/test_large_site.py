"""The site of 10,000 cells, too many for single charts: pages are small, say what they leave out, act in a browser."""

import csv
import json
import re
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffbench.report.charts.figure import MAXIMUM_ROWS
from diffbench.report.charts.fitting import THINNED, fitted
from diffbench.report.tables.slices import VALUES
from diffbench.settings.report import ReportSettings
from diffbench.stages import report
from diffbench.study import layout
from tests.large_studies import SIZES, make_large_study

LARGEST_PAGE = 8_000_000
MARKS = ".mark-symbol path, .mark-line path, .mark-rule line, .mark-area path, .mark-rect path"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The report of the study."""
    results = tmp_path_factory.mktemp("large")
    study = make_large_study(results)
    assert len(study.cells) > 10_000
    report.run(ReportSettings(), results)
    return results / "report"


def test_pages_and_charts_are_small(folder):
    drawn = {}
    for path in folder.glob("*.html"):
        assert path.stat().st_size < LARGEST_PAGE, path.name
        held = re.search(r'id="specifications">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)
        drawn |= json.loads(held[1]) if held and held[1] else {}
    assert len(drawn) > 12
    for name, specification in drawn.items():
        assert sum(map(len, specification["datasets"].values())) <= MAXIMUM_ROWS, name


def test_charts_say_what_they_leave_out(folder):
    factors, training = (unescape((folder / f"{name}.html").read_text()) for name in ("factors", "training"))
    assert f"{VALUES} of {len(SIZES)} values" in factors
    assert f"{VALUES} of {len(SIZES)} training-set sizes are drawn" in training


@pytest.mark.browser
@pytest.mark.parametrize("name", layout.PAGES)
def test_every_page_draws_every_chart_and_asks_for_nothing(open_page, folder, name):
    page = open_page(folder / f"{name}.html")
    for figure in page.query_selector_all("[data-figure]"):
        assert len(figure.query_selector_all(MARKS)) > 3, figure.get_attribute("data-figure")


@pytest.mark.browser
def test_rows_in_sight_alone_are_drawn_and_all_are_sorted_filtered_and_exported(open_page, folder, tmp_path):
    table = pd.read_csv(folder / "data/leaderboard.csv")
    page = open_page(folder / "leaderboard.html")
    page.wait_for_selector("#board[data-ready]")
    assert page.locator("#board tbody tr").count() < 60
    assert re.search(rf"\b{len(table) // 1000}.{len(table) % 1000:03} settings", page.inner_text("#shown-count"))
    page.click("#board th[data-name=train_size] button")
    page.click("#board th[data-name=train_size] button")
    page.select_option("[data-filter=guidance]", "2.5")
    with page.expect_download() as download:
        page.click("#export")
    download.value.save_as(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open() as file:
        sizes = [int(row["train_size"]) for row in csv.DictReader(file)]
    assert sizes == sorted(table.loc[table["guidance"].astype(float) == 2.5, "train_size"])
    page.click("#filters button[type=reset]")
    page.evaluate("document.getElementById('window').scrollTop = 1e9")
    page.wait_for_selector(f"#board tr[aria-rowindex='{len(table) + 1}']")
    with page.expect_download() as download:
        page.click("#export")
    download.value.save_as(tmp_path / "all.csv")
    assert len(pd.read_csv(tmp_path / "all.csv")) == len(table)


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
