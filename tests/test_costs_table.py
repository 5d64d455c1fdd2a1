"""Costs in the report: planned beside measured, with the sums worked out by hand."""

from pathlib import Path

import pandas as pd
import pytest

from diffbench.report.pages.page import write_page
from diffbench.report.tables.costs import Costs, StageCost, costs_of, stage_costs
from diffbench.report.tables.estimates import Estimates
from diffbench.report.tables.results import Results
from diffbench.report.tables.work import Work
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.summary.planned import Planned, fingerprint_of

RUN = "m/n8/classes/seed0"
MEASURED = pd.DataFrame(
    [
        {"job": f"{RUN}/step10/train", "seconds": 3.0, "cpu_seconds": 2.0, "max_rss_mb": 300.0},
        {"job": f"{RUN}/step20/train", "seconds": 5.0, "cpu_seconds": 4.0, "max_rss_mb": 200.0},
        {"job": f"{RUN}/step20/w0/overlap", "seconds": 9.0, "cpu_seconds": 9.0, "max_rss_mb": 100.0},
    ]
)
PLANNED = Planned(
    "s", "now", {"train": 2, "overlap": 2, "lab": 6, "summary": 1}, {"train": 12.0, "overlap": 10.0, "lab": 42.0}
)

SITE = {
    "title": "s",
    "inspects": False,
    "site": [{"title": "Costs", "answers": "", "file": "costs.html", "current": True}],
    "manifest": {"cells": 1, "cells_complete": 1, "provenance": {"versions": {"diffbench": ""}, "git_commit": ""}},
}
"""What a page of a site knows of the others, and of the study."""

NOTHING = {"measures": [], "settings": [], "more": 0, "benefits": [], "currencies": {}, "titles": {}}
"""What the page of costs knows of settings: nothing."""


def test_measured_stands_beside_planned_and_a_ratio_where_both_are_of_all_jobs() -> None:
    overlap, train, lab = stage_costs(MEASURED, PLANNED)
    assert train == StageCost("train", 2, 2, 8.0, 6.0, 12.0, 300.0)
    assert train.ratio == pytest.approx(0.5)
    assert overlap == StageCost("overlap", 1, 2, 9.0, 9.0, 10.0, 100.0)
    assert overlap.ratio is None
    assert (lab.stage, lab.jobs, lab.planned_jobs, lab.planned_seconds) == ("lab", 0, 6, 42.0)
    total = Costs((overlap, train, lab), "now").total
    assert (total.jobs, total.planned_jobs, total.cpu_seconds, total.planned_seconds) == (3, 4, 15.0, 22.0)


def test_work_is_that_of_jobs_which_told_what_they_took() -> None:
    works = {f"{RUN}/step10/train": Work(100, 100, 6e9), f"{RUN}/step30/train": Work(7, 7, 7.0)}
    train = {each.stage: each for each in stage_costs(MEASURED, None, works)}["train"]
    assert (train.work, train.worked) == (Work(100, 100, 6e9), 3.0)
    assert train.flops_per_second == pytest.approx(2e9)
    assert train.images_per_second == pytest.approx(100 / 3)
    assert stage_costs(MEASURED, None)[0].work is None


def test_without_a_plan_what_was_measured_stands_alone() -> None:
    overlap, train = stage_costs(MEASURED, None)
    assert overlap.planned_seconds is train.planned_jobs is train.ratio is None
    assert stage_costs(MEASURED.iloc[:0], None) == []


@pytest.mark.parametrize("own", [True, False])
def test_the_page_shows_the_estimate_of_its_own_study_alone(tmp_path: Path, own: bool) -> None:
    study = parse_study({"name": "s", "steps": [10]}, "s.yaml")
    made_for = fingerprint_of(study) if own else "0" * 16
    Planned(made_for, "2026-01-02", {"train": 2}, {"train": 12.0}).write(tmp_path / layout.PLAN)
    costs = costs_of(Results(tmp_path, study, {}, Estimates([]), MEASURED, MEASURED), {})
    write_page(tmp_path / "costs.html", "costs.html", [], costs=costs, models=[], study=study, **SITE, **NOTHING)
    html = (tmp_path / "costs.html").read_text()
    assert ("(2026-01-02)" in html) is own
    assert ("<td>6.00 s</td><td>12.0 s</td><td>0.500</td>" in html) is own
    assert "<td>8.00 s</td><td>6.00 s</td>" in html
