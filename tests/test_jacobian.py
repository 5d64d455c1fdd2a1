"""The Jacobian and the local dimension of denoisers: closed forms, autograd, and denoisers that defy differences."""

import numpy as np
import pytest
import torch
from torch import Tensor

from diffbench.data.planar import equidistant
from diffbench.data.scaling import Scaling
from diffbench.data.training_set import TrainingSet
from diffbench.denoisers.base import Denoiser
from diffbench.denoisers.batched import Batched
from diffbench.denoisers.build import ConstantDenoiser, fresh_network
from diffbench.denoisers.guidance import Guided
from diffbench.denoisers.jacobian import (
    IMAGES,
    PROBES,
    SIGMA,
    directions,
    evaluations,
    jacobians,
    jacobians_of_splits,
    of_directions,
)
from diffbench.denoisers.optimal import OptimalDenoiser
from diffbench.denoisers.posterior import posterior
from diffbench.denoisers.wiener import WienerDenoiser
from diffbench.settings.models import Mlp, Unet
from diffbench.settings.training import TrainingSettings
from diffbench.training.trainer import Trainer

CPU = torch.device("cpu")


def axes(count: int, dimension: int) -> list[np.ndarray]:
    """All axes as directions: nothing is estimated."""
    return [np.tile(np.sqrt(dimension) * row, (count, 1)).astype(np.float32) for row in np.eye(dimension)]


def exact(denoiser: Denoiser, images: np.ndarray, sigma: float = SIGMA) -> dict[str, np.ndarray]:
    x, label = torch.from_numpy(images).double(), torch.zeros(len(images), dtype=torch.int64)
    return of_directions(Batched(denoiser), x, label, axes(*x.flatten(1).shape), sigma)


def estimated(denoiser: Denoiser, images: np.ndarray, purpose: str = "train") -> dict[str, np.ndarray]:
    return jacobians(Batched(denoiser), images, np.zeros(len(images), np.int64), purpose, CPU)


def gaussian(count: int, seed: int, side: int = 4) -> np.ndarray:
    """Images (count, 1, side, side) whose variances go from 1 to 0.001."""
    spread = np.geomspace(1, 0.001, side**2) ** 0.5
    values = np.random.default_rng(seed).normal(size=(count, side**2)) * spread
    return values.reshape(count, 1, side, side).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> Denoiser:
    """A network that was trained a little, so that it bends."""
    images = torch.from_numpy(gaussian(20, 0, side=6))
    trainer = Trainer(fresh_network(Mlp(width=64, blocks=2), (1, 6, 6), 3, 0), TrainingSettings(batch=20))
    steps = trainer.run(images, torch.arange(20) % 3, 0, 300)
    for _ in steps:
        pass
    return trainer.network.eval().requires_grad_(False)


