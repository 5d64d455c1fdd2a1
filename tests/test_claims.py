"""Claims: verdicts follow from planted truths in the tables, and never from what a study did not vary."""

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from diffbench.files.estimates import Estimate, undefined
from diffbench.study.file import parse_study
from diffbench.summary.claims.following import BIASES, COPYING, GROWTH
from diffbench.summary.claims.words import words_of_following
from diffbench.summary.lookup import center_cells, values_at_center
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
from tests.claim_tables import COPIES, PARAMETERS, STUDY, judged, planted, verdicts

SIZES = ("n64", "n128", "n512")


def of_places(*names, places=SIZES):
    return {f"{name}_{place}" for name in names for place in places}


def test_a_study_made_to_bear_out_the_claims_does():
    claims = judged(planted())
    assert {number: claim.verdict for number, claim in claims.items()} == {
        1: SUPPORTED, 2: SUPPORTED, 3: SUPPORTED, 4: SUPPORTED, 5: INCONCLUSIVE
    }  # fmt: skip
    slopes = {test.name: test.estimate.value for test in claims[2].tests}
    expected = {"step": 0.5, "model": 0.3, "granularity": 0.2, "train_size": -0.7}
    both = {f"elasticity_{name}{ending}": value for name, value in expected.items() for ending in ("", "_absolute")}
    assert slopes == pytest.approx(both, abs=0.02)


def test_every_n_is_tested_and_controls_are_where_the_truth_is_known():
    claims = judged(planted())
    assert set(verdicts(claims[1])) == of_places("peak_above_ends", "ends", places=("n16", *SIZES))
    growths = ("nearest_side_growth", "mem_auc_growth", "fd_gap_growth")
    assert set(verdicts(claims[3])) == of_places("peak_gap_growth", "copying", *growths)
    assert set(verdicts(claims[4])) == of_places("shell_likeness", "states_inside")
    controls = ("n16", "unique", "optimum")
    assert verdicts(claims[1], control=True) == {"ends_optimum": REFUTED}
    assert verdicts(claims[3], control=True) == dict.fromkeys(of_places("copying", places=controls), REFUTED)
    names = of_places("shell_likeness", "states_inside", places=controls)
    assert verdicts(claims[4], control=True) == dict.fromkeys(names, REFUTED)


EVERY_N = ("n16", *SIZES)


@pytest.mark.parametrize(
    ("truth", "refuted"),
    [
        ({"low_end": 0.6}, of_places("ends", places=EVERY_N)),
        ({"high_end": 0.6}, of_places("ends", places=EVERY_N)),
        ({"high_end": -0.6}, of_places("ends", places=EVERY_N)),
        ({"bump": False}, of_places("ends", "peak_above_ends", places=EVERY_N)),
        ({"step": -0.5}, {"elasticity_step", "elasticity_step_absolute"} | of_places("peak_gap_growth")),
        ({"model": -0.3}, {"elasticity_model", "elasticity_model_absolute"}),
        ({"labels": -0.2}, {"elasticity_granularity", "elasticity_granularity_absolute"}),
        ({"size": 0.7}, {"elasticity_train_size", "elasticity_train_size_absolute"}),
        ({"absolute": {"size": 0.7}}, {"elasticity_train_size_absolute"}),
        ({"excess": 0.3}, of_places("copying")),
        ({"side": 0.2}, of_places("nearest_side_growth")),
        ({"auc": 0.3}, of_places("mem_auc_growth")),
        ({"fd": 0.6}, of_places("fd_gap_growth")),
        ({"likeness": 0.8}, of_places("shell_likeness")),
        ({"inside": 0.8}, of_places("states_inside")),
    ],
)
def test_a_study_made_to_contradict_a_test_refutes_it_and_no_other(truth, refuted):
    claims = judged(planted(**truth))
    found = {name for claim in claims.values() for name, verdict in verdicts(claim).items() if verdict == REFUTED}
    assert found == refuted
    assert all((claim.verdict == REFUTED) == bool(found & set(verdicts(claim))) for claim in claims.values())


@pytest.mark.parametrize(
    ("truth", "number"),
    [
        ({"of_copies": COPIES | {"excess": 0.0}}, 3),
        ({"of_copies": COPIES | {"likeness": 0.1}}, 4),
        ({"of_copies": COPIES | {"inside": 0.1}}, 4),
        ({"optimum": 0.01}, 1),
    ],
)
def test_a_claim_whose_positive_control_passes_is_not_supported(truth, number):
    claims = judged(planted(**truth))
    assert claims[number].verdict == INCONCLUSIVE
    assert set(verdicts(claims[number]).values()) == {SUPPORTED}
    assert {n for n, claim in claims.items() if claim.verdict == SUPPORTED} == {1, 2, 3, 4} - {number}


