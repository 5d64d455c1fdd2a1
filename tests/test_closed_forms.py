"""Which closed form explains a denoiser: known shares, known crossings, intervals that cover, and the stages."""

from pathlib import Path

import numpy as np
import pytest
import torch

from diffbench.conventions import DiffbenchError, log_sigmas
from diffbench.data.scaling import Scaling
from diffbench.data.training_set import TrainingSet
from diffbench.denoisers.base import Denoiser
from diffbench.denoisers.build import ConstantDenoiser
from diffbench.denoisers.optimal import OptimalDenoiser
from diffbench.denoisers.references import (
    IMAGES,
    PIXELS,
    at_pixels,
    compared_pixels,
    filter_references,
    optimum_references,
)
from diffbench.denoisers.wiener import WienerDenoiser
from diffbench.files.estimates import Estimate, rows
from diffbench.measures.closed_forms import closed_form_estimates, crossing, explained
from diffbench.noise import gap_noise
from diffbench.settings.measures import GapSettings
from tests.denoised import denoised

GAP = GapSettings(levels=10, images=200, noises=1)
SIGMAS = log_sigmas(10)
CPU = torch.device("cpu")
Curves = dict[str, list[Estimate]]


def correlated(count: int, d: int, seed: int) -> np.ndarray:
    """Images (count, 1, 1, d) around a mean image that is far from flat, half of its values for either class."""
    rng = np.random.default_rng(seed)
    mixing = np.linalg.cholesky(0.7 ** np.abs(np.subtract.outer(np.arange(d), np.arange(d))))
    means = 0.5 * np.sin(np.arange(d) * np.array([[0.4], [0.9]]))
    images = means[np.arange(count) % 2] + 0.3 * rng.normal(size=(count, d)) @ mixing.T
    return images.reshape(count, 1, 1, d).astype(np.float32)


def training_set(count: int = 60, d: int = 16, labels: int = 2) -> TrainingSet:
    train, validation = correlated(count, d, 1), correlated(100, d, 2)
    label, held_out = np.arange(count) % labels, np.arange(100) % labels
    return TrainingSet(
        train, label, validation, held_out, labels, validation, Scaling(0.0, 1.0), "float32", label, held_out
    )


def optimum(data: TrainingSet) -> OptimalDenoiser:
    return OptimalDenoiser(torch.from_numpy(data.train), torch.from_numpy(data.train_labels))


def wiener(data: TrainingSet) -> WienerDenoiser:
    return WienerDenoiser(torch.from_numpy(data.train))


def references(data: TrainingSet) -> dict[str, np.ndarray]:
    variables = optimum_references(optimum(data), data, GAP, CPU) | filter_references(wiener(data), data, GAP, CPU)
    return {name.removeprefix("reference_"): each.values for name, each in variables.items() if name != "pixel"}


def measured(denoiser: Denoiser, data: TrainingSet) -> tuple[dict[str, Estimate], Curves]:
    return closed_form_estimates(at_pixels(denoiser, data, GAP, CPU), references(data), SIGMAS, 0)


def values(curve: list[Estimate]) -> np.ndarray:
    return np.array([each.value for each in curve])


def test_shares_are_one_for_the_same_and_known_for_what_is_planted() -> None:
    rng = np.random.default_rng(0)
    estimate = rng.normal(size=(3, 5, 40))
    np.testing.assert_array_equal(explained(estimate, estimate), 1)
    grey = np.broadcast_to(estimate.mean(axis=2, keepdims=True), estimate.shape)
    np.testing.assert_allclose(explained(estimate, grey), 0, atol=1e-12)
    half = (estimate + grey) / 2
    np.testing.assert_allclose(explained(estimate, half), 0.75)
    noise = rng.normal(size=(1, 5, 40_000))
    np.testing.assert_allclose(explained(10 + noise, 10 + noise + rng.normal(size=noise.shape)), 0, atol=0.1)


