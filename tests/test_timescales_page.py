"""Time scales on the page of training: the power law's chart, its exponents, and advice in words."""

import math
import re

import numpy as np
import pandas as pd
import pytest

from diffbench.report.charts.power_law import power_law_figure
from diffbench.report.pages.training import write_training
from diffbench.report.tables.advice import advice
from diffbench.report.tables.board import board
from diffbench.report.tables.findings import find
from diffbench.report.tables.results import load_results
from diffbench.report.tables.timescales import exponent_table, exponents_shown
from diffbench.settings.report import ReportSettings
from tests.report_studies import make_study

SETTING = {"model": "mlp-small", "granularity": "classes", "guidance": "0", "n": 5, "reason": ""}
SWEEP = {"steps": [60, 120, 240, 480, 960], "sweeps": [{"train_size": [16, 32, 64]}], "seeds": [0, 1]}


def row(measure, value, low, high, reason="", **factors):
    return SETTING | {"measure": measure, "value": value, "low": low, "high": high, "reason": reason} | factors


def last_step(size, seed, value, low, high):
    return row("last_step_at_floor", value, low, high, train_size=size, seed=seed)


def least_size(step, seed, value, low, high):
    return row("least_size_at_floor", value, low, high, step=step, seed=seed)


def test_advice_counts_the_seed_that_memorizes_first():
    scales = pd.DataFrame(
        [
            last_step(32, 0, 120, 60, 240),
            last_step(32, 1, 240, 120, 480),
            last_step(64, 0, 1920, 960, 1920),
            last_step(64, 1, 960, 960, 1920),
            least_size(480, 0, 32, 32, 32),
            least_size(1920, 0, 64, 64, math.inf),
            least_size(1920, 1, 128, 64, 128),
        ]
    )
    assert advice(scales) == [
        "mlp-small · classes · w 0: with 32 training images up to step 120 [60, 480], with 64 training images up to "
        "step 960 [960, 1\u202f920]; at step 1\u202f920 from 128 [64, ∞] images on."
    ]


def test_advice_where_copies_come_before_the_first_milestone():
    scales = pd.DataFrame(
        [
            last_step(16, 0, np.nan, np.nan, np.nan),
            last_step(16, 1, 60, 60, 60),
            least_size(960, 0, np.nan, np.nan, np.nan),
            least_size(960, 1, 64, 64, 64),
        ]
    )
    (sentence,) = advice(scales)
    assert "with 16 training images at no milestone (1 of 2 seeds lie above it from the first on)" in sentence
    assert "at step 960 with no size studied (1 of 2 seeds lie above it with the largest)" in sentence


def test_exponents_of_all_seeds_stand_for_a_setting_or_else_that_of_the_only_one():
    rows = [row("tau_half_exponent", 1.0 + seed, 0.5, 1.5, seed=seed) for seed in (0, 1)]
    rows.append(row("tau_half_exponent", 1.5, 1.0, 2.0, seed=np.nan))
    assert exponents_shown(pd.DataFrame(rows))["value"].tolist() == [1.5]
    assert exponents_shown(pd.DataFrame(rows[:1]))["value"].tolist() == [1.0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study of three sizes and two seeds whose samples become copies."""
    folder = tmp_path_factory.mktemp("scales")
    make_study(folder, SWEEP)
    findings = find(load_results(folder))
    write_training(findings, board(findings), ReportSettings())
    return folder


def test_page_shows_every_exponent_and_advice(folder):
    results = load_results(folder)
    scales = results.table("timescales")
    table = exponent_table(scales, results.study)
    assert [names[3] for names, _ in table.rows] == ["0", "1", "all"]
    html = (folder / "report/training.html").read_text()
    section = html.partition('<section id="timescales">')[2].partition("</section>")[0]
    assert 'id="time-scales"' in section
    for sentence in advice(scales):
        assert f"<li>{sentence}</li>" in section
    for _, values in table.rows:
        for shown in values:
            assert shown is not None
            assert shown.text in section


def test_chart_has_the_times_and_the_exponents_as_they_are(folder):
    results = load_results(folder)
    scales = results.table("timescales")
    figure = power_law_figure(scales, results.study, 500)
    assert figure is not None
    specification = figure.specification()
    (panel,) = specification["concat"]
    for shown in exponents_shown(scales).to_dict("records"):
        name = shown["measure"].removesuffix("_exponent").replace("_", " ").replace("tau", "τ")
        said = re.search(rf"{name} exponent (\S+)", "\n".join(panel["title"]["subtitle"]))
        assert said
        assert (said[1] == "undefined") == math.isnan(shown["value"])
    assert set(figure.data["measure"]) >= {"tau_mem", "tau_half", "tau_gen", "tau_half_exponent"}


def test_study_of_one_size_has_no_chart(tmp_path):
    make_study(tmp_path, SWEEP | {"sweeps": []})
    results = load_results(tmp_path)
    assert power_law_figure(results.table("timescales"), results.study, 500) is None
    findings = find(results)
    write_training(findings, board(findings), ReportSettings())
    assert "Growth with the training set" not in (tmp_path / "report/training.html").read_text()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_chart_draws_in_a_browser(folder, scheme, open_page):
    page = open_page(folder / "report/training.html", scheme)
    scales = load_results(folder).table("timescales")
    defined = scales[scales["measure"].isin(["tau_mem", "tau_half", "tau_gen"])]["value"]
    marks = page.locator("#time-scales .mark-symbol.role-mark path").count()
    assert marks == len(defined)  # points, and crosses for what is undefined
