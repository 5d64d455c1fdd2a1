"""Pages of large studies show the first rows, say how many there are, and name the table that has all."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from diffbench.report.pages import index
from diffbench.report.tables import leaderboard, outcomes, timescales
from diffbench.report.tables.results import load_results
from diffbench.settings.report import ReportSettings
from diffbench.stages import report
from diffbench.study import layout
from tests.report_studies import make_study

SETTINGS = 8
SEEDS = 2


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
        patched.setattr(leaderboard, "LONGEST", 3 * (1 + SEEDS))
        patched.setattr(timescales, "LONGEST", 2)
        patched.setattr(index, "LISTED", 1)
        report.run(ReportSettings(), folder)
    return folder / "report"


def test_leaderboard_shows_the_first_settings_and_says_so(bounded):
    page = (bounded / "index.html").read_text()
    assert len(re.findall("<tbody data-model", page)) == 3
    assert f"The 3 of {SETTINGS} settings that memorize most stand here" in page
    assert 'href="data/leaderboard.csv"' in page


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
    page = (bounded / "claims.html").read_text()
    assert re.search(r"The first 2 of \d+ rows; summary/timescales.csv holds all.", page)


def test_small_study_is_shown_whole(made, tmp_path):
    shutil.copytree(made, tmp_path / "study")
    report.run(ReportSettings(), tmp_path / "study")
    page = (tmp_path / "study/report/index.html").read_text()
    assert "settings that memorize most stand here" not in page
    assert len(re.findall("<tbody data-model", page)) == SETTINGS
