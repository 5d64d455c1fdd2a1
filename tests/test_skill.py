"""Skill over the linear filter: its null, cases whose skill is known, its interval, and the stages that write it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from diffbench.conventions import DiffbenchError, log_sigmas
from diffbench.data.scaling import Scaling
from diffbench.data.training_set import TrainingSet
from diffbench.denoisers.base import Denoiser
from diffbench.denoisers.build import ConstantDenoiser
from diffbench.denoisers.losses import Losses, gap_sigmas, losses_of_splits
from diffbench.denoisers.optimal import OptimalDenoiser
from diffbench.denoisers.wiener import WienerDenoiser
from diffbench.files.estimates import Estimate, rows
from diffbench.measures.gap import gap_curve
from diffbench.measures.skill import skill
from diffbench.settings.measures import GapSettings
from diffbench.stages.denoise import estimates
from tests.denoised import denoised

GAP = GapSettings(levels=10, images=200, noises=4)
SIGMAS = gap_sigmas(GAP)


def correlated(count: int, seed: int) -> np.ndarray:
    """Gaussian images (count, 1, 4, 4) whose 16 variances go from 1 down to 0.001."""
    values = np.random.default_rng(seed).normal(size=(count, 16)) * np.geomspace(1, 0.001, 16) ** 0.5
    return values.reshape(count, 1, 4, 4).astype(np.float32)


def training_set(count: int) -> TrainingSet:
    train, validation = correlated(count, 1), correlated(200, 2)
    labels, held_out = np.zeros(count, np.int64), np.zeros(200, np.int64)
    return TrainingSet(
        train, labels, validation, held_out, 1, validation, Scaling(0.0, 1.0), "float32", labels, held_out
    )


def measured(denoiser: Denoiser, data: TrainingSet) -> Losses:
    return losses_of_splits(denoiser, data, GAP, torch.device("cpu"))


def linear(data: TrainingSet) -> Losses:
    return measured(WienerDenoiser(torch.from_numpy(data.train)), data)


def skills(denoiser: Denoiser, data: TrainingSet) -> dict[str, tuple[Estimate, ...]]:
    model, filtered = measured(denoiser, data), linear(data)
    return {split: skill(model.square[split], filtered.square[split], split, 0) for split in filtered.square}


def test_the_filter_itself_has_no_skill():
    data = training_set(50)
    for curve in skills(WienerDenoiser(torch.from_numpy(data.train)), data).values():
        assert all((each.value, each.low, each.high) == (0, 0, 0) for each in curve)


def test_nothing_beats_the_filter_on_gaussian_data_of_which_there_are_many():
    """Its loss is the mean of l s^2 / (l + s^2), the least there is; the constant's is the mean of l."""
    data, variances = training_set(20_000), np.geomspace(1, 0.001, 16)
    losses = linear(data).square["validation"].mean(axis=1)
    least = (variances * SIGMAS[:, None] ** 2 / (variances + SIGMAS[:, None] ** 2)).mean(axis=1)
    np.testing.assert_allclose(losses, least, rtol=0.1)
    curve = skills(ConstantDenoiser(torch.from_numpy(data.train)), data)["validation"]
    for at, sigma in enumerate(SIGMAS):
        if sigma < 1:
            assert curve[at].low <= 1 - variances.mean() / least[at] <= curve[at].high


def test_the_optimum_of_few_images_knows_them_and_no_others():
    data = training_set(30)
    curves = skills(OptimalDenoiser(torch.from_numpy(data.train)), data)
    assert all(each.low > 0.999 for each in curves["train"][:3])
    assert all(each.high < -1 for each in curves["validation"][:3])
    assert abs(curves["validation"][-1].value) < 0.01  # at large noise both are the mean


def test_a_known_skill():
    rng = np.random.default_rng(0)
    base = rng.gamma(20, 0.05, (10, 300))
    planted = np.linspace(-0.4, 0.5, 10)
    curve = skill((1 - planted)[:, None] * base, base, "validation", 0)
    assert [each.value for each in curve] == pytest.approx(planted)
    assert [each.low for each in curve] == pytest.approx(planted)  # the same images: nothing is left to chance
    assert curve[0].n == 300


