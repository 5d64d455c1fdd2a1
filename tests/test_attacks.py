"""Scores of membership attacks on denoisers whose answers are known in closed form, and what they cost."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from diffbench.denoisers.attack_levels import HIGHEST, LOWEST, PATH_END, AttackLevels
from diffbench.denoisers.attacks import attack_scores, scores_of_splits
from diffbench.denoisers.base import BATCH
from diffbench.denoisers.batched import Batched
from diffbench.denoisers.losses import gap_sigmas, losses_of_splits
from diffbench.denoisers.optimal import OptimalDenoiser
from diffbench.settings.measures import GapSettings
from tests.test_skill import training_set

CPU = torch.device("cpu")
VARIANCES = np.geomspace(1, 0.001, 16)
DEFAULT = AttackLevels.of(GapSettings(levels=24, noises=4))


class Gaussian:
    """D(x, s) = l / (l + s^2) x, the optimum of N(0, diag l); remembers how it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, float, list[int]]] = []

    def __call__(self, x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        assert label is not None
        self.asked.append((len(x), float(sigma[0]), label.tolist()))
        variances = torch.from_numpy(VARIANCES).view(x.shape[1:]).to(x.dtype)
        return x * variances / (variances + sigma.view(-1, 1, 1, 1) ** 2)


def images(count: int) -> np.ndarray:
    return training_set(count).train


def scores(denoiser, count: int, levels: AttackLevels = DEFAULT) -> dict[str, np.ndarray]:
    return attack_scores(Batched(denoiser), images(count), np.arange(count) % 3, levels, CPU)


def gain(sigma: float) -> np.ndarray:
    """n_hat(x, s) = gain x."""
    return sigma / (VARIANCES + sigma**2)


def test_sima_of_gaussian_data():
    x = images(20).reshape(20, 16).astype(np.float64)
    expected = [np.sqrt(((x * gain(sigma)) ** 2).sum(axis=1)) for sigma in DEFAULT.clean]
    np.testing.assert_allclose(scores(Gaussian(), 20)["sima"], expected, rtol=1e-3)


def test_pia_of_gaussian_data():
    x = images(20).reshape(20, 16).astype(np.float64)
    first = gain(DEFAULT.clean[0])
    expected = [
        ((x * (first - gain(sigma) * (1 + sigma * first))) ** 4).sum(axis=1) for sigma in DEFAULT.clean[1:].tolist()
    ]
    np.testing.assert_allclose(scores(Gaussian(), 20)["pia"], expected, rtol=1e-3)


def test_secmi_is_one_step_up_and_one_back():
    y, expected, path = images(20).reshape(20, 16).astype(np.float64), [], DEFAULT.path.tolist()
    for sigma, above in pairwise(path):
        up = y + (above - sigma) * y * gain(sigma)
        back = up + (sigma - above) * up * gain(above)
        expected.append(((back - y) ** 2).sum(axis=1) / sigma**2)
        y = up
    np.testing.assert_allclose(scores(Gaussian(), 20)["secmi"], expected, rtol=1e-3)


def test_the_optimum_sees_no_noise_in_its_training_images():
    data = training_set(60)
    optimum = OptimalDenoiser(torch.from_numpy(data.train))
    losses = losses_of_splits(optimum, data, GapSettings(), CPU)
    for name, of in scores_of_splits(optimum, data, losses, GapSettings(), CPU).items():
        lowest = of.sigmas < 0.06
        assert of.train[lowest].max() < 1e-9, name
        # From an unseen image whose weight all lies on one training image the path is straight, and SecMI sees nothing.
        least = np.median if name == "secmi" else np.min
        assert least(of.validation[lowest]) > 1e-3, name


def test_levels_are_those_of_the_losses_in_the_range():
    assert ((DEFAULT.loss >= LOWEST) & (DEFAULT.loss <= HIGHEST)).all()
    assert set(DEFAULT.loss) < set(gap_sigmas(GapSettings()))
    assert DEFAULT.path.max() <= PATH_END
    assert [len(levels) for levels in (DEFAULT.loss, DEFAULT.clean, DEFAULT.path)] == [11, 6, 7]
    assert DEFAULT.clean.tolist() == DEFAULT.loss[::2].tolist()
    many = AttackLevels.of(GapSettings(levels=500))
    assert many.evaluations == DEFAULT.evaluations == 6 + 5 + 6
    assert many.clean[0] == many.path[0] == many.loss[0]
    assert many.clean[-1] == many.loss[-1]


def test_no_image_is_evaluated_more_often_than_planned_nor_with_another_label():
    denoiser = Gaussian()
    scores(denoiser, 20)
    assert len(denoiser.asked) == DEFAULT.evaluations
    assert {(count, tuple(labels)) for count, _, labels in denoiser.asked} == {(20, tuple(np.arange(20) % 3))}


@pytest.mark.parametrize(
    ("sigma_min", "sigma_max", "counts"), [(5.0, 80.0, (0, 0, 0)), (1.0, 80.0, (1, 0, 0)), (0.3, 80.0, (1, 0, 0))]
)
def test_grids_with_hardly_a_level_in_the_range(sigma_min, sigma_max, counts):
    settings = GapSettings(levels=2, sigma_min=sigma_min, sigma_max=sigma_max)
    levels, denoiser = AttackLevels.of(settings), Gaussian()
    found = scores(denoiser, 5, levels)
    assert tuple(len(found[name]) for name in ("sima", "pia", "secmi")) == counts
    assert len(denoiser.asked) == levels.evaluations == counts[0]


def test_scores_do_not_depend_on_the_images_beside():
    count = BATCH + 40
    together = scores(Gaussian(), count)
    last = attack_scores(Batched(Gaussian()), images(count)[-3:], np.zeros(3, np.int64), DEFAULT, CPU)
    for name, values in last.items():
        np.testing.assert_allclose(together[name][:, -3:], values, rtol=1e-5)


def test_the_loss_is_an_attack_on_the_same_images():
    data, settings = training_set(60), GapSettings(images=30, noises=1)
    losses = losses_of_splits(Gaussian(), data, settings, CPU)
    found = scores_of_splits(Gaussian(), data, losses, settings, CPU)
    assert list(found) == ["loss", "sima", "pia", "secmi"]
    assert {of.train.shape[1] for of in found.values()} == {of.validation.shape[1] for of in found.values()} == {30}
    for at, sigma in enumerate(found["loss"].sigmas):
        level = gap_sigmas(settings).tolist().index(sigma)
        assert found["loss"].train[at].tolist() == losses.square["train"][level].tolist()
