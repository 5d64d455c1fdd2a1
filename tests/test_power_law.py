"""Exponents of planted power laws, with their intervals, from times to the rows of a study's table."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, ndtr

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate
from diffbench.measures.intervals import proportion
from diffbench.measures.power_law import exponent
from diffbench.measures.timescales import tau_half
from diffbench.study.file import parse_study
from diffbench.summary.timescales import exponent_over_seeds, timescales
from diffbench.summary.verdicts import t_interval
from tests.looked_up import lookup_of

SIZES = [16, 32, 64, 128]
STEPS = [60 * 2**k for k in range(8)]
SAMPLES = 512
SHARED = 0.45
"""Latent correlation of seeds whose samples start from the same noise: hits correlate by 0.3, as seen on digits."""


def exactly(*times):
    return [Estimate(time, time, time, 1) for time in times]


def test_slope_is_that_of_least_squares():
    times = [170.0, 420.0, 700.0, 1900.0]
    fit = exponent(SIZES, exactly(*times))
    assert fit.value == pytest.approx(np.polyfit(np.log(SIZES), np.log(times), 1)[0])
    assert (fit.low, fit.high, fit.n) == (pytest.approx(fit.value), pytest.approx(fit.value), 4)
    for planted in (0.0, 0.5, 1.0, 2.0):
        assert exponent(SIZES, exactly(*(7 * n**planted for n in SIZES))).value == pytest.approx(planted)
    assert exponent(SIZES, exactly(60, 60, 60, 60)).value == 0


def test_interval_of_symmetric_errors_is_the_propagated_one():
    half = 0.2
    times = [Estimate(n, n * math.exp(-half), n * math.exp(half), 1) for n in SIZES]
    fit = exponent(SIZES, times)
    spread = half / np.sqrt(((np.log(SIZES) - np.log(SIZES).mean()) ** 2).sum())
    assert (fit.low, fit.high) == (pytest.approx(1 - spread), pytest.approx(1 + spread))


def test_early_time_in_doubt_bends_upwards_only():
    """The first size's time may be much earlier: the slope may be steeper, and hardly less steep."""
    first, *others = (Estimate(n, n * 0.99, n * 1.01, 1) for n in SIZES)
    fit = exponent(SIZES, [Estimate(first.value, 1, first.high, 1), *others])
    assert fit.high - fit.value > 20 * (fit.value - fit.low)


def test_two_sizes_have_no_exponent():
    assert "3 training sizes with a time, got 2" in exponent(SIZES[:2], exactly(1, 2)).reason
    with pytest.raises(DiffbenchError, match="4 sizes for 1 times"):
        exponent(SIZES, exactly(1))


def counts(rng, taus, common=None):
    """Memorized fractions by size over STEPS, logistic in ln step, from latent normals of which a part is `common`."""
    latent = rng.standard_normal((len(taus), SAMPLES))
    if common is not None:
        latent = math.sqrt(SHARED) * common + math.sqrt(1 - SHARED) * latent
    shares = expit(2.2 * np.log(np.array(STEPS) / np.array(taus)[:, None]))
    hits = (ndtr(latent)[:, None] < shares[..., None]).sum(-1)
    return [[proportion(int(hit), SAMPLES) for hit in of_size] for of_size in hits]


@pytest.mark.parametrize("planted", [0.0, 0.7, 1.0])
def test_planted_exponent_lies_in_the_interval_of_one_seed(planted):
    rng = np.random.default_rng(0)
    found = []
    for _ in range(150):
        taus = rng.uniform(250, 500) * (np.array(SIZES) / 16) ** planted
        found.append(exponent(SIZES, [tau_half(STEPS, of_size) for of_size in counts(rng, taus)]))
    assert np.mean([fit.value for fit in found]) == pytest.approx(planted, abs=0.01)
    assert np.mean([fit.low <= planted <= fit.high for fit in found]) > 0.95
    assert np.mean([fit.high - fit.low for fit in found]) < 0.25


def study(**changes):
    return parse_study(
        {
            "name": "planted",
            "data": {"name": "digits"},
            "seeds": [0, 1, 2],
            "steps": STEPS,
            "center": {"model": "mlp-small", "train_size": 16, "granularity": "classes", "guidance": 0},
            "sweeps": [{"train_size": SIZES}],
        }
        | changes,
        "planted.yaml",
    )


def table(study, fractions):
    """The rows of a study's time scales from memorized fractions by seed, size and step; None: a missing cell."""
    rows = []
    for cell in study.cells:
        factors = cell.factors
        fraction = fractions(factors["seed"], factors["train_size"], factors["step"])
        for measure, estimate in (("memorized_fraction", fraction), ("memorized_floor", proportion(0, 512))):
            if estimate is not None:
                rows.append(factors | vars(estimate) | {"measure": measure, "sigma": np.nan})
    return timescales(study, lookup_of({"memorization": pd.DataFrame(rows)}))


