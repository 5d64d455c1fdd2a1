"""Pages of large studies show the first rows, say how many there are, and name the table that has all."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diffbench.report.pages import index, leaderboard
from diffbench.report.tables import outcomes, packed, timescales
from diffbench.report.tables.results import load_results
from diffbench.settings.report import ReportSettings
from diffbench.stages import report
from diffbench.study import layout
from tests.packed_boards import unpacked
from tests.report_studies import make_study

SETTINGS = 8


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    make_study(folder, skip=lambda file: file.startswith("mlp-large/n32/classes/seed1"))
    return folder


@pytest.fixture(scope="module")
def bounded(made, tmp_path_factory) -> Path:
    """The same study with a report of few rows."""
    folder = tmp_path_factory.mktemp("bounded") / "study"
    shutil.copytree(made, folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(leaderboard, "LONGEST", 3)
        patched.setattr(packed, "LONGEST", 3)
        patched.setattr(packed, "MANY", 10)
        patched.setattr(packed, "CELLS", 10)
        patched.setattr(timescales, "LONGEST", 2)
        patched.setattr(index, "LISTED", 1)
        report.run(ReportSettings(), folder)
    return folder / "report"


def test_leaderboard_shows_the_first_settings_and_says_so(bounded):
    page = (bounded / "leaderboard.html").read_text()
    assert f"The 3 of {SETTINGS} settings that memorize most stand here" in page
    assert 'href="data/leaderboard.csv"' in page
    held = unpacked(bounded / "leaderboard.html")
    assert {len(codes) for codes in held["settings"]["factors"].values()} == {3}
    assert "cells" not in held


def test_a_large_leaderboard_keeps_fewer_digits_and_says_so(made, bounded):
    """Four of values, so the third that pages show is right; two of how far intervals reach."""
    assert "keeps four digits of a value" in (bounded / "leaderboard.html").read_text()
    table = pd.read_csv(bounded / "data/leaderboard.csv").head(3)
    for name, column in unpacked(bounded / "leaderboard.html")["settings"]["columns"].items():
        value = np.array([np.nan if each is None else float(each) for each in column["value"]])
        assert value == pytest.approx(table[name].to_numpy(float), rel=6e-4, nan_ok=True)
        below = np.array([np.nan if each is None else float(each) for each in column["below"]])
        assert below == pytest.approx((table[name] - table[f"{name}_low"]).to_numpy(float), rel=6e-2, nan_ok=True)


def test_table_beside_it_has_all_settings_in_order(made, bounded):
    table = pd.read_csv(bounded / "data/leaderboard.csv")
    means = outcomes.settings(outcomes.outcomes(load_results(made)))
    assert len(table) == SETTINGS
    assert table["memorized_fraction"].dropna().is_monotonic_decreasing
    fractions = means[means["measure"] == "memorized_fraction"]
    assert sorted(table["memorized_fraction"].dropna()) == pytest.approx(sorted(fractions["value"].dropna()))
    assert set(table["memorized_fraction_seeds"]) == set(fractions["seeds"]) == {1, 2}


def test_files_that_are_lacking_are_counted(bounded):
    page = (bounded / "index.html").read_text()
    lacking = pd.read_csv(bounded.parent / layout.UNFINISHED)
    assert len(lacking) > 1
    assert f"What is wanting, the first 1 of {len(lacking)} files" in page


def test_tables_of_time_scales_name_the_summary(bounded):
    page = (bounded / "training.html").read_text()
    assert re.search(r"The first 2 of \d+ rows; summary/timescales.csv holds all.", page)


def test_small_study_is_shown_whole(made, tmp_path):
    shutil.copytree(made, tmp_path / "study")
    report.run(ReportSettings(), tmp_path / "study")
    page = (tmp_path / "study/report/leaderboard.html").read_text()
    assert "settings that memorize most stand here" not in page
    assert "keeps four digits" not in page
    assert {
        len(codes) for codes in unpacked(tmp_path / "study/report/leaderboard.html")["settings"]["factors"].values()
    } == {SETTINGS}
