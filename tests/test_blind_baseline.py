"""The classifier that tells training from held-out images without a model: its null, planted differences, its note."""

import math
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from sklearn.datasets import load_digits

from diffbench.data.subsets import balanced_order
from diffbench.files.estimates import Estimate, scalar
from diffbench.measures.blind_baseline import blind_auc, note
from tests.denoised import denoised

DIGITS = cast("tuple[np.ndarray, np.ndarray]", load_digits(return_X_y=True))
PIXELS = (DIGITS[0].astype(np.float32) / 16 - 0.3).reshape(-1, 1, 8, 8)
CLASSES = DIGITS[1].astype(np.int64)


def split(seed: int, train: int = 256, held_out: int = 400) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Class-balanced sets, as the suite splits them: pixels and classes."""
    order = balanced_order(CLASSES, seed)
    rows = {"train": order[held_out : held_out + train], "validation": order[:held_out]}
    return {name: PIXELS[each] for name, each in rows.items()}, {name: CLASSES[each] for name, each in rows.items()}


@pytest.mark.parametrize("train", [40, 256])
def test_sets_of_one_distribution_are_not_told_apart(train):
    found = [blind_auc(*split(seed, train), seed) for seed in range(64)]
    values = np.array([each.value for each in found])
    assert abs(values.mean() - 0.5) < 3 * values.std() / 8
    assert np.mean([each.low <= 0.5 <= each.high for each in found]) >= 0.9
    assert np.mean([bool(note(each)) for each in found]) <= 0.08


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("brightness", lambda x, rng: x + 0.05),
        ("contrast", lambda x, rng: 1.1 * x),
        ("noise", lambda x, rng: x + rng.normal(0, 0.05, x.shape)),
        ("a stuck pixel", lambda x, rng: np.where(np.arange(64).reshape(8, 8) == 27, 0.2, x)),
    ],
)
def test_planted_differences_are_found(name, planted):
    images, classes = split(0)
    images["train"] = planted(images["train"], np.random.default_rng(0)).astype(np.float32)
    found = blind_auc(images, classes, 0)
    assert found.low > 0.5, name
    assert "differ in distribution" in note(found)
    assert f"{found.value:.2f}" in note(found)


def test_the_same_is_said_of_many_pixels_as_of_few():
    """More pixels than images: the smaller Gram matrix has the same components."""
    rng = np.random.default_rng(0)
    few = {name: rng.normal(size=(60, 40)) for name in ("train", "validation")}
    classes = {name: np.zeros(60, np.int64) for name in few}
    few["train"][:, 0] += 3
    rotated = np.linalg.qr(rng.normal(size=(200, 200)))[0][:40]
    many = {name: each @ rotated for name, each in few.items()}
    assert blind_auc(many, classes, 0).value == pytest.approx(blind_auc(few, classes, 0).value, abs=0.02)


def test_without_a_difference_there_is_no_note_and_few_images_say_nothing():
    assert note(Estimate(0.55, 0.5, 0.6, 100)) == ""
    images, classes = split(0, train=9)
    found = blind_auc(images, classes, 0)
    assert math.isnan(found.value)
    assert "at least 10 images" in found.reason
    assert note(found) == ""


def test_a_checkpoint_passes_on_what_was_measured_of_its_training_subset(tmp_path: Path):
    gap = {"levels": 6, "sigma_min": 0.02, "sigma_max": 2.0, "images": 30, "noises": 1}
    optimum, denoise = denoised(tmp_path, {"name": "digits", "validation": 50}, 40, gap)
    found = scalar(denoise, "blind_auc")
    assert found == scalar(optimum, "blind_auc")
    assert found.n == 8 * 4 + 10 * 4
    assert scalar(denoise, "attack_sima_auc").value == 1
    assert denoise["attack_fpr"].shape == (30,)
    assert denoise.attributes["best_attack"] in ("loss", "sima", "pia", "secmi")
    assert denoise["score_pia_validation"].shape == denoise["loss_validation"].shape[1:]