def test_an_estimate_without_variation_is_explained_by_nothing() -> None:
    flat = np.full((2, 8, 30), 0.1, np.float32)
    references: dict[str, np.ndarray] = {name: np.zeros_like(flat) for name in ("optimum", "wiener", "locality")}
    scalars, curves = closed_form_estimates(flat, references, np.array([0.1, 1.0]), 0)
    assert all("the same at all pixels" in each.reason for each in curves["r2_wiener"])
    assert "the same at all pixels" in scalars["r2_crossing"].reason
    mixed = flat.copy()
    mixed[:, 2:] += np.random.default_rng(0).normal(size=(2, 6, 30)).astype(np.float32)
    assert [each.n for each in closed_form_estimates(mixed, references, np.array([0.1, 1.0]), 0)[1]["r2_wiener"]] == [
        6,
        6,
    ]


@pytest.mark.usefixtures("shapes_unchecked")
def test_images_must_be_the_same() -> None:
    with pytest.raises(DiffbenchError, match="other images or pixels"):
        explained(np.ones((2, 3, 4)), np.ones((2, 3, 5)))


def test_each_closed_form_explains_itself() -> None:
    """As models; and none explains the others where they differ."""
    data = training_set()
    scalars, curves = measured(optimum(data), data)
    np.testing.assert_array_equal(values(curves["r2_labelled_optimum"]), 1)
    assert (values(curves["r2_wiener"])[:3] < 0.9).all()
    assert "from the lowest level on" in scalars["r2_crossing"].reason
    scalars, curves = measured(wiener(data), data)
    np.testing.assert_array_equal(values(curves["r2_wiener"]), 1)
    assert (values(curves["r2_labelled_optimum"])[:3] < 0.9).all()
    assert "up to the highest level" in scalars["r2_crossing"].reason


def test_what_ignores_its_input_is_explained_by_nothing_that_sees_it() -> None:
    """At the highest level all closed forms without labels are the mean image, as the constant is."""
    data = training_set()
    curves = measured(ConstantDenoiser(torch.from_numpy(data.train)), data)[1]
    for name in ("r2_optimum", "r2_wiener", "r2_locality"):
        assert (values(curves[name])[:4] < 0).all()
        assert values(curves[name])[-1] > 0.99


