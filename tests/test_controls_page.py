"""Expectations of controls: they catch planted errors, and their page says what the tables say and stays offline."""

import math
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from diffbench.conventions import DiffbenchError
from diffbench.files import store
from diffbench.files.estimates import Estimate
from diffbench.measures.intervals import proportion
from diffbench.report.pages.controls import write_controls
from diffbench.report.tables.controls import expected_text
from diffbench.report.tables.format import number
from diffbench.report.tables.results import Results, load_controls, load_results
from diffbench.settings.models import Constant, Mlp, Optimal, Planted
from diffbench.settings.report import ReportSettings
from diffbench.summary.controls import FLOORS, MET, UNDEFINED, UNMET, expectations, judge_controls
from diffbench.summary.kept import kept
from diffbench.summary.lookup import Lookup
from tests.report_studies import make_study

MODELS = {"half": {"kind": "planted", "copies": 0.5}, "fresh": {"kind": "planted", "copies": 0.0}}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    """Made-up numbers of three controls and a network: half and fresh memorize as made up, whatever they should."""
    folder = tmp_path_factory.mktemp("controls")
    sweeps = [{"model": ["mlp-small", "half", "fresh", "optimal"]}]
    make_study(folder, {"models": MODELS, "sweeps": sweeps, "steps": [100], "seeds": [0]})
    results = load_results(folder)
    write_controls(results, ReportSettings())
    return results


def scalars(**values: float) -> dict[str, Estimate]:
    """Criteria of 200 samples with floors of 1 in 10."""
    criteria = {name: Estimate(value, value - 0.05, value + 0.05, 200) for name, value in values.items()}
    return criteria | {FLOORS[name]: proportion(20, 200) for name in values if name in FLOORS}


def expected(definition, train_size: int = 200, **values: float) -> dict[str, tuple[float, float]]:
    return {each.measure: (each.low, each.high) for each in expectations(definition, train_size, scalars(**values))}


def test_the_optimum_has_points_only_where_images_lie_far_apart():
    """At the noise of its Jacobian images are, points of the plane may not be."""
    assert expected(Optimal(), flipd_validation=78.0)["flipd_train"] == (-0.01, 0.1)
    assert "flipd_train" not in expected(Optimal(), flipd_validation=1.2)
    assert expected(Optimal(), flipd_validation=78.0)["r2_wiener"][1] == 0.99
    assert "r2_wiener" not in expected(Optimal(), flipd_validation=1.2)  # dense points of the plane: 0.9995


@pytest.mark.parametrize("copies", [0.0, 0.1, 0.5, 1.0])
def test_range_of_a_criterion_is_that_of_the_mixture_of_copies_and_floor(copies):
    ranges = expected(Planted(copies=copies), memorized_fraction=0.5, auth_pct=0.5)
    low, high = ranges["memorized_fraction"]
    truth = copies + (1 - copies) * 0.1
    assert low <= truth <= high
    floor = proportion(20, 200)
    assert high - low <= 2 * (1 - copies) * (floor.high - floor.low) + 2 / 200 + 1e-12
    low, high = ranges["auth_pct"]
    assert low <= (1 - copies) * 0.1 <= high


def test_no_more_is_expected_than_is_known():
    assert expected(Planted(copies=1.0, noise=0.05), memorized_fraction=1.0) == {}  # may lie too far from the originals
    assert "coverage" not in expected(Planted(copies=1.0), train_size=10)
    assert "memorized_fraction" not in expected(Planted(copies=1.0), c_t=0.0)  # no floor, no range
    assert expected(Mlp(width=8, blocks=1), memorized_fraction=0.0) == {}
    assert "nearest_side_rate" not in expected(Planted(copies=0.5, rest="validation"), nearest_side_rate=0.5)


def test_constant_may_have_a_gap_of_its_intervals_width():
    low, high = expected(Constant(), peak_gap=0.02)["peak_gap"]
    assert (low, high) == pytest.approx((-0.1, 0.1))
    assert expected(Optimal())["peak_gap"] == (math.inf, math.inf)


def test_wrong_values_are_not_met_and_missing_ones_undefined(results):
    judged = load_controls(results)
    assert set(judged["model"]) == {"half", "fresh", "optimal"}
    verdict = judged.set_index(["model", "measure", "sigmas"])["verdict"]
    row = judged[(judged["model"] == "half") & (judged["measure"] == "memorized_fraction")].iloc[0]
    assert not row["expected_low"] <= row["value"] <= row["expected_high"]  # the made-up study plants no copies
    assert verdict["half", "memorized_fraction", ""] == UNMET
    assert verdict["optimal", "peak_gap", ""] == MET
    assert verdict["optimal", "auth_pct", ""] == UNDEFINED
    assert verdict["half", "fd", ""] == ""
    assert "memorized_floor" not in set(judged["measure"])


