"""The laboratory through the real DAG: controls of the plane, its page, and what a change of it computes."""

import copy
import math
from typing import Any

import pandas as pd
import pytest

from tests.lab_studies import CIRCLE
from tests.snakemake_runs import planned_jobs, snakemake

pytestmark = pytest.mark.pipeline

STUDY: dict[str, Any] = CIRCLE | {"sweeps": [{"model": ["mlp-small", "optimal", "blurred-1.6", "constant"]}]}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plane")
    done = snakemake(folder, STUDY, "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def scalar(folder, table, model, measure):
    frame = pd.read_csv(folder / f"results/plane/summary/{table}.csv", keep_default_na=False, na_values=[""])
    rows = frame[(frame["model"] == model) & (frame["measure"] == measure) & frame["sigma"].isna()]
    assert len(rows) == 1
    return rows.iloc[0]


def test_everything_is_made_and_the_report_has_the_laboratory_s_page(finished):
    report = finished / "results/plane/report"
    assert 'href="lab.html"' in (report / "index.html").read_text()
    assert 'data-figure="lab-equivalent"' in (report / "lab.html").read_text()
    status = pd.read_csv(finished / "results/plane/summary/status.csv")
    assert set(status["state"]) == {"done"}
    assert {"lab", "equivalent"} < set(status["stage"])


def test_the_optimum_memorizes_all_and_its_gap_is_unbounded(finished):
    assert float(scalar(finished, "memorization", "optimal", "memorized_fraction")["value"]) == 1
    peak = scalar(finished, "denoise", "optimal", "peak_gap")
    assert math.isinf(float(peak["value"]))
    assert "unbounded" in peak["reason"]


def test_a_model_that_ignores_its_input_has_no_gap(finished):
    assert float(scalar(finished, "denoise", "constant", "peak_gap")["value"]) == pytest.approx(0, abs=1e-6)


def test_the_floor_is_that_of_uniform_draws_from_the_circle(finished):
    """Half of a circle of equidistant points lies within a quarter of the spacing of one: there d1/d2 < 1/3."""
    floor = scalar(finished, "memorization", "optimal", "memorized_floor")
    assert float(floor["low"]) < 0.5 < float(floor["high"])


def test_a_changed_topic_reruns_alone_and_without_the_laboratory_none_is_left(finished):
    changed = copy.deepcopy(STUDY)
    changed["lab"]["recall"]["deltas"] = [0.2, 0.3]
    jobs = planned_jobs(finished, changed)
    assert {name: jobs[name] for name in jobs if name != "all"} == {"lab": 1, "summary": 1, "report": 1}
    plain = planned_jobs(finished, {key: value for key, value in STUDY.items() if key != "lab"})
    assert not {"lab", "equivalent", "train", "denoise"} & set(plain)
