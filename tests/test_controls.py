"""The controls of science.md through the real DAG: what each measure must say of samples and models whose truth is known."""

import math

import pandas as pd
import pytest

from diffbench.study import load_study
from tests.snakemake_runs import ROOT, snakemake

pytestmark = pytest.mark.pipeline

COPIES = {"copies-0": 0.0, "copies-10": 0.1, "copies-50": 0.5, "copies-100": 1.0, "validation": 0.0}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("controls")
    study = load_study(ROOT / "config/studies/controls.yaml").model_dump(mode="json")
    done = snakemake(folder, study, "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        name: pd.read_csv(folder / f"results/controls/summary/{name}.csv", keep_default_na=False, na_values=[""])
        for name in ("denoise", "memorization", "overlap")
    }


def value(tables, table, model, measure, end="value"):
    frame = tables[table]
    row = frame[(frame["model"] == model) & (frame["measure"] == measure) & frame["sigma"].isna()]
    assert len(row) == 1, (model, measure)
    return float(row[end].iloc[0])


def curve(tables, table, model, measure):
    frame = tables[table]
    rows = frame[(frame["model"] == model) & (frame["measure"] == measure)]
    return rows.set_index("sigma")["value"].astype(float).sort_index()


@pytest.mark.parametrize(("model", "copies"), COPIES.items())
def test_memorized_fraction_is_the_planted_share_above_the_floor(tables, model, copies):
    floor = value(tables, "memorization", model, "memorized_floor")
    expected = copies + (1 - copies) * floor
    assert value(tables, "memorization", model, "memorized_fraction") == pytest.approx(expected, abs=0.02)
    assert floor < 0.02
    low = value(tables, "memorization", model, "memorized_fraction", "low")
    assert low <= expected + 0.01


@pytest.mark.parametrize("model", ["noised-copies", "optimal"])
def test_noised_copies_and_the_optimum_are_memorized_whole(tables, model):
    assert value(tables, "memorization", model, "memorized_fraction") == 1.0
    assert value(tables, "memorization", model, "mem_auc") > 0.9
    assert value(tables, "memorization", model, "auth_pct") < 0.01


def test_every_copying_measure_orders_the_planted_shares(tables):
    models = ["copies-0", "copies-10", "copies-50", "copies-100"]
    for measure, sign in {
        "memorized_fraction": 1, "mem_auc": 1, "calibrated_fraction": 1, "auth_pct": -1, "c_t": -1, "nearest_side_rate": 1,
        "fd_gap": 1, "fld_gap": 1,
    }.items():  # fmt: skip
        values = [sign * value(tables, "memorization", model, measure) for model in models]
        assert values == sorted(values), (measure, values)


@pytest.mark.parametrize("measure", ["mem_auc", "calibrated_fraction", "auth_pct", "memorized_fraction"])
def test_unseen_images_are_at_the_floor_of_every_criterion(tables, measure):
    floor = {"calibrated_fraction": "calibrated_floor", "memorized_fraction": "memorized_floor"}.get(
        measure, f"{measure}_floor"
    )
    for model in ("copies-0", "validation"):
        low, high = (value(tables, "memorization", model, measure, end) for end in ("low", "high"))
        margin = high - low  # the floor has an interval of its own
        assert low - margin <= value(tables, "memorization", model, floor) <= high + margin


def test_unseen_images_have_no_side_and_no_copying_score(tables):
    assert abs(value(tables, "memorization", "copies-0", "c_t")) < 3
    assert value(tables, "memorization", "copies-0", "nearest_side_rate", "low") < 0.5
    assert value(tables, "memorization", "copies-0", "nearest_side_rate", "high") > 0.5
    assert value(tables, "memorization", "copies-100", "c_t") < -8  # Meehan et al.: about -8.5 for copies


def test_quality_sees_the_constant_and_not_the_copies(tables):
    """A leaderboard without quality would reward the constant denoiser, which memorizes nothing."""
    assert value(tables, "memorization", "constant", "memorized_fraction") == 0
    assert value(tables, "memorization", "constant", "coverage") < 0.1
    assert value(tables, "memorization", "constant", "recall") < 0.1
    assert value(tables, "memorization", "copies-0", "coverage") > 0.8
    assert value(tables, "memorization", "copies-0", "precision") > 0.7


def test_the_optimum_has_an_unbounded_gap_all_memorized_and_perfect_membership(tables):
    assert math.isinf(value(tables, "denoise", "optimal", "peak_gap"))
    share = curve(tables, "denoise", "optimal", "memorized_share").dropna()
    assert share.to_numpy() == pytest.approx(1.0)
    assert curve(tables, "denoise", "optimal", "membership_auc").iloc[0] == 1.0


def test_a_denoiser_that_ignores_its_input_has_no_gap(tables):
    low, high = (value(tables, "denoise", "constant", "peak_gap", end) for end in ("low", "high"))
    assert low < 0 < high
    assert abs(curve(tables, "denoise", "constant", "membership_auc") - 0.5).max() < 0.1


def test_the_optimums_trajectories_lie_among_noised_training_images(tables):
    """Its states are noised training images: train-likeness 1 where it is defined, posterior on one image at the end."""
    likeness = curve(tables, "overlap", "optimal", "train_likeness").dropna()
    assert likeness.loc[0.05:0.5].min() > 0.8
    assert curve(tables, "overlap", "optimal", "largest_weight_states").iloc[0] == pytest.approx(1.0)
    assert curve(tables, "overlap", "optimal", "model_error_states").max() < 1e-9
