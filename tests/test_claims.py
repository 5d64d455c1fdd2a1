"""Claims: verdicts follow from planted truths in the tables, and never from what a study did not vary."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from diffbench.files.estimates import Estimate
from diffbench.study.file import parse_study
from diffbench.study.study import Study
from diffbench.summary.claims import judge
from diffbench.summary.lookup import Lookup, center_cells, values_at_center
from diffbench.summary.verdicts import (
    INCONCLUSIVE,
    REFUTED,
    SUPPORTED,
    THRESHOLDS,
    Claim,
    ClaimTest,
    as_records,
    t_interval,
)

STUDY = parse_study(
    {
        "name": "planted",
        "seeds": [0, 1, 2],
        "steps": [100, 1000],
        "center": {"model": "mlp-medium", "train_size": 128, "granularity": "classes", "guidance": 0},
        "sweeps": [
            {"model": ["mlp-small", "mlp-medium", "mlp-large"]},
            {"train_size": [64, 128, 512]},
            {"granularity": ["none", "classes", "kmeans-20", "unique", "random-50"]},
            {"guidance": [0, 1]},
        ],
    },
    "planted.yaml",
)
PARAMETERS = {"mlp-small": 10**4, "mlp-medium": 10**5, "mlp-large": 10**6}
LABELS = {"none": 1, "classes": 10, "kmeans-20": 20, "unique": 128, "random-50": 1}
SIGMAS = [0.01, 0.1, 1.0, 10.0]


def tables(
    step=0.5,
    model=0.3,
    labels=0.2,
    size=-0.7,
    excess=0.0,
    inference=0.05,
    likeness=0.1,
    ends=0.02,
    spread=0.01,
    study: Study = STUDY,
):
    """Tables of a study whose peak gap is a product of powers of the factors, up to noise of `spread` over seeds."""
    rng = np.random.default_rng(0)
    denoise, memorization, overlap = [], [], []

    def row(factors, measure, value, sigma=math.nan):
        return factors | {
            "measure": measure,
            "value": value,
            "low": value,
            "high": value,
            "n": 9,
            "reason": "",
            "sigma": sigma,
        }

    for cell in study.cells:
        f = cell.factors
        weights = PARAMETERS.get(f["model"], 1)  # of models that do not follow the trend
        peak = f["step"] ** step * weights**model * LABELS[f["granularity"]] ** labels
        peak *= f["train_size"] ** size * math.exp(spread * rng.standard_normal())
        if cell.guidance.weight == 0:
            own = f | {"guidance": math.nan}
            denoise += [row(own, "peak_gap", peak), row(own, "sigma_at_peak", 0.1)]
            denoise += [row(own, "gap", peak * share, s) for share, s in zip([ends, 1, 0.5, ends], SIGMAS, strict=True)]
        memorization += [row(f, "memorized_floor", 0.01), row(f, "memorized_fraction", 0.01 + excess)]
        memorization += [row(f, "fd_gap", inference)]
        for s in (0.012, 0.12, 1.2):
            near = likeness if s == 0.12 else 0.9  # what holds away from the peak must not matter
            overlap += [row(f, "train_likeness", near, s), row(f, "shell_radius_states", 2.0 ** (1 - near), s)]
            overlap += [row(f, "shell_radius_train", 1.0, s), row(f, "shell_radius_validation", 2.0, s)]
    return {
        name: pd.DataFrame(t)
        for name, t in {"denoise": denoise, "memorization": memorization, "overlap": overlap}.items()
    }


def verdicts(study: Study = STUDY, **truth):
    return {c.number: c for c in judge(study, Lookup(tables(**truth)), PARAMETERS, classes=10)}


def test_a_study_made_to_bear_out_the_claims_does():
    claims = verdicts()
    assert {number: claim.verdict for number, claim in claims.items()} == {
        1: SUPPORTED, 2: SUPPORTED, 3: SUPPORTED, 4: SUPPORTED, 5: INCONCLUSIVE
    }  # fmt: skip
    slopes = {test.name: test.estimate.value for test in claims[2].tests}
    expected = {"step": 0.5, "model": 0.3, "granularity": 0.2, "train_size": -0.7}
    assert slopes == pytest.approx({f"elasticity_{k}": v for k, v in expected.items()}, abs=0.02)


@pytest.mark.parametrize(
    ("truth", "number"),
    [
        ({"ends": 0.6}, 1),
        ({"step": -0.5}, 2),
        ({"model": -0.3}, 2),
        ({"labels": -0.2}, 2),
        ({"size": 0.7}, 2),
        ({"excess": 0.3}, 3),
        ({"inference": 0.6}, 3),
        ({"likeness": 0.8}, 4),
    ],
)
def test_a_study_made_to_contradict_a_claim_refutes_it_and_no_other(truth, number):
    claims = verdicts(**truth)
    refuted = {n for n, claim in claims.items() if claim.verdict == REFUTED}
    assert refuted == ({number, 3} if truth.get("step") else {number})  # a falling gap also fails to grow


@pytest.mark.parametrize(("truth", "number"), [({"size": -0.05, "spread": 0.5}, 2), ({"excess": math.nan}, 3)])
def test_noise_and_undefined_values_are_inconclusive(truth, number):
    assert verdicts(**truth)[number].verdict == INCONCLUSIVE


def test_what_was_not_varied_is_inconclusive():
    plain = parse_study(STUDY.model_dump() | {"sweeps": [], "steps": [1000]}, "plain.yaml")
    claims = verdicts(plain)
    assert claims[2].verdict == INCONCLUSIVE
    assert "model was not varied around the centre" in {test.estimate.reason for test in claims[2].tests}


def test_random_labels_are_no_finer_condition_and_the_centre_is_found():
    assert values_at_center(STUDY, "train_size") == [64, 128, 512]
    assert len(center_cells(STUDY)) == 3 * 2
    assert {c.guidance.weight for c in center_cells(STUDY, guidance="1")} == {1}


def test_number_of_weights_compares_models_of_one_kind_trained_alike():
    models = {"mlp-dropout": {"kind": "variant", "of": "mlp-medium", "dropout": 0.3}}
    sweeps = [*STUDY.model_dump()["sweeps"], {"model": ["unet-tiny", "mlp-dropout"]}]
    mixed = parse_study(STUDY.model_dump() | {"models": models, "sweeps": sweeps}, "mixed.yaml")
    parameters = PARAMETERS | {"unet-tiny": 10**7, "mlp-dropout": 10**8}
    claim = judge(mixed, Lookup(tables(study=mixed)), parameters, classes=10)[1]
    slopes = {test.name: test.estimate.value for test in claim.tests}
    assert slopes["elasticity_model"] == pytest.approx(0.3, abs=0.02)
    statements = {test.name: test.statement for test in claim.tests}
    assert "models of kind mlp trained alike" in statements["elasticity_model"]


@pytest.mark.parametrize("steps", [[100], [1000], [100, 1000]])
def test_sizes_are_compared_at_one_training_step(steps):
    """The centre has all steps, the sweep some: its last one is another than the centre's."""
    sweeps = [{"model": ["mlp-large"], "step": steps}]
    study = parse_study(STUDY.model_dump() | {"sweeps": sweeps}, "steps.yaml")
    claim = judge(study, Lookup(tables(study=study)), PARAMETERS, classes=10)[1]
    slopes = {test.name: test.estimate.value for test in claim.tests}
    assert slopes["elasticity_model"] == pytest.approx(0.3, abs=0.02)