def test_curve_is_judged_by_the_level_furthest_from_what_is_expected(results):
    judged = load_controls(results)
    row = judged[(judged["model"] == "optimal") & (judged["measure"] == "memorized_share")].iloc[0]
    file = store.read(results.folder / "optimal/n32/classes/seed0/step0/denoise.h5", "denoise")
    curve = file["curve_value"][list(file["curve"]).index("memorized_share")]
    curve = curve[[math.isfinite(value) for value in curve]]
    assert (row["low"], row["high"]) == (curve.min(), curve.max())
    assert row["value"] == max(curve, key=lambda value: max(0.999 - value, value - 1.001))
    assert row["verdict"] == UNMET


def test_page_shows_value_floor_range_and_mark_of_every_row(results):
    html = (results.folder / "report/controls.html").read_text()
    judged = load_controls(results)
    names = re.findall(r'<th scope="col">(.*?)</th>', html)[1:]
    assert names == ["half", "fresh", "optimal"]
    shown = 0
    for line in re.findall(r'<tr data-measure=".*?</tr>', html, re.DOTALL):
        measure = re.findall(r'data-measure="(.*?)"', line)[0]
        sigmas = "".join(re.findall(r'<th scope="row">.*?<span class="interval">(.*?)</span></th>', line))
        cells = re.findall(r"<td>(.*?)</td>", line, re.DOTALL)
        for name, cell in zip(names, cells, strict=True):
            keep = (judged["model"] == name) & (judged["measure"] == measure) & (judged["sigmas"] == sigmas)
            if not keep.any():
                assert cell.strip() == ""
                continue
            (row,) = judged[keep].to_dict("records")
            shown += 1
            assert f">{number(row['value'])}</span>" in cell
            assert ("floor" in cell) == math.isfinite(row["floor"])
            symbol = {MET: "✓", UNMET: "✗ not", UNDEFINED: "?", "": None}[row["verdict"]]
            if symbol is None:
                assert "badge" not in cell
            else:
                assert f"{symbol} {expected_text(row['expected_low'], row['expected_high'])}</span>" in cell
    assert shown == len(judged)
    counts = judged["verdict"].value_counts()
    assert f"{counts[MET]} of {len(judged) - counts['']} expectations met" in html
    assert f"{counts[UNDEFINED]} undefined" in html


def test_table_beside_the_chart_holds_every_row(results):
    table = pd.read_csv(results.folder / "report/data/controls.csv", keep_default_na=False, na_values=[""])
    judged = load_controls(results)
    assert table["value"].to_numpy() == pytest.approx(judged["value"].to_numpy(), nan_ok=True)
    assert table["expected_low"].to_numpy() == pytest.approx(judged["expected_low"].to_numpy(), nan_ok=True)


def lookup_in(folder: Path) -> Lookup:
    """What the summary of a study's results keeps."""
    with kept(folder) as shelf:
        assert shelf
        return Lookup({path: shelf.read(path) for path in shelf.entries}.get)


def test_study_without_controls_has_none(tmp_path):
    study = make_study(tmp_path, {"sweeps": [], "steps": [100], "seeds": [0]})
    assert not study.has_controls
    assert judge_controls(study, lookup_in(tmp_path)).empty
    assert not (tmp_path / "summary/controls.csv").exists()


def test_table_of_controls_is_read_as_it_was_judged(results):
    judged = judge_controls(results.study, lookup_in(results.folder))
    pd.testing.assert_frame_equal(load_controls(results), judged, check_dtype=False, check_exact=True)


def test_results_of_a_suite_that_judged_controls_on_the_page_ask_for_a_new_summary(results, tmp_path):
    shutil.copytree(results.folder / "summary", tmp_path / "summary")
    (tmp_path / "summary/controls.csv").unlink()
    with pytest.raises(DiffbenchError, match=r"summary/controls.csv: no readable summary .* run snakemake to make it"):
        write_controls(load_results(tmp_path), ReportSettings())


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (1.0, 1.0, "1.00"),
        (-math.inf, -3.0, "≤ −3"),
        (0.8, math.inf, "≥ 0.8"),
        (math.inf, math.inf, "∞"),
        (-0.25, 0.25, "−0.25 to 0.25"),
        (math.nan, math.nan, ""),
    ],
)
def test_ranges_as_shown(low, high, text):
    assert expected_text(low, high) == text


@pytest.mark.browser
def test_chart_draws_and_nothing_leaves_the_page(results, open_page):
    page = open_page(results.folder / "report/controls.html")
    assert page.locator("#controls .mark-symbol path").count() >= 3
