"""The inference-side gap on mixtures of Gaussians: no gap where there is none, and a clear one for copies."""

import numpy as np
import pytest
from scipy import stats

from diffbench.conventions import DiffbenchError
from diffbench.measures.frechet import frechet_distance, gaussian
from diffbench.measures.inference_gap import Classes, inference_gap, reference_size
from diffbench.summary.verdicts import t_interval

KINDS, DIMENSIONS = 10, 16
SIMULATIONS = 200


class Mixture:
    """Images of ten classes, each a Gaussian of its own mean."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.means = 1.5 * self.rng.normal(size=(KINDS, DIMENSIONS))
        self.shape = self.rng.normal(size=(DIMENSIONS, DIMENSIONS)) / np.sqrt(DIMENSIONS)

    def draw(self, count):
        classes = np.arange(count) % KINDS
        return self.means[classes] + self.rng.normal(size=(count, DIMENSIONS)) @ self.shape, classes


def study(seed, train_size, held_out, copies=0.0, seeds=3):
    """Gaps of the cells of a study: training and validation images shared, samples of their own for each seed."""
    mixture = Mixture(seed)
    (train, train_classes), (validation, validation_classes) = mixture.draw(train_size), mixture.draw(held_out)
    gaps = []
    for run in range(seeds):
        samples, _ = mixture.draw(300)
        copied = mixture.rng.permutation(300)[: round(copies * 300)]
        samples[copied] = train[mixture.rng.integers(train_size, size=len(copied))]
        gaps.append(inference_gap(samples, train, validation, Classes(train_classes, validation_classes), run))
    return gaps


def over(gaps):
    return t_interval([gap.relative.value for gap in gaps], [gap.shared_error.value for gap in gaps])


@pytest.mark.parametrize(("train_size", "held_out"), [(60, 400), (300, 300)])
def test_intervals_cover_no_gap(train_size, held_out):
    """Those of three seeds in 92 to 98 % of studies, within what 200 studies can tell; those of cells, and floors."""
    studies = [study(seed, train_size, held_out) for seed in range(SIMULATIONS)]
    over_seeds = [over(gaps) for gaps in studies]
    covered = sum(e.low <= 0 <= e.high for e in over_seeds)
    assert stats.binomtest(covered, SIMULATIONS, 0.92, alternative="less").pvalue > 0.05, covered
    assert stats.binomtest(covered, SIMULATIONS, 0.98, alternative="greater").pvalue > 0.05, covered
    cells = [gap for gaps in studies for gap in gaps]
    for name in ("relative", "floor"):
        estimates = [getattr(gap, name) for gap in cells]
        assert np.mean([e.low <= 0 <= e.high for e in estimates]) >= 0.93, name
        values = np.array([np.mean([getattr(gap, name).value for gap in gaps]) for gaps in studies])
        assert abs(values.mean()) < 3.5 * values.std() / np.sqrt(SIMULATIONS), name  # no bias


@pytest.mark.parametrize("train_size", [60, 240])
def test_copies_have_a_gap_and_more_copies_a_larger_one(train_size):
    by_share = {share: [study(seed, train_size, 400, share) for seed in range(8)] for share in (0, 0.3, 1)}
    values = {share: np.mean([gap.relative.value for gaps in s for gap in gaps]) for share, s in by_share.items()}
    assert values[0] < values[0.3] < values[1]
    assert values[1] > 0.4
    assert sum(over(gaps).low > 0 for gaps in by_share[1]) >= 6
    assert np.mean([gap.relative.low > 0 for gaps in by_share[1] for gap in gaps]) > 0.8


def test_baselines_are_distances_of_real_images():
    """Training images are as far from others of theirs as from validation images, and of the size of a reference."""
    gaps = [gap for seed in range(30) for gap in study(seed, 240, 240, seeds=1)]
    train, validation = (
        np.array([getattr(g, name).value for g in gaps]) for name in ("baseline_train", "baseline_validation")
    )
    assert abs((train - validation).mean()) < 3 * (train - validation).std() / np.sqrt(30)
    size = gaps[0].baseline_train.n
    mixture = Mixture(0)
    fresh = [frechet_distance(*(gaussian(mixture.draw(size)[0]) for _ in range(2))) for _ in range(100)]
    assert gaps[0].baseline_train.value == pytest.approx(np.mean(fresh), rel=0.3)


def test_references_have_the_same_mix_of_classes():
    """A class that one set has more of does not enter more often, and one that it lacks not at all."""
    train, validation = np.repeat([0, 1, 2], [30, 9, 30]), np.repeat([0, 1], [12, 50])
    size = reference_size(Classes(train, validation))
    assert size == reference_size(Classes(validation, train))
    assert size == 6 + 4  # half of 12 and of 9
    assert reference_size(Classes(np.arange(50), np.arange(50))) == 0  # no class has two images
    assert reference_size(Classes(np.arange(50) // 2, np.arange(50) // 2)) == 25


def test_a_mix_of_classes_makes_no_gap():
    """Training images of two classes at 9 : 1, validation images at 1 : 1: unmatched, samples are nearer to those."""
    gaps = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        mixes = np.repeat([0, 1], [90, 10]), np.repeat([0, 1], [100, 100]), np.repeat([0, 1], [180, 20])
        train, validation, samples = (rng.normal(size=(len(kinds), 6)) + 4 * kinds[:, None] for kinds in mixes)
        gaps.append(inference_gap(samples, train, validation, Classes(mixes[0], mixes[1]), seed).relative.value)
    assert abs(np.mean(gaps)) < 3.5 * np.std(gaps) / np.sqrt(20)


@pytest.mark.usefixtures("shapes_unchecked")
def test_bad_sets_are_named():
    x, kinds = Mixture(0).draw(100)
    with pytest.raises(DiffbenchError, match=r"generated: .* at least 40"):
        inference_gap(x[:30], x, x, Classes(kinds, kinds), 0)
    with pytest.raises(DiffbenchError, match="references of 0 class-matched images"):
        inference_gap(x, x, x, Classes(np.arange(100), np.arange(100)), 0)
    with pytest.raises(DiffbenchError, match="train: NaN"):
        inference_gap(x, x * np.nan, x, Classes(kinds, kinds), 0)