@pytest.mark.parametrize(("truth", "number"), [({"size": -0.05, "spread": 0.5}, 2), ({"excess": math.nan}, 3)])
def test_noise_and_undefined_values_are_inconclusive(truth, number):
    assert judged(planted(**truth))[number].verdict == INCONCLUSIVE


def test_growth_below_what_is_unbiased_is_no_bias_and_the_references_are_a_chance():
    """From 0.3 to 1/2 samples become better; that the few references happen to lie so is not excluded for small n."""
    tables = planted()
    rows = tables["memorization"]
    rows.loc[(rows["measure"] == "nearest_side_rate") & (rows["step"] == 100), ["value", "low", "high"]] = 0.3
    rows.loc[(rows["measure"] == "nearest_side_rate") & (rows["step"] == 1000), ["value", "low", "high"]] = 0.5
    tests = {test.name: test for test in judged(tables)[3].tests}
    for n in (64, 512):
        test = tests[f"nearest_side_growth_n{n}"]
        assert test.estimate.value == 0
        assert test.estimate.high == pytest.approx(1.96 * 0.5 / math.sqrt(2 * n), rel=1e-3)
    assert tests["nearest_side_growth_n64"].verdict == INCONCLUSIVE
    assert tests["nearest_side_growth_n512"].verdict == SUPPORTED


def test_what_was_not_varied_is_inconclusive():
    plain = parse_study(STUDY.model_dump() | {"sweeps": [], "steps": [1000]}, "plain.yaml")
    claims = judged(planted(plain), plain)
    assert claims[2].verdict == INCONCLUSIVE
    assert "model was not varied around the centre" in {test.estimate.reason for test in claims[2].tests}
    assert "the study has a single milestone" in {test.estimate.reason for test in claims[3].tests}


def test_measures_that_the_files_lack_are_undefined_with_the_reason():
    tables = planted()
    tables["overlap"] = tables["overlap"][tables["overlap"]["measure"] != "states_inside"]
    tests = {test.name: test for test in judged(tables)[4].tests}
    assert "not measured" in tests["states_inside_n64"].estimate.reason
    assert tests["states_inside_n64"].verdict == INCONCLUSIVE
    assert tests["shell_likeness_n64"].verdict == SUPPORTED


def test_values_without_dependence_on_a_factor_are_no_trend():
    """Of four factors in 25 studies of which none matters, hardly one trend is found; equal peaks are refuted."""
    nothing: dict[str, Any] = {"step": 0, "model": 0, "labels": 0, "size": 0}
    found = [
        verdict == SUPPORTED
        for seed in range(25)
        for name, verdict in verdicts(judged(planted(**nothing, spread=0.3, seed=seed))[2]).items()
        if not name.endswith("absolute")
    ]
    assert np.mean(found) <= 0.04
    assert set(verdicts(judged(planted(**nothing, spread=0.001))[2]).values()) == {REFUTED}


def test_notes_say_what_is_compared_and_unique_stands_apart():
    notes = {test.name: test.note for test in judged(planted(spread=0))[2].tests}
    assert "compares 16, 64, 128, 512; slopes between neighbours −0.7, −0.7, −0.7" in notes["elasticity_train_size"]
    assert "compares none, classes, kmeans-20; slopes between neighbours 0.2, 0.2" in notes["elasticity_granularity"]
    assert f"ln(peak over that of classes) {0.2 * math.log(12.8):.2g}" in notes["elasticity_granularity"]
    ends = {test.name: test.note for test in judged(planted())[1].tests}["ends_n64"]
    assert "at σ = 0.01: 0.02 [" in ends
    assert "of which 0.37 is the plateau: 0.02 [" in ends  # 2 / (6.4 - 1)


def test_the_plateau_is_unknown_where_each_label_has_one_image():
    center = {"model": "mlp-medium", "train_size": 64, "granularity": "unique", "guidance": 0}
    study = parse_study(STUDY.model_dump() | {"center": center, "sweeps": []}, "unique.yaml")
    tests = {test.name: test for test in judged(planted(study), study)[1].tests}
    assert "a single image" in tests["ends_n64"].estimate.reason
    assert "at σ = 0.01: 0.02 [" in tests["ends_n64"].note
    assert "unbounded" not in tests["ends_n64"].note
    assert tests["peak_above_ends_n64"].verdict == SUPPORTED


