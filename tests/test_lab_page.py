"""The laboratory's page: it says what the files say, stands with topics missing, and acts in a browser."""

import re

import numpy as np
import pandas as pd
import pytest

from diffbench.files import provenance, store
from diffbench.files.estimates import Estimate, curve_variables, undefined
from diffbench.report.pages.lab import write_laboratory
from diffbench.report.tables.estimates import Estimates
from diffbench.report.tables.lab import closed_form_gaps, equivalents
from diffbench.report.tables.lab_topics import agreement
from diffbench.report.tables.results import Results
from diffbench.settings.report import ReportSettings
from diffbench.study import layout
from diffbench.study.lineage import Lineage
from tests.damaged_files import seal_anew
from tests.lab_studies import all_topics, circle_study, measure_closed_form

FIGURES = {
    "flow",
    "lab-gap",
    "lab-check",
    "lab-profile",
    "lab-recall",
    "lab-dimension",
    "lab-equivalent",
    "lab-discretization",
    "lab-collapse",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    """A study of the plane with all its topics, one closed form and one trained model, and its page."""
    folder = tmp_path_factory.mktemp("plane")
    study = circle_study()
    (folder / "lab").symlink_to(all_topics(tmp_path_factory) / "lab")
    losses = measure_closed_form(folder, 1.6, noises=32)
    lineage = Lineage(study)
    factors = {"model": "blurred-1.6", "train_size": 10, "granularity": "none", "seed": 0, "step": 0}
    closed = folder / layout.DENOISE.of(factors)
    closed.parent.mkdir(parents=True)
    losses.rename(closed)
    seal_anew(closed, lineage.fingerprint(layout.DENOISE, factors))  # it was made with settings of its own
    seal_anew(folder / layout.DATA.pattern, lineage.fingerprint(layout.DATA, {}))
    estimates = [Estimate(0.5, 0.4, 0.7, 10), undefined("2 deltas have the measured error", 10)]
    variables = {"sigma": store.Variable([1.0, 3.0], ("sigma",), "noise level")}
    variables |= curve_variables({"equivalent_delta": estimates})
    factors = {"model": "mlp-small", "train_size": 10, "granularity": "none", "seed": 0, "step": 4}
    path = folder / "mlp-small/n10/none/seed0/step4/equivalent.h5"
    fingerprint = lineage.fingerprint(layout.EQUIVALENT, factors)
    store.write(path, "equivalent", variables, provenance.attributes(factors, {}), fingerprint)
    manifest = {"provenance": provenance.attributes({}, {})}
    nothing = pd.DataFrame()
    results = Results(folder, study, manifest, Estimates([]), nothing, nothing)
    write_laboratory(results, ReportSettings())
    return results


def test_every_figure_has_a_caption_and_its_table(results):
    html = (results.folder / "report/lab.html").read_text()
    assert set(re.findall(r'data-figure="([^"]+)"', html)) == FIGURES
    for name in FIGURES:
        assert len(pd.read_csv(results.folder / f"report/data/{name}.csv"))
    assert html.count("<figcaption>") == len(FIGURES)
    assert 'id="missing"' not in html


def test_cards_say_what_the_files_say(results):
    text = re.sub(r"<[^>]+>", " ", (results.folder / "report/lab.html").read_text())
    assert "Peak gap 0.363 at σ = 1.18" in text
    inside, checked = agreement(store.read(results.folder / "lab/gap.h5", "lab"))
    assert f"holds the exact gap at {inside} of {checked} noise levels" in text
    assert "Below σ of 0.399 spacings a training point has no dimension" in text
    assert "Equivalent δ from 0.500 to 0.500 in training" in text


def test_the_ordinary_stages_gap_of_a_closed_form_is_that_of_the_quadrature(results):
    gap = store.read(results.folder / "lab/gap.h5", "lab")
    measured = closed_form_gaps(results, gap)
    assert set(measured["model"]) == {"blurred-1.6, n 10"}
    table = pd.read_csv(results.folder / "report/data/lab-check.csv")
    own = table.loc[table["panel"] == "blurred-1.6, n 10", ["value", "low", "high", "exact"]].to_numpy(float)
    value, low, high, exact = own.T
    assert (np.abs(value - exact) < high - low).all()
    assert exact.max() > 0.2


def test_undefined_equivalents_keep_their_reason(results):
    table = equivalents(results)
    assert list(table["reason"]) == ["", "2 deltas have the measured error"]
    assert table["value"].isna().tolist() == [False, True]


def test_missing_topics_are_named_and_stop_nothing(results, tmp_path):
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab/recall.h5").write_bytes((results.folder / "lab/recall.h5").read_bytes())
    nothing = pd.DataFrame()
    few = Results(tmp_path, results.study, results.manifest, Estimates([]), nothing, nothing)
    write_laboratory(few, ReportSettings())
    html = (tmp_path / "report/lab.html").read_text()
    assert re.findall(r'data-figure="([^"]+)"', html) == ["lab-recall"]
    assert "6 topics missing or broken" in html
    assert '<th scope="row">flow</th><td>missing</td><td>not made yet</td>' in html
    assert "Nothing to show: no trained model of the plane was measured." in html


@pytest.mark.browser
def test_the_slider_moves_field_density_and_trajectories_and_nothing_leaves_the_page(results, open_page):
    page = open_page(results.folder / "report/lab.html")
    seen = []
    for level in range(3):
        page.eval_on_selector(
            "#flow input[type=range]",
            "(slider, level) => { slider.value = level; slider.dispatchEvent(new Event('input')); }",
            level,
        )
        page.wait_for_timeout(200)
        marks = page.eval_on_selector_all(
            "#flow .mark-symbol, #flow .mark-rect, #flow .mark-line",
            "groups => groups.map(group => group.innerHTML).join('')",
        )
        seen.append((page.text_content("#flow .canvas") or "", marks))
    assert [re.findall(r"σ = ([\d.]+)", title) for title, _ in seen] == [["0.1"], ["1"], ["10"]]
    assert len({marks for _, marks in seen}) == 3