def test_a_filter_without_error_leaves_the_skill_undefined():
    """Training images that are all alike."""
    base = np.ones((2, 20))
    base[0] = 0
    first, second = skill(np.ones((2, 20)), base, "train", 0)
    assert (math.isnan(first.value), first.n) == (True, 20)
    assert "no error" in first.reason
    assert second.value == 0


@pytest.mark.usefixtures("shapes_unchecked")
def test_skill_needs_the_same_images():
    with pytest.raises(DiffbenchError, match="different images"):
        skill(np.ones((2, 20)), np.ones((2, 10)), "train", 0)


@pytest.mark.parametrize(("images", "shared"), [(60, True), (200, True), (200, False)])
def test_intervals_cover(images, shared):
    """Images that are hard or easy, for both alike or not; at a fixed level, and where the noisy gap peaks."""
    rng, sigmas, simulations = np.random.default_rng(0), log_sigmas(8), 250
    gap = 0.3 * np.exp(-(np.log(sigmas / sigmas[4]) ** 2) / 4)
    truth, covered = 1 - 1.1 * (1 + gap), {"level": 0, "peak": 0}

    def hard(levels: int) -> np.ndarray:
        return rng.gamma(5, 1 / 5, (levels, images))

    for seed in range(simulations):
        hardness = hard(1) if shared else hard(8)
        validation = 1.1 * (1 + gap)[:, None] * hardness * rng.gamma(20, 0.05, (8, images))
        curve = skill(validation, hardness * rng.gamma(20, 0.05, (8, images)), "validation", seed)
        train = 1.1 * hard(1 if shared else 8) * rng.gamma(20, 0.05, (8, images))
        peak = gap_curve(sigmas, train, validation, seed).sigma_at_peak
        there = int(np.flatnonzero(sigmas == peak.value)[0])
        covered["level"] += curve[2].low <= truth[2] <= curve[2].high
        covered["peak"] += curve[there].low <= truth[there] <= curve[there].high
    rate = {name: count / simulations for name, count in covered.items()}
    assert 0.90 <= rate["level"] <= 0.99, rate
    assert 0.90 <= rate["peak"] <= 0.99, rate


def test_a_checkpoint_says_how_it_stands_beside_the_closed_forms():
    data = training_set(60)
    optimum, filtered = measured(OptimalDenoiser(torch.from_numpy(data.train)), data), linear(data)
    scalars, curves = estimates(filtered, optimum.square, filtered.square, SIGMAS)
    assert scalars["skill_at_peak"].value == 0
    assert curves["mse_wiener_validation"] == curves["mse_validation"]
    constant = measured(ConstantDenoiser(torch.from_numpy(data.train)), data)
    of_constant, curves_of_constant = estimates(constant, optimum.square, filtered.square, SIGMAS)
    level = int(np.flatnonzero(of_constant["sigma_at_peak"].value == SIGMAS)[0])
    assert of_constant["skill_at_peak"] == curves_of_constant["skill_validation"][level]
    means = [each.value for each in curves["mse_optimum_validation"]]
    assert means == pytest.approx(optimum.square["validation"].mean(axis=1))
    unbounded, _ = estimates(optimum, optimum.square, filtered.square, SIGMAS)
    assert unbounded["skill_at_peak"].reason.startswith("the gap has no peak: unbounded")


def test_stages_write_losses_of_the_filter_and_skill_of_points_of_the_plane(tmp_path: Path):
    """Through the command line; the same noise, so the skill of each image's mean is that of the files' losses."""
    gap = {"levels": 4, "sigma_min": 0.02, "sigma_max": 2.0, "images": 20, "noises": 8}
    optimum, denoise = denoised(tmp_path, {"name": "circle-symmetric", "points": 20}, 10, gap, "constant")
    for split in ("train", "validation"):
        expected = 1 - denoise[f"loss_{split}"].mean(axis=1) / optimum[f"wiener_{split}"].mean(axis=1)
        found = [row["value"] for row in rows(denoise) if row["measure"] == f"skill_{split}"]
        assert found == pytest.approx(expected)
        assert all(value < 0 for value in found)
