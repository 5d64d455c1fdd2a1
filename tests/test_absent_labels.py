"""Labels that no training image carries: at small n, by random draws, and where there are more classes than images."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffbench.data.conditions import Conditions, conditions
from diffbench.denoisers.optimal import OptimalDenoiser
from diffbench.denoisers.posterior import carriers
from diffbench.files import store
from diffbench.measures.trajectories import Population, References, measured_level
from diffbench.settings.granularity import Granularity
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.lineage import Lineage
from tests.jobs import make_all

STUDY: dict[str, Any] = {
    "name": "absent-labels",
    "data": {"name": "digits", "validation": 40},
    "seeds": [0],
    "steps": [4],
    "models": {"best": {"kind": "optimal"}, "own": {"kind": "mlp", "width": 8, "blocks": 1}},
    "center": {"model": "best", "train_size": 8, "granularity": "classes", "guidance": 0},
    "sweeps": [
        {"model": ["best", "own"]},
        {"model": ["best", "own"], "train_size": [64], "granularity": ["random-50"]},
    ],
    "training": {"batch": 8},
    "sampling": {"samples": 24, "trajectories": 12, "steps": 4},
    "measures": {"gap": {"levels": 4, "images": 40, "noises": 1}},
}


def _labels(name: str, n: int, classes: int, seed: int, v: int = 30) -> Conditions:
    rng = np.random.default_rng(seed)
    train, validation = rng.normal(size=(n, 3)), rng.normal(size=(v, 3))
    return conditions(
        Granularity.parse(name), train, rng.integers(0, classes, n), validation, np.arange(v) % classes, classes, seed
    )


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["classes", "groups-3", "kmeans-4", "random-2", "random-9", "unique"]),
    n=st.integers(9, 24),
    classes=st.integers(3, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_validation_label_is_carried_by_a_training_image(name: str, n: int, classes: int, seed: int) -> None:
    labels = _labels(name, n, classes, seed)
    assert set(labels.validation) <= set(labels.train)
    if name == "classes":
        true = np.arange(30) % classes
        kept = np.isin(true, labels.train)
        assert labels.validation[kept].tolist() == true[kept].tolist()


def test_random_labels_of_validation_images_are_uniform_over_those_carried() -> None:
    labels = _labels("random-30", 30, 1, seed=3, v=30_000)
    carried = np.unique(labels.train)
    assert 10 < len(carried) < 25
    counts = np.bincount(labels.validation, minlength=30)[carried]
    expected = 30_000 / len(carried)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_the_optimum_of_a_label_without_images_is_that_of_all_images() -> None:
    generator = torch.Generator().manual_seed(0)
    points, x = torch.randn(9, 2, 2, generator=generator), torch.randn(6, 2, 2, generator=generator)
    sigma, label = torch.logspace(-1, 1, 6), torch.tensor([0, 5, 2, 5, 0, 7])
    labels = torch.arange(9) % 4
    result = OptimalDenoiser(points, labels)(x, sigma, label)
    for row in range(6):
        few = points[labels == label[row]] if label[row] < 4 else points
        torch.testing.assert_close(result[row : row + 1], OptimalDenoiser(few)(x[row : row + 1], sigma[row : row + 1]))


def test_carriers_by_brute_force_of_arrays_and_tensors() -> None:
    rng = np.random.default_rng(0)
    label, labels = rng.integers(0, 12, 40), rng.integers(0, 8, 10)
    expected = np.array([[b == a or a not in labels for b in labels] for a in label])
    assert (~np.isin(label, labels)).any()
    assert np.array_equal(carriers(label, labels), expected)
    assert np.array_equal(carriers(torch.from_numpy(label), torch.from_numpy(labels)).numpy(), expected)


def test_the_error_of_a_model_that_is_the_optimum_is_0_with_absent_labels() -> None:
    rng = np.random.default_rng(1)
    train, train_labels = rng.normal(size=(20, 5)), np.arange(20) % 3
    points, labels = rng.normal(size=(30, 5)), np.arange(30) % 6
    optimum = OptimalDenoiser(torch.from_numpy(train), torch.from_numpy(train_labels))
    denoised = optimum(torch.from_numpy(points), torch.full((30,), 0.7), torch.from_numpy(labels)).numpy()
    population = Population(points, denoised, labels)
    level = measured_level(
        dict.fromkeys(("states", "train", "validation"), population), References(train, train_labels, points), 0.7, 0
    )
    assert level.estimates["model_error_states"].value < 1e-12


def test_a_study_with_absent_labels_ends_well(tmp_path: Path) -> None:
    lineage = Lineage(parse_study(STUDY, "test"))
    make_all(lineage, tmp_path)
    absent = {}
    for cell in lineage.study.cells:
        labels = store.read(tmp_path / layout.CONDITIONS.of(cell.factors), "conditions")
        absent[cell.factors["granularity"]] = labels.attributes["label_count"] - len(
            set(labels["train_label"].tolist())
        )
        assert set(labels["validation_label"].tolist()) <= set(labels["train_label"].tolist())
        losses = store.read(tmp_path / layout.DENOISE.of(cell.factors), "denoise")
        for split in ("train", "validation"):
            assert np.isfinite(losses[f"loss_{split}"]).all()
    assert absent["classes"] == 2
    assert absent["random-50"] > 5