def test_sizes_without_a_common_training_step_tell_nothing():
    sweeps = [{"model": ["mlp-small"], "step": [100]}, {"model": ["mlp-large"], "step": [1000]}]
    study = parse_study(STUDY.model_dump() | {"sweeps": sweeps}, "steps.yaml")
    claim = judge(study, Lookup(tables(study=study)), PARAMETERS, classes=10)[1]
    assert "the values of model share no training step" in {test.estimate.reason for test in claim.tests}


def test_models_that_are_not_trained_have_one_seed_and_still_a_trend():
    theirs = {"models": {"theirs": {"import": "package.module:factory"}}, "sweeps": [{"train_size": [64, 128, 512]}]}
    center = {"model": "theirs", "train_size": 64, "granularity": "classes", "guidance": 0}
    study = parse_study({"name": "external", "seeds": [0, 1], "steps": [1], "center": center} | theirs, "foreign.yaml")
    claim = judge(study, Lookup(tables(study=study, step=0, spread=0.0)), {}, classes=10)[1]
    trend = next(test for test in claim.tests if test.name == "elasticity_train_size")
    assert trend.estimate.value == pytest.approx(-0.7)
    assert (trend.estimate.n, trend.verdict) == (1, INCONCLUSIVE)


def test_interval_over_seeds_is_students():
    values = [0.3, 0.5, 0.9, 0.4]
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    estimate = t_interval(values)
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))
    assert t_interval([0.5]).value == 0.5
    assert math.isnan(t_interval([0.5]).low)
    assert math.isnan(t_interval([0.5, math.nan]).value)


