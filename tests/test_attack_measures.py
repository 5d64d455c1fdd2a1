"""Attacks judged where their level was not chosen: nulls, planted leaks, coverage, and what is kept of each image."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from diffbench.conventions import DiffbenchError
from diffbench.denoisers.attacks import AttackScores
from diffbench.measures.attacks import ATTACKS, FEWEST, attack, divided, false_positive_rates
from diffbench.measures.intervals import auc
from diffbench.measures.membership_battery import membership_battery

SIGMAS = np.geomspace(0.02, 2, 11)


def leaking(rng: np.random.Generator, members: int, others: int, shifts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores at levels where members lie lower by so many standard deviations; AUC = Phi(shift / sqrt 2)."""
    return rng.normal(size=(len(shifts), members)) - shifts[:, None], rng.normal(size=(len(shifts), others))


def test_nothing_is_found_where_nothing_is_though_the_best_level_is_taken():
    """Independent levels, the worst case: the best of eleven on the same images would be above 1/2 by its choice."""
    covered, values, chosen_and_judged = 0, [], []
    for seed in range(200):
        members, others = leaking(np.random.default_rng(seed), 100, 120, np.zeros(11))
        found = attack(SIGMAS, members, others, seed)
        covered += found.auc.low <= 0.5 <= found.auc.high
        values.append(found.auc.value)
        chosen_and_judged.append(max(auc(o, m).value for o, m in zip(others, members, strict=True)))
    assert covered / 200 >= 0.92
    assert abs(np.mean(values) - 0.5) < 3 * np.std(values) / math.sqrt(200)
    assert np.mean(chosen_and_judged) > 0.55


def test_a_planted_leak_is_found_at_its_level():
    shifts = 1.5 * np.exp(-((np.arange(11) - 4.0) ** 2) / 4)
    truth, covered, levels = stats.norm.cdf(1.5 / math.sqrt(2)), 0, []
    for seed in range(200):
        found = attack(SIGMAS, *leaking(np.random.default_rng(seed), 200, 200, shifts), seed)
        covered += found.auc.low <= truth <= found.auc.high
        assert found.sigma.low <= found.sigma.value <= found.sigma.high
        levels.append(found.level)
    assert covered / 200 >= 0.85  # at levels beside the best the truth is lower
    assert np.mean(np.abs(np.array(levels) - 4) <= 1) > 0.95
    found = attack(SIGMAS, *leaking(np.random.default_rng(0), 200, 200, shifts), 0)
    assert found.tpr_at_1_percent.value > 0.05
    assert "at least 1000" in found.tpr_at_01_percent.reason


def test_intervals_of_a_fixed_level_cover():
    truth, covered = stats.norm.cdf(1 / math.sqrt(2)), 0
    for seed in range(200):
        found = attack(SIGMAS[:1], *leaking(np.random.default_rng(seed), 60, 300, np.ones(1)), seed)
        covered += found.auc.low <= truth <= found.auc.high
    assert covered / 200 >= 0.92


@pytest.mark.parametrize("members", [2, 4, FEWEST])
def test_few_training_images_are_not_told_from_others_by_chance(members):
    """Two that judge lie wholly below 512 others in 14 % of cases: then nothing is said."""
    told = []
    for seed in range(300):
        found = attack(SIGMAS[:1], *leaking(np.random.default_rng(seed), members, 512, np.zeros(1)), seed)
        told.append(found.auc.low > 0.5)
    assert np.mean(told) <= 0.055


def test_rates_of_images_that_chose_are_low_by_chance_where_it_does_not_matter():
    """As the documentation says: less than 1/2 on average, but rates of 5 % as often as 5 %, and a bit."""
    rates = []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        scores = {
            name: AttackScores(SIGMAS[:6], *(rng.standard_exponential((6, count)) for count in (64, 512)))
            for name in ATTACKS
        }
        attacks = {name: attack(of.sigmas, of.train, of.validation, seed) for name, of in scores.items()}
        best = max(ATTACKS, key=lambda name: attacks[name].strength)
        level = attacks[best].level
        rates.append(false_positive_rates(scores[best].train[level], scores[best].validation[level]))
    assert 0.42 < np.mean(rates) < 0.48
    assert np.mean(np.array(rates) <= 0.05) < 0.07


def test_images_that_choose_do_not_judge():
    rng = np.random.default_rng(0)
    members, others = leaking(rng, 51, 80, np.ones(11))
    choosing, judging = divided(members, others, 7)
    assert [side.shape for side in (*choosing, *judging)] == [(11, 25), (11, 40), (11, 26), (11, 40)]
    assert sorted([*choosing.members[0], *judging.members[0]]) == sorted(members[0])
    found = attack(SIGMAS, members, others, 7)
    assert found.auc == auc(judging.others[found.level], judging.members[found.level])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), members=st.integers(16, 60), others=st.integers(16, 60))