def seeds(rng, exponent, spread):
    """Fractions of three seeds whose times follow a power law, each time off by a factor of its own."""
    common, taus = (
        rng.standard_normal((len(SIZES), SAMPLES)),
        rng.uniform(250, 400) * (np.array(SIZES) / 16) ** exponent,
    )
    return [counts(rng, taus * np.exp(spread * rng.standard_normal(len(SIZES))), common) for _ in range(3)]


def planted(rng, exponent, spread):
    """The same by seed, size and step."""
    of_seeds = seeds(rng, exponent, spread)
    return lambda seed, size, step: of_seeds[seed][SIZES.index(size)][STEPS.index(step)]


def over_seeds(rows, measure):
    (row,) = rows[(rows["measure"] == measure) & rows["seed"].isna()].to_dict("records")
    return row


@pytest.mark.parametrize(("spread", "most"), [(0.0, 1.0), (0.3, 0.98)])
def test_interval_over_three_seeds_covers_the_planted_exponent(spread, most):
    """Of seeds that share the noise of their samples; where they differ in no more, Student's alone covers 88 %."""
    rng, covered, alone, trials = np.random.default_rng(2), 0, 0, 200
    for _ in range(trials):
        of_seeds = seeds(rng, 1.0, spread)
        fits = [exponent(SIZES, [tau_half(STEPS, of_size) for of_size in of_seed]) for of_seed in of_seeds]
        mean, student = exponent_over_seeds(fits), t_interval([fit.value for fit in fits])
        covered += mean.low <= 1.0 <= mean.high
        alone += student.low <= 1.0 <= student.high
    assert 0.92 <= covered / trials <= most
    assert spread or alone / trials < 0.92


def test_rows_per_seed_and_over_seeds():
    rows = table(study(), planted(np.random.default_rng(3), 1.0, 0.05))
    per_seed = rows[(rows["measure"] == "tau_half_exponent") & rows["seed"].notna()]
    assert per_seed["n"].tolist() == [4, 4, 4]  # training sizes
    mean = over_seeds(rows, "tau_half_exponent")
    assert mean["value"] == pytest.approx(per_seed["value"].mean())
    assert mean["n"] == 3  # seeds
    assert mean["high"] - mean["value"] > ((per_seed["high"] - per_seed["low"]) / 2).mean() * 0.999
    assert {"last_step_at_floor", "least_size_at_floor", "effective_memorization"} <= set(rows["measure"])


def test_one_seed_has_the_interval_of_its_times_alone():
    rows = table(study(seeds=[0]), planted(np.random.default_rng(4), 1.0, 0.0))
    (row,) = rows[rows["measure"] == "tau_half_exponent"].to_dict("records")
    assert row["seed"] == 0
    assert row["low"] < 1 < row["high"]


def test_size_without_a_time_in_one_seed_counts_for_none():
    whole = planted(np.random.default_rng(5), 1.0, 0.0)
    never = proportion(0, SAMPLES)

    def late(seed, size, step):
        return never if (seed, size) in ((1, 128), (2, 128)) else whole(seed, size, step)

    rows = table(study(), late)
    per_seed = rows[(rows["measure"] == "tau_half_exponent") & rows["seed"].notna()]
    assert per_seed["n"].tolist() == [3, 3, 3]

    def later(seed, size, step):
        return never if size > 32 else whole(seed, size, step)

    rows = table(study(), later)
    assert "2 of 4 training sizes have a tau_half in every seed" in over_seeds(rows, "tau_half_exponent")["reason"]
    assert math.isnan(over_seeds(rows, "tau_half_exponent")["value"])


def test_missing_cells_leave_the_others_their_rows():
    whole = planted(np.random.default_rng(6), 1.0, 0.0)

    def partly(seed, size, step):
        return None if (seed, size) == (1, 64) or step == 240 else whole(seed, size, step)

    rows = table(study(), partly)
    assert over_seeds(rows, "tau_half_exponent")["value"] == pytest.approx(1.0, abs=0.3)
    assert len(rows[rows["measure"] == "tau_half"]) == 11


def test_study_of_one_size_has_no_exponents():
    rows = table(study(sweeps=[]), planted(np.random.default_rng(7), 1.0, 0.0))
    assert not rows["measure"].str.endswith("_exponent").any()


def test_a_time_whose_interval_is_open_leaves_the_exponent_open_unless_it_has_no_weight():
    closed = [Estimate(n, n / 2, 2 * n, 1) for n in (64, 128, 256)]
    for index, (low, high) in enumerate([(True, False), (False, False), (False, True)]):
        times = [Estimate(t.value, t.low, math.inf, 1) if at == index else t for at, t in enumerate(closed)]
        fit = exponent([64, 128, 256], times)
        assert fit.value == pytest.approx(1)
        assert (math.isinf(fit.low), math.isinf(fit.high)) == (low, high)
        over_seeds = exponent_over_seeds([fit, fit])
        assert math.isinf(over_seeds.high) == (low or high)