@pytest.mark.parametrize(
    ("low", "high", "above", "verdict"),
    [
        (0.6, 0.7, True, SUPPORTED),
        (0.6, 0.7, False, REFUTED),
        (0.1, 0.2, True, REFUTED),
        (0.1, 0.2, False, SUPPORTED),
        (0.4, 0.6, True, INCONCLUSIVE),
        (math.nan, math.nan, True, INCONCLUSIVE),
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(low, high, above, verdict):
    assert ClaimTest("t", "", Estimate(0.5, low, high, 3), "likeness", above).verdict == verdict


def test_no_memorized_sample_of_any_seed_is_no_proof_of_a_rate_of_0():
    stored = tables()
    frame = stored["memorization"]
    for measure in ("memorized_fraction", "memorized_floor"):
        frame.loc[frame["measure"] == measure, ["value", "low", "high"]] = [0.0, 0.0, 0.007]
    excess = judge(STUDY, Lookup(stored), PARAMETERS, classes=10)[2].tests[0].estimate
    assert (excess.value, excess.low, excess.high) == (0.0, pytest.approx(-0.007), pytest.approx(0.007))


def test_records_are_plain_and_name_threshold_and_reason():
    for record in as_records(tuple(verdicts().values())):
        for test in record["tests"]:
            assert test["threshold_reason"] in {t.reason for t in THRESHOLDS.values()}
            assert test["value"] is None or isinstance(test["value"], float)


@pytest.mark.parametrize("ratio", [0, 0.3, 1, 3])
def test_interval_over_seeds_covers_what_seeds_share(ratio):
    """Three seeds whose values have an error of their own and, `ratio` times as large, one in common."""
    rng = np.random.default_rng(0)
    count = 2000
    values = rng.normal(size=(count, 3)) + ratio * rng.normal(size=(count, 1))
    estimates = [t_interval(of_seeds, [ratio] * 3 if ratio else ()) for of_seeds in values]
    covered = np.mean([e.low <= 0 <= e.high for e in estimates])
    assert 0.935 < covered < 0.965
    if ratio:  # it is needed
        assert np.mean([t_interval(v).low <= 0 <= t_interval(v).high for v in values]) < covered


def test_a_claim_needs_tests_that_can_fail():
    passed, failed = (ClaimTest("t", "", Estimate(v, v - 0.1, v + 0.1, 3), "likeness", above=False) for v in (0, 1))
    control = dataclasses.replace(failed, control=True)
    powerless = dataclasses.replace(passed, control=True)
    assert Claim(1, "", (passed, control)).verdict == SUPPORTED
    assert Claim(1, "", (passed, powerless)).verdict == INCONCLUSIVE
    assert Claim(1, "", (passed, failed, powerless)).verdict == REFUTED
    assert Claim(1, "", (failed, control)).verdict == REFUTED