@pytest.mark.parametrize("factor", [{"granularity": "unique"}, {"model": "optimal"}])
def test_where_the_centre_copies_by_design_all_its_sizes_are_controls(factor):
    center = STUDY.center.model_dump() | {"train_size": 64} | factor
    sweeps = [{"train_size": [32, 64]}, {"granularity": ["classes", "unique"]}]
    study = parse_study(STUDY.model_dump() | {"center": center, "sweeps": sweeps}, "copies.yaml")
    claims = judged(planted(study), study)
    for number in (3, 4):
        assert claims[number].verdict == INCONCLUSIVE
        assert {test.control for test in claims[number].tests} == {True}
        places = [test.name for test in claims[number].tests]
        assert len(set(places)) == len(places)
    assert claims[3].words == ()
    of_granularity = next(test for test in claims[2].tests if test.name == "elasticity_granularity")
    assert ("unique labels" in of_granularity.note) == ("model" in factor)


def test_nets_worse_than_a_linear_filter_are_named():
    """Once for every n or value: beside the peak and its growth, and beside slopes."""
    for skill, named in ((-0.5, True), (0.2, False)):
        claims = judged(planted(skill=skill))
        notes = {test.name: test.note for number in (1, 2, 3) for test in claims[number].tests}
        told = {name for name, note in notes.items() if "plain overfitting: skill" in note}
        trends = {name for name in notes if name.startswith("elasticity")}
        peaks = of_places("peak_gap_growth") | of_places("peak_above_ends", places=EVERY_N)
        assert told == (trends | peaks if named else set())


def test_random_labels_are_no_finer_condition_and_the_centre_is_found():
    assert values_at_center(STUDY, "train_size") == [16, 64, 128, 512]
    assert len(center_cells(STUDY)) == 3 * 2
    assert {c.guidance.weight for c in center_cells(STUDY, guidance="1")} == {1}


def trends(study, parameters=PARAMETERS, **truth):
    claim = judged(planted(study, **truth), study, parameters)[2]
    return {test.name: test for test in claim.tests}


def test_number_of_weights_compares_models_of_one_kind_trained_alike():
    models = {"mlp-dropout": {"kind": "variant", "of": "mlp-medium", "dropout": 0.3}}
    sweeps = [*STUDY.model_dump()["sweeps"], {"model": ["unet-tiny", "mlp-dropout"]}]
    mixed = parse_study(STUDY.model_dump() | {"models": models, "sweeps": sweeps}, "mixed.yaml")
    test = trends(mixed, PARAMETERS | {"unet-tiny": 10**7, "mlp-dropout": 10**8})["elasticity_model"]
    assert test.estimate.value == pytest.approx(0.3, abs=0.02)
    assert "compares mlp-small, mlp-medium, mlp-large;" in test.note
    assert "models of kind mlp trained alike" in test.note


@pytest.mark.parametrize("steps", [[100], [1000], [100, 1000]])
def test_sizes_are_compared_at_one_training_step(steps):
    """The centre has all steps, the sweep some: its last one is another than the centre's."""
    sweeps = [{"model": ["mlp-large"], "step": steps}]
    study = parse_study(STUDY.model_dump() | {"sweeps": sweeps}, "steps.yaml")
    assert trends(study)["elasticity_model"].estimate.value == pytest.approx(0.3, abs=0.02)


def test_sizes_without_a_common_training_step_tell_nothing():
    sweeps = [{"model": ["mlp-small"], "step": [100]}, {"model": ["mlp-large"], "step": [1000]}]
    study = parse_study(STUDY.model_dump() | {"sweeps": sweeps}, "steps.yaml")
    assert trends(study)["elasticity_model"].estimate.reason == "the values of model share no training step"


def test_models_that_are_not_trained_have_one_seed_and_still_a_trend():
    theirs = {"models": {"theirs": {"import": "package.module:factory"}}, "sweeps": [{"train_size": [64, 128, 512]}]}
    center = {"model": "theirs", "train_size": 64, "granularity": "classes", "guidance": 0}
    study = parse_study({"name": "external", "seeds": [0, 1], "steps": [1], "center": center} | theirs, "foreign.yaml")
    trend = trends(study, {}, step=0, spread=0.0)["elasticity_train_size"]
    assert trend.estimate.value == pytest.approx(-0.7)
    assert (trend.estimate.n, trend.verdict) == (1, INCONCLUSIVE)


def test_few_points_of_the_plane_are_no_control():
    center = {"model": "mlp-small", "train_size": 10, "granularity": "none", "guidance": 0}
    data = {"name": "circle-symmetric", "points": 40}
    study = parse_study({"name": "plane", "data": data, "seeds": [0, 1], "steps": [1, 2], "center": center}, "p.yaml")
    claims = judged(planted(study), study)
    assert set(verdicts(claims[4])) == of_places("shell_likeness", "states_inside", places=["n10"])
    assert set(verdicts(claims[4], control=True)) == {"control"}  # that there is none


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
        (math.inf, math.inf, False, REFUTED),
        (math.nan, math.nan, True, INCONCLUSIVE),
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(low, high, above, verdict):
    assert ClaimTest("t", "", Estimate(0.5, low, high, 3), "likeness", above).verdict == verdict