def unchanged(x: torch.Tensor, sigma: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
    return x


class Switched:
    """The Wiener filter below a noise level, the optimum from there on."""

    def __init__(self, data: TrainingSet, at: float) -> None:
        self.below, self.above, self.at = wiener(data), optimum(data), at

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
        return (self.below if float(sigma[0]) < self.at else self.above)(x, sigma, label)


def test_a_planted_crossing_is_found() -> None:
    data = training_set()
    for level in (3, 5):
        found = measured(Switched(data, SIGMAS[level] * 0.99), data)[0]["r2_crossing"]
        assert SIGMAS[level - 1] < found.low <= found.value <= found.high < SIGMAS[level]


def test_one_label_leaves_one_optimum() -> None:
    data = training_set(labels=1)
    assert "labelled_optimum" not in references(data)
    scalars, curves = measured(Switched(data, SIGMAS[4] * 0.99), data)
    assert curves["r2_labelled_optimum"] == curves["r2_optimum"]
    assert SIGMAS[3] < scalars["r2_crossing"].value < SIGMAS[4]


def test_images_labels_and_noise_are_those_of_the_losses() -> None:
    data, asked = training_set(), []

    def spy(x: torch.Tensor, sigma: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
        asked.append((x, sigma, label))
        return x

    seen = at_pixels(spy, data, GAP, CPU)
    assert seen.shape == (10, IMAGES, 16)
    for level, (x, sigma, label) in enumerate(asked):
        noise = gap_noise("validation", level, 0, 100, 16)[:IMAGES].reshape(x.shape)
        torch.testing.assert_close(x, torch.from_numpy(data.validation[:IMAGES] + np.float32(SIGMAS[level]) * noise))
        assert sigma.tolist() == pytest.approx([SIGMAS[level]] * IMAGES)
        assert label is not None
        assert label.tolist() == data.validation_labels[:IMAGES].tolist()


def test_of_many_pixels_a_fixed_sample_is_compared() -> None:
    assert compared_pixels(64).tolist() == list(range(64))
    many = compared_pixels(3072)
    assert (len(many), len(set(many)), many.tolist()) == (PIXELS, PIXELS, sorted(many))
    assert (compared_pixels(3072) == many).all()
    data = training_set(20, 300)
    whole = at_pixels(unchanged, data, GAP, CPU)
    assert whole.shape == (10, IMAGES, PIXELS)
    np.testing.assert_allclose(whole[0], data.flat_validation[:IMAGES, compared_pixels(300)], atol=0.01)


def test_crossings_are_linear_in_the_logarithm() -> None:
    """By hand: leads of -0.3 and 0.1 at levels 1 and 10 cross three quarters of the way up."""
    sigmas, images = np.array([0.1, 1.0, 10.0]), np.zeros((3, 20))
    late = images + np.array([[-0.5], [-0.3], [0.1]])
    assert crossing(sigmas, images, late, 0).value == pytest.approx(10**0.75)


def test_of_a_handful_of_images_nothing_is_said() -> None:
    few = np.zeros((3, 5))
    found = crossing(np.array([0.1, 1.0, 10.0]), few, few + np.array([[-0.5], [-0.3], [0.1]]), 0)
    assert "at least 6 images" in found.reason


def test_of_several_crossings_the_one_that_parts_best_counts() -> None:
    lead = np.array([-0.9, -0.5, 0.002, -0.4, 0.3, 0.5, -0.001, 0.001])
    early = np.zeros((8, 20))
    found = crossing(log_sigmas(8, 0.01, 10), early, early + lead[:, None], 0)
    sigmas = log_sigmas(8, 0.01, 10)
    assert sigmas[3] < found.value < sigmas[4]


@pytest.mark.parametrize("images", [20, 64])
def test_intervals_of_crossings_cover(images: int) -> None:
    """Images differ in how well the late form explains them, alike at all levels, with a skew; the rest is noise."""
    rng, simulations, sigmas = np.random.default_rng(0), 300, log_sigmas(12, 0.01, 20)

    def shares(levels: int, count: int) -> np.ndarray:
        return 0.1 * rng.exponential(size=(1, count)) + 0.05 * rng.normal(size=(levels, count))

    lead = 0.15 * np.log(sigmas / 0.5)[:, None] - np.median(shares(1, 400_000))
    covered = 0
    for seed in range(simulations):
        late = 0.8 + lead + shares(12, images)
        found = crossing(sigmas, 0.8 + 0.05 * rng.normal(size=(12, images)), late, seed)
        covered += found.low <= 0.5 <= found.high
    assert 0.92 <= covered / simulations <= 0.99, covered / simulations


@pytest.mark.parametrize(("early_leads", "lacking"), [(True, "does the optimum"), (False, "does the Wiener filter")])
def test_chance_is_no_crossing(early_leads: bool, lacking: str) -> None:
    """One form leads up to, or from, the middle; elsewhere both explain alike but for noise, whose medians do cross."""
    rng, simulations, sigmas = np.random.default_rng(0), 100, log_sigmas(16, 0.01, 20)
    lead = np.where((np.arange(16) < 8) == early_leads, -0.1 if early_leads else 0.1, 0.0)[:, None]
    by_chance, found = 0, []
    for seed in range(simulations):
        early, late = (0.8 + 0.02 * rng.normal(size=(16, 30)) for _ in range(2))
        medians = np.median(late + lead, axis=1) - np.median(early, axis=1)
        by_chance += 0 < np.cumsum([0.0, *medians]).argmin() < 16
        found.append(crossing(sigmas, early, late + lead, seed))
    assert by_chance > 60
    assert sum(not each.reason for each in found) <= 5
    assert sum(lacking in each.reason for each in found) > 55


def test_stages_write_what_closed_forms_explain_of_points_of_the_plane(tmp_path: Path) -> None:
    """Through the command line; the optimum as model is explained by the optimum of the other file."""
    gap = {"levels": 4, "sigma_min": 0.02, "sigma_max": 2.0, "images": 20, "noises": 2}
    file, denoise = denoised(tmp_path, {"name": "circle-symmetric", "points": 20}, 10, gap)
    assert file["reference_locality"].shape == (4, 10, 2)
    assert file["reference_locality"].dtype == np.float32
    found = [row for row in rows(denoise) if row["measure"].startswith("r2_")]
    assert {row["measure"] for row in found} == {
        "r2_crossing",
        *(f"r2_{name}" for name in ("optimum", "labelled_optimum", "wiener", "locality")),
    }
    assert [row["value"] for row in found if row["measure"] == "r2_optimum"] == [1.0] * 4