def test_monotone_maps_of_the_scores_change_nothing(seed, members, others):
    low, high = leaking(np.random.default_rng(seed), members, others, np.linspace(0, 2, 4))
    assert attack(SIGMAS[:4], low, high, seed) == attack(SIGMAS[:4], np.exp(low), np.exp(high), seed)


def test_false_positive_rates_are_exact_and_valid():
    rng = np.random.default_rng(0)
    members, others = rng.integers(0, 20, 50).astype(float), rng.integers(0, 20, 30).astype(float)
    expected = [(1 + sum(other <= member for other in others)) / 31 for member in members]
    assert false_positive_rates(members, others).tolist() == pytest.approx(expected)
    rates = np.concatenate([false_positive_rates(rng.normal(size=1), rng.normal(size=39)) for _ in range(4000)])
    for level in (0.05, 0.1, 0.5):
        assert np.mean(rates <= level) == pytest.approx(level, abs=3 * math.sqrt(level / 4000))


@pytest.mark.parametrize(("members", "levels", "reason"), [(15, 11, "at least 16 images"), (50, 0, "no noise level")])
def test_too_little_to_judge(members, levels, reason):
    found = attack(SIGMAS[:levels], np.zeros((levels, members)), np.ones((levels, 50)), 0)
    for estimate in found.scalars.values():
        assert math.isnan(estimate.value)
        assert reason in estimate.reason
    assert math.isnan(found.strength)


def test_scores_of_a_diverged_model_are_refused():
    with pytest.raises(DiffbenchError, match="NaN or infinity"):
        attack(SIGMAS[:2], np.full((2, 10), np.nan), np.ones((2, 10)), 0)


def of_all(shifts: dict[str, float], members: int = 80, others: int = 120) -> dict[str, AttackScores]:
    """Positive scores of every attack at three levels, the members' lower by so much."""
    rng = np.random.default_rng(3)
    return {
        name: AttackScores(
            SIGMAS[:3], np.exp(rng.normal(size=(3, members)) - shift), np.exp(rng.normal(size=(3, others)))
        )
        for name, shift in shifts.items()
    }


CLASSES = {"train": np.arange(500) % 10, "validation": np.arange(500) % 10}


def test_the_best_attack_says_how_rarely_others_look_like_each_training_image():
    scores = of_all({"loss": 0.5, "sima": 3.0, "pia": 0.0, "secmi": 1.0})
    found = membership_battery(scores, CLASSES, 0)
    assert found.best == "sima"
    level = SIGMAS[:3].tolist().index(found.scalars["attack_sima_sigma"].value)
    rates = found.variables["attack_fpr"]
    assert rates.dims == ("image",)
    expected = false_positive_rates(scores["sima"].train[level], scores["sima"].validation[level])
    assert np.asarray(rates.values).tolist() == expected.tolist()
    assert found.variables["score_sima_train"].values.tolist() == scores["sima"].train[level].tolist()
    assert found.variables["score_sima_validation"].dims == ("held_out",)
    assert found.scalars["dataset_inference_p"].value < 1e-6
    assert found.scalars["privacy_epsilon"].value > 1


def test_where_no_attack_is_defined_no_image_has_a_rate():
    found = membership_battery(of_all(dict.fromkeys(ATTACKS, 3.0), members=3), CLASSES, 0)
    assert math.isnan(found.scalars["attack_loss_auc"].value)
    assert np.isnan(found.variables["attack_fpr"].values).all()
    assert "at least 16 images" in found.scalars["privacy_epsilon"].reason


def test_every_attack_is_told_by_name():
    found = membership_battery(of_all(dict.fromkeys(ATTACKS, 0.0)), CLASSES, 0)
    ends = ("auc", "tpr_at_1_percent", "tpr_at_01_percent", "sigma")
    assert {f"attack_{name}_{end}" for name in ATTACKS for end in ends} < set(found.scalars)
    assert {f"score_{name}_{split}" for name in ATTACKS for split in CLASSES} < set(found.variables)


def test_scores_of_zero_have_logarithms():
    scores = of_all(dict.fromkeys(ATTACKS, 0.0))
    for of in scores.values():
        of.train[:] = 0
    found = membership_battery(scores, CLASSES, 0)
    assert found.scalars["attack_pia_auc"].value == 1
    assert found.scalars["dataset_inference_p"].value < 1e-20
    assert np.asarray(found.variables["attack_fpr"].values) == pytest.approx(np.full(80, 1 / 121))


def test_without_levels_nothing_is_said_and_all_names_are_there():
    empty = {name: AttackScores(SIGMAS[:0], np.empty((0, 20)), np.empty((0, 30))) for name in ATTACKS}
    found = membership_battery(empty, CLASSES, 0)
    assert all(math.isnan(estimate.value) and estimate.reason for estimate in found.scalars.values())
    assert np.isnan(found.variables["attack_fpr"].values).all()
    assert len(found.variables["attack_fpr"].values) == 20
