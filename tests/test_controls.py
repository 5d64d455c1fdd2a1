"""The controls of science.md through the real DAG: what each measure must say where the truth is known.

Ranges stand in diffbench.summary.controls, as on the page of controls; here is what ranges cannot say, and that they
are there at all.
"""

import pandas as pd
import pytest

from diffbench.measures.extraction import coupon_collector
from diffbench.report.tables.results import load_controls, load_results
from diffbench.study.file import load_study
from diffbench.summary.controls import MET
from tests.snakemake_runs import ROOT, snakemake

pytestmark = pytest.mark.pipeline

EXPECTED = {
    "copies-0": {
        "memorized_fraction", "memorized_fraction_half", "memorized_fraction_quarter", "mem_auc", "calibrated_fraction",
        "auth_pct", "c_t", "nearest_side_rate", "precision", "coverage", "precision_train", "coverage_train", "fd_gap",
    },
    "validation": {"memorized_fraction", "mem_auc", "calibrated_fraction", "auth_pct", "c_t"},
    "copies-10": {"memorized_fraction", "mem_auc", "calibrated_fraction", "auth_pct", "nearest_side_rate"},
    "copies-50": {"memorized_fraction", "mem_auc", "calibrated_fraction", "auth_pct", "nearest_side_rate"},
    "copies-100": {
        "memorized_fraction", "mem_auc", "calibrated_fraction", "auth_pct", "c_t", "nearest_side_rate", "fd_gap", "fld",
    },
    "noised-copies": {
        "memorized_fraction", "mem_auc", "calibrated_fraction", "auth_pct", "c_t", "nearest_side_rate", "fd_gap", "fld",
    },
    "optimal": {
        "memorized_fraction", "mem_auc", "auth_pct", "c_t", "nearest_side_rate", "fd_gap", "peak_gap",
        "memorized_share", "skill_train", "skill_validation", "membership_auc", "train_likeness", "states_inside",
        "largest_weight_states", "model_error_states", "r2_labelled_optimum", "r2_wiener", "jacobian_trace_train",
        "jacobian_norm_train", "flipd_train", "flipd_samples", "attack_loss_auc", "attack_sima_auc", "attack_pia_auc",
        "attack_secmi_auc", "dataset_inference_p", "dataset_inference_images", "privacy_epsilon", "blind_auc",
    },
    "constant": {
        "memorized_fraction", "coverage", "recall", "peak_gap", "skill_train", "skill_validation", "skill_at_peak",
        "membership_auc", "r2_optimum", "r2_wiener", "r2_locality", "jacobian_trace_train", "jacobian_norm_train",
        "jacobian_norm_gap", "flipd_gap", "attack_loss_auc", "attack_sima_auc", "attack_pia_auc", "attack_secmi_auc",
        "dataset_inference_p", "privacy_epsilon", "blind_auc",
    },
}  # fmt: skip
"""Measures of which something is expected, at least."""


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("controls")
    study = load_study(ROOT / "config/studies/controls.yaml").model_dump(mode="json")
    done = snakemake(folder, study, "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    results = load_results(folder / "results/controls")
    assert (results.folder / "report/controls.html").exists()
    return load_controls(results)


def value(judged: pd.DataFrame, model: str, measure: str, field: str = "value") -> float:
    rows = judged[(judged["model"] == model) & (judged["measure"] == measure) & (judged["sigmas"] == "")]
    assert len(rows) == 1, (model, measure)
    return float(rows[field].iloc[0])


@pytest.mark.parametrize("model", EXPECTED)
def test_every_measure_says_of_a_control_what_it_must(judged, model):
    rows = judged[(judged["model"] == model) & (judged["verdict"] != "")]
    fields = ["measure", "sigmas", "value", "expected_low", "expected_high", "reason"]
    assert rows[rows["verdict"] != MET][fields].to_dict("records") == []
    assert EXPECTED[model] | {"extracted_images"} <= set(rows["measure"])


def test_copying_measures_order_the_planted_shares(judged):
    models = ["copies-0", "copies-10", "copies-50", "copies-100"]
    for measure, sign in {
        "memorized_fraction": 1, "mem_auc": 1, "calibrated_fraction": 1, "auth_pct": -1, "c_t": -1,
        "nearest_side_rate": 1, "fld_gap": 1,
    }.items():  # fmt: skip
        values = [sign * value(judged, model, measure) for model in models]
        assert values == sorted(values), (measure, values)


def test_images_that_nobody_copied_are_hardly_ever_memorized(judged):
    assert judged.loc[judged["measure"] == "memorized_fraction", "floor"].max() < 0.02


def test_extraction_finds_the_planted_originals_and_the_coupon_collectors(judged):
    for model, copies in {"copies-10": 26, "copies-50": 128, "copies-100": 256, "noised-copies": 256}.items():
        assert value(judged, model, "extracted_images") == copies
    assert value(judged, "copies-0", "extracted_images") == value(judged, "validation", "extracted_images") == 0
    mean, deviation = coupon_collector(256, 256)
    assert abs(value(judged, "optimal", "extracted_images") - mean) < 3 * deviation
    for model in ("copies-10", "copies-50", "optimal"):
        assert abs(value(judged, model, "isolation_extraction_spearman")) < 3 / 255**0.5


def test_copies_score_as_copies(judged):
    assert value(judged, "copies-100", "c_t") < -8  # strongly negative = copying: Meehan et al., arXiv 2004.05675
