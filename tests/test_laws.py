"""Laws: supported where planted, refuted where the contrary is, rarely found where neither is, silent elsewhere."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from diffbench.files.estimates import Estimate, undefined
from diffbench.settings.guidance import Guidance
from diffbench.study.file import load_study
from diffbench.summary.claims.seeds import magnitude, over_seeds, with_error
from diffbench.summary.laws.guidance import bend, middle
from diffbench.summary.laws.scaling import scaling_tests
from diffbench.summary.verdicts import INCONCLUSIVE, REFUTED, SUPPORTED, Claim, as_records
from tests.claim_tables import verdicts
from tests.law_tables import (
    GUIDANCE,
    LABELS,
    PAIRS,
    SCALING,
    laws,
    of_guidance,
    of_labels,
    of_pairs,
    of_times,
    study_of,
)
from tests.snakemake_runs import ROOT

ALIKE = {"none": 0.2, "classes": 0.4, "random-10": 0.4, "unique": 0.9}
TWINS, OWN = {16: 0.3, 64: 0.5, 512: 0.8}, {16: 0.98, 64: 0.9, 512: 0.7}
BENT = {0: 0.3, 0.5: 0.4, 1: 0.5, 2: 0.4, 8: 0.1}


@pytest.mark.parametrize(
    "law",
    [
        of_labels(ALIKE),
        of_times(1.0, 0.0),
        of_pairs(TWINS, OWN),
        of_guidance(BENT),
        of_guidance({weight: 0.6 - share for weight, share in BENT.items()}),  # the other way round
    ],
)
def test_a_law_that_was_planted_is_supported(law):
    assert set(verdicts(law).values()) == {SUPPORTED}
    assert law.verdict == SUPPORTED


@pytest.mark.parametrize(
    ("law", "refuted"),
    [
        (of_labels(ALIKE | {"random-10": 0.7}), {"random_like_true"}),
        (of_labels(ALIKE | {"random-10": 0.1}), {"random_like_true"}),
        (of_labels(ALIKE | {"none": 0.99}), {"unique_above_none"}),
        (of_times(0.5, 0.0), {"tau_half_exponent"}),
        (of_times(1.35, 0.0), {"tau_half_exponent"}),
        (of_times(0.0, 0.0), {"tau_half_exponent"}),
        (of_times(1.0, 1.0), {"tau_gen_exponent"}),
        (of_pairs({n: 1 - value for n, value in TWINS.items()}, OWN), {"pair_correlation_growth"}),
        (of_pairs(TWINS, {n: 1 - value for n, value in OWN.items()}), {"correlation_to_own_train_growth"}),
        (of_guidance({0: 0.3, 1: 0.5, 8: 0.7}), {"guidance_bend"}),
        (of_guidance({0: 0.5, 1: 0.3, 8: 0.1}), {"guidance_bend"}),
    ],
)
def test_the_contrary_of_a_law_is_refuted_by_its_test(law, refuted):
    assert {name for name, verdict in verdicts(law).items() if verdict == REFUTED} == refuted
    assert law.verdict == REFUTED


def on_law_1(seed: int) -> Claim:
    """True and random labels differ by the margin, unique ones copy as much as true ones."""
    return of_labels({"none": 0.2, "classes": 0.4, "random-10": 0.5, "unique": 0.4}, seed)


def on_law_2(seed: int) -> Claim:
    """Exponents at their margins."""
    return of_times(0.75, 0.25, seed)


def on_law_3(seed: int) -> Claim:
    """Correlations that do not depend on n."""
    return of_pairs(dict.fromkeys(TWINS, 0.5), dict.fromkeys(OWN, 0.9), seed)


def flat_guidance(seed: int) -> Claim:
    return of_guidance(dict.fromkeys(BENT, 0.4), seed)


def saturating_guidance(seed: int) -> Claim:
    """Monotone, and the middle equals an end: the null at which a bend is found most often."""
    return of_guidance({0: 0.1, 1: 0.4, 8: 0.4}, seed)


@pytest.mark.parametrize(
    ("null", "names", "times"),
    [
        (on_law_1, ["random_like_true", "unique_above_classes"], 200),
        (on_law_2, ["tau_half_exponent", "tau_gen_exponent"], 60),
        (on_law_3, ["pair_correlation_growth", "correlation_to_own_train_growth"], 200),
        (flat_guidance, ["guidance_bend"], 200),
        (saturating_guidance, ["guidance_bend"], 200),
    ],
)
def test_chance_supports_no_test_in_more_than_5_percent(null: Callable[[int], Claim], names: list[str], times: int):
    found = [verdicts(null(seed)) for seed in range(times)]
    for name in names:
        assert np.mean([each[name] == SUPPORTED for each in found]) <= 0.05, name


def test_labels_that_all_copy_alike_support_nothing():
    """All fractions near 1: random labels are like true ones, and so are unique ones, which the control tells."""
    law = of_labels(dict.fromkeys(ALIKE, 0.97))
    assert verdicts(law)["random_like_true"] == SUPPORTED
    assert verdicts(law, control=True) == {"unique_like_true": SUPPORTED}
    assert law.verdict != SUPPORTED


def test_law_1_compares_as_many_random_labels_as_true_ones_at_a_shared_step():
    tests = {test.name: test for test in of_labels(ALIKE | {"random-20": 0.99}).tests}
    assert tests["random_like_true"].place == "random-10"
    assert "memorized: none 0.2" in tests["random_like_true"].note
    assert "classes 0." in tests["unique_like_true"].note
    study = study_of({"granularity": ["none", "unique"], "step": [480]}, steps=(480, 960))
    reason = "not varied around the centre: granularity random-10"
    assert {test.estimate.reason for test in laws(study, {})[0].tests} == {reason}


def test_an_open_exponent_is_undefined_with_its_value_beside():
    """Where the last milestone may be the best, nothing bounds the time."""
    tests = {test.name: test for test in of_times(1.0, 1.0, spread=0.0).tests}
    assert "; of τ mem: " in tests["tau_half_exponent"].note
    scale = {"model": "mlp-medium", "granularity": "classes", "guidance": "0", "seed": math.nan}
    rows = [
        scale | {"measure": f"{tau}_exponent", "value": 0.5, "low": -math.inf, "high": math.inf, "n": 4, "reason": ""}
        for tau in ("tau_mem", "tau_half", "tau_gen")
    ]
    opened = list(scaling_tests(SCALING, rows))
    assert {test.verdict for test in opened} == {INCONCLUSIVE}
    assert all("open" in test.estimate.reason and "b = 0.5" in test.note for test in opened)


@pytest.mark.parametrize("study", [LABELS, SCALING, PAIRS, GUIDANCE])
def test_what_a_study_does_not_vary_is_inconclusive_with_a_reason(study):
    judged = laws(study, {})
    assert {law.verdict for law in judged} == {INCONCLUSIVE}
    reasons = {law.number: {test.estimate.reason for test in law.tests} for law in judged}
    own = [LABELS, SCALING, PAIRS, GUIDANCE].index(study) + 1
    for number, of_law in reasons.items():
        assert len(of_law) == 1
        said = "not measured" in next(iter(of_law))
        assert said == (number == own and number != 2), of_law
    assert all(test["value"] is None for law in as_records(judged, "law") for test in law["tests"])


def test_the_study_of_laws_varies_what_all_of_them_need():
    study = load_study(ROOT / "config/studies/laws.yaml")
    reasons = [test.estimate.reason for law in laws(study, {}) if law.number != 2 for test in law.tests]
    assert all("not measured" in reason for reason in reasons)
    assert len({run.train_size for run in study.runs}) >= 3


def test_law_4_needs_copies_and_takes_a_weight_that_results_do_not_choose():
    (test,) = of_guidance(dict.fromkeys(BENT, 0.002)).tests
    assert "nothing that could bend" in test.estimate.reason
    (test,) = of_guidance(BENT).tests
    assert test.note.startswith("w = 1 against 0 and 8; memorized 0.3")
    weights = [Guidance(weight=weight) for weight in (0, 0.5, 1, 2, 8)]
    assert [middle(weights[:count]).weight for count in (3, 4, 5)] == [0.5, 0.5, 1]


def test_magnitude_lies_within_a_margin_where_the_interval_does():
    assert magnitude(Estimate(-0.1, -0.3, 0.1, 4)) == Estimate(0.1, 0.0, 0.3, 4)
    assert magnitude(Estimate(-0.2, -0.3, -0.1, 4)) == Estimate(0.2, 0.1, 0.3, 4)
    assert magnitude(undefined("missing", 0)).reason == "missing"
    assert bend(undefined("missing", 1), Estimate(0, 0, 0, 4)).reason == "missing"


@pytest.mark.parametrize("truth", [(0.0, 0.0), (0.01, 0.01), (0.02, 0.1), (-0.01, -0.05), (0.02, -0.02), (0.1, 0.0)])
def test_intervals_of_bend_and_magnitude_cover(truth):
    """Three weights in four seeds, whose difference to the middle one shares the middle's own error."""
    rng = np.random.default_rng(0)
    rise, fall = truth
    bent = max(min(rise, fall), min(-rise, -fall))
    covered = {"bend": [], "magnitude": []}
    for _ in range(1000):
        first, inner, last = 0.02 * rng.standard_normal((3, 4))
        a = over_seeds([with_error(each, 512, 0.001) for each in rise + inner - first])
        b = over_seeds([with_error(each, 512, 0.001) for each in fall + inner - last])
        both = bend(a, b)
        covered["bend"].append(both.low <= bent <= both.high)
        size = magnitude(a)
        covered["magnitude"].append(size.low <= abs(rise) <= size.high)
        assert size.low <= size.value <= size.high
        assert both.low <= both.value <= both.high
    assert all(np.mean(each) > 0.935 for each in covered.values())