def test_no_memorized_sample_of_any_seed_is_no_proof_of_a_rate_of_0():
    stored = planted()
    frame = stored["memorization"]
    for measure in ("memorized_fraction", "memorized_floor"):
        frame.loc[frame["measure"] == measure, ["value", "low", "high"]] = [0.0, 0.0, 0.007]
    excess = next(test.estimate for test in judged(stored)[3].tests if test.name == "copying_n64")
    assert (excess.value, excess.low, excess.high) == (0.0, pytest.approx(-0.007), pytest.approx(0.007))


def test_records_are_plain_and_name_threshold_and_reason():
    records = as_records(tuple(judged(planted()).values()))
    for record in records:
        for test in record["tests"]:
            assert test["threshold_reason"] in {t.reason for t in THRESHOLDS.values()}
            assert test["value"] is None or isinstance(test["value"], float)
    optimum = next(test for test in records[0]["tests"] if test["control"])
    assert (optimum["value"], optimum["reason"], optimum["verdict"]) == (None, "unbounded", REFUTED)
    assert records[2]["words"] == list(judged(planted())[3].words)


def test_sentences_of_claim_3_name_what_is_so_at_each_n():
    words = " ".join(judged(planted(side=0.2))[3].words)
    assert "At n = 64, 128, 512 the denoising gap grows (× 3.1" in words
    assert "), but exact copies stay less than 0.05 above their floor." in words
    assert "Bias towards training data grows by more than 0.05 (inference-side gap: 0.1) at n = 64 (near" in words
    assert "(nearest-side rate), 128 (nearest-side rate), 512 (nearest-side rate)" in words
    assert "for copies it is supported at n = 64, 128, 512 and refuted at no n" in words
    assert "for bias it is supported at no n and refuted at n = 64, 128, 512." in words


def test_sentences_of_claim_3_deny_nothing_that_the_tables_show():
    """Copies and bias that lie clearly above their floors, and below the thresholds."""
    claim = judged(planted(excess=0.03, side=0.03))[3]
    shown = {test.name: test.estimate for test in claim.tests if not test.control}
    assert shown["copying_n128"].low > 0
    assert shown["nearest_side_growth_n128"].low > 0
    assert claim.verdict == SUPPORTED
    words = " ".join(claim.words)
    assert not any(denial in words for denial in ("at the floor", "does not grow", "no bias"))


ESTIMATES = {SUPPORTED: 1, REFUTED: -1, INCONCLUSIVE: 0}


def test_every_combination_of_verdicts_has_its_sentences():
    """Of the gap, of copies and of a measure of bias; each is named once and none contradicts its verdict."""
    seen = set()
    for gap, copies, bias in itertools.product(ESTIMATES, repeat=3):
        tests = [made(GROWTH, gap), made(COPYING, copies), *(made(f"{each.name}_growth", bias) for each in BIASES)]
        words = words_of_following(tests)
        assert len(words) == 3
        assert ("does not grow" in words[0]) == (gap == REFUTED)
        assert ("exact copies rise more than 0.05 above their floor" in words[0]) == (copies != SUPPORTED)
        assert words[0].count("open") == [gap, copies].count(INCONCLUSIVE)
        assert words[1].startswith({SUPPORTED: "Bias towards", REFUTED: "Bias", INCONCLUSIVE: "It is open"}[bias])
        assert ("by less than" in words[1]) == (bias == SUPPORTED)
        assert ("supported at n = 64" in words[2]) == (gap == SUPPORTED and SUPPORTED in (copies, bias))
        seen.add(words)
    assert len(seen) >= 23  # where the gap does not grow, some say the same of the paper
    assert words_of_following([]) == ()


def made(name, verdict):
    value = 1.0 if (verdict == SUPPORTED) == (name == GROWTH) else -1.0
    estimate = undefined("open", 0) if verdict == INCONCLUSIVE else Estimate(value, value, value, 3)
    return ClaimTest(f"{name}_n64", "", estimate, "growth", above=name == GROWTH, place="n = 64")


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


def test_without_a_control_nothing_is_supported_that_samples_could_refute():
    sweeps = [{"train_size": [64, 128, 512]}]
    study = parse_study(STUDY.model_dump() | {"sweeps": sweeps}, "plain.yaml")
    claims = judged(planted(study), study)
    for number in (3, 4):
        assert set(verdicts(claims[number]).values()) == {SUPPORTED}
        assert verdicts(claims[number], control=True) == {"control": INCONCLUSIVE}
        assert claims[number].verdict == INCONCLUSIVE
        (control,) = (test for test in claims[number].tests if test.control)
        assert "add train_size 16 or model optimal" in control.estimate.reason