def by_autograd(denoiser: Denoiser, images: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Trace and squared norm of the whole Jacobian, image by image, in float64 where the denoiser allows."""
    found = []
    for image in torch.from_numpy(images).double():

        def of_one(flat: Tensor, shape: torch.Size = image.shape) -> Tensor:
            label = torch.zeros(1, dtype=torch.int64)
            return denoiser(flat.view(1, *shape), torch.tensor([sigma]).double(), label).flatten()

        jacobian = torch.autograd.functional.jacobian(of_one, image.flatten())
        assert isinstance(jacobian, Tensor)
        found.append((float(jacobian.trace()), float(jacobian.square().sum())))
    trace, norm = zip(*found, strict=True)
    return np.array(trace), np.array(norm)


def of_optimum(train: np.ndarray, images: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """J = Cov_w / s^2 written out, and tr J + |x - D|^2 / s^2, which is the mean of |x_i - x|^2 / s^2."""
    points, x = (each.reshape(len(each), -1).astype(np.float64) for each in (train, images))
    weights = posterior(x, points, sigma).weights
    centered = points[None] - (weights @ points)[:, None]
    covariances = np.einsum("mn,mni,mnj->mij", weights, centered, centered) / sigma**2
    squares = ((x[:, None] - points[None]) ** 2).sum(axis=2)
    flipd = (weights * squares).sum(axis=1) / sigma**2
    return np.trace(covariances, axis1=1, axis2=2), (covariances**2).sum(axis=(1, 2)), flipd


@pytest.mark.parametrize("sigma", [0.02, SIGMA, 2.0])
def test_differences_are_autograd_s_at_a_network(network: Denoiser, sigma: float) -> None:
    images = gaussian(12, 1, side=6)
    found, (trace, norm) = exact(network, images, sigma), by_autograd(network, images, sigma)
    np.testing.assert_allclose(found["jacobian_trace"], trace, rtol=0.01, atol=0.01)
    np.testing.assert_allclose(found["jacobian_norm"], norm, rtol=0.01, atol=0.01)


def test_guided_networks_and_u_nets_are_measured_alike(network: Denoiser) -> None:
    images = gaussian(5, 1, side=6)
    for denoiser in (
        Guided(network, network, 1.5, negative_label="none"),
        fresh_network(Unet(channels=16, multipliers=(1, 2), blocks=1), (1, 6, 6), 3, 1).eval().requires_grad_(False),
    ):
        found, (trace, norm) = exact(denoiser, images), by_autograd(denoiser, images, SIGMA)
        np.testing.assert_allclose(found["jacobian_trace"], trace, rtol=0.01, atol=0.01)
        np.testing.assert_allclose(found["jacobian_norm"], norm, rtol=0.01, atol=0.01)


def test_probes_have_the_exact_values_as_their_mean(network: Denoiser) -> None:
    """Over 400 images alike but for their probes, within four standard errors of the mean."""
    image = gaussian(1, 1, side=6)
    found, truth = estimated(network, np.repeat(image, 400, axis=0)), exact(network, image)
    for name in truth:
        error = found[name].std(ddof=1) / 400**0.5
        assert abs(found[name].mean() - truth[name][0]) < 4 * error
        assert error > 0


def test_probes_belong_to_images_and_to_what_they_are_for() -> None:
    many, few = (np.stack(list(directions("train", count, 40))) for count in (30, 7))
    np.testing.assert_array_equal(many[:, :7], few)
    assert many.shape == (PROBES, 30, 40)
    assert set(np.unique(many)) == {-1, 1}
    other = np.stack(list(directions("validation", 7, 40)))
    assert abs((few * other).mean()) < 0.1
    assert abs((many[0] * many[1]).mean()) < 0.15


def test_few_dimensions_are_not_estimated() -> None:
    found = np.stack(list(directions("train", 3, 2)))
    np.testing.assert_allclose(np.einsum("kmi,kmj->mij", found, found) / len(found), [np.eye(2)] * 3, atol=1e-6)


@pytest.mark.parametrize(("shape", "error"), [((2,), 0.002), ((1, 3, 3), 0.03)])
def test_few_dimensions_are_exact_where_the_denoiser_bends(shape: tuple[int, ...], error: float) -> None:
    """Image by image: differences to one side alone are wrong by up to 2.5 and 16 % of the squared norm."""
    train, images = (
        0.4 * np.random.default_rng(seed).normal(size=(60, *shape)).astype(np.float32) for seed in range(2)
    )
    found = estimated(OptimalDenoiser(torch.from_numpy(train)), images)
    trace, norm, flipd = of_optimum(train, images, SIGMA)
    np.testing.assert_allclose(found["jacobian_trace"], trace, rtol=error, atol=0.001)
    np.testing.assert_allclose(found["jacobian_norm"], norm, rtol=error, atol=0.001)
    np.testing.assert_allclose(found["flipd"], flipd, rtol=error, atol=0.001)


def test_the_linear_filter_has_the_gaussian_s_trace() -> None:
    """Sum l / (l + s^2) for all images alike, and at the mean FLIPD is no more than that."""
    denoiser = WienerDenoiser(torch.from_numpy(gaussian(500, 0)))
    gains = (denoiser.variances / (denoiser.variances + SIGMA**2)).numpy()
    images = np.concatenate([gaussian(4, 1), denoiser.mean.float().numpy().reshape(1, 1, 4, 4)])
    found = estimated(denoiser, images)  # sixteen dimensions: exact
    np.testing.assert_allclose(found["jacobian_trace"], gains.sum(), rtol=1e-6)
    np.testing.assert_allclose(found["jacobian_norm"], (gains**2).sum(), rtol=1e-6)
    assert found["flipd"][-1] == pytest.approx(gains.sum(), rel=1e-6)
    assert (found["flipd"][:-1] > gains.sum()).all()


def test_the_optimum_s_jacobian_is_the_posterior_s_covariance() -> None:
    train, images, sigma = gaussian(40, 0), gaussian(9, 1), 0.7
    trace, norm, flipd = of_optimum(train, images, sigma)
    found = exact(OptimalDenoiser(torch.from_numpy(train)), images, sigma)
    np.testing.assert_allclose(found["jacobian_trace"], trace, rtol=0.01)
    np.testing.assert_allclose(found["jacobian_norm"], norm, rtol=0.02)
    np.testing.assert_allclose(found["flipd"], flipd, rtol=0.01)


@pytest.mark.parametrize(("sigma", "at_point", "halfway"), [(0.5, 0, 9.849), (1.0, 0.144, 2.464), (2.0, 0.998, 1.023)])
def test_the_circle_s_dimension(sigma: float, at_point: float, halfway: float) -> None:
    both = equidistant(40)
    found = exact(OptimalDenoiser(torch.from_numpy(both[::2])), both[:2].astype(np.float32), sigma)
    assert found["flipd"] == pytest.approx([at_point, halfway], rel=5e-3, abs=2e-3)


def test_the_constant_has_no_jacobian() -> None:
    train, images = gaussian(30, 0), gaussian(5, 1)
    found = estimated(ConstantDenoiser(torch.from_numpy(train)), images)
    assert (found["jacobian_trace"] == 0).all()
    assert (found["jacobian_norm"] == 0).all()
    expected = ((images - train.mean(axis=0)) ** 2).sum(axis=(1, 2, 3)) / SIGMA**2
    np.testing.assert_allclose(found["flipd"], expected, rtol=1e-5)


def test_half_precision_is_fine_enough(network: Denoiser) -> None:
    """float16, which has as many bits as TF32."""

    def halved(x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        return network(x, sigma, label).half().to(x.dtype)

    images = gaussian(20, 1, side=6)
    found, truth = exact(halved, images), exact(network, images)
    for name in truth:
        assert found[name].mean() == pytest.approx(truth[name].mean(), rel=0.01)


def test_a_denoiser_that_rounds_coarsely_has_no_values(network: Denoiser) -> None:
    def in_fiftieths(x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        return (50 * network(x, sigma, label)).round() / 50

    found = exact(in_fiftieths, gaussian(20, 1, side=6))
    assert all(np.isnan(values).all() for values in found.values())


def test_splits_have_probes_of_their_own_and_the_first_images() -> None:
    train, validation = gaussian(20, 0, side=6), gaussian(IMAGES + 9, 0, side=6)
    zeros, held_out = np.zeros(len(train), np.int64), np.zeros(len(validation), np.int64)
    data = TrainingSet(train, zeros, validation, held_out, 1, validation, Scaling(0.0, 1.0), "float32", zeros, held_out)
    denoiser = WienerDenoiser(torch.from_numpy(train))
    found = jacobians_of_splits(denoiser, data, 10_000, CPU)
    assert [len(found[split]["flipd"]) for split in ("train", "validation")] == [20, IMAGES]
    assert len(jacobians_of_splits(denoiser, data, 6, CPU)["validation"]["flipd"]) == 6
    np.testing.assert_array_equal(found["train"]["flipd"], estimated(denoiser, train)["flipd"])
    assert (found["train"]["jacobian_norm"] != found["validation"]["jacobian_norm"][:20]).all()


def test_no_more_images_than_a_batch_at_once() -> None:
    asked = []

    def counting(x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        asked.append(len(x))
        return 0.5 * x

    images = gaussian(10, 0, side=6)
    jacobians(Batched(counting, batch=4), images, np.zeros(10, np.int64), "train", CPU)
    assert max(asked) == 4
    assert sum(asked) == 10 * (PROBES + 1 + 2)


@pytest.mark.parametrize(("count", "side"), [(5, 6), (40, 6), (40, 2)])
def test_evaluations_are_known_beforehand(count: int, side: int) -> None:
    asked = []

    def counting(x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        asked.append(len(x))
        return 0.5 * x

    estimated(counting, gaussian(count, 0, side))
    assert sum(asked) == evaluations(count, side**2)
