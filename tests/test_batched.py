"""Where GPU memory does not hold a batch smaller ones are evaluated, with the same results, and no error is hidden."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from diffbench.conventions import karras_sigmas
from diffbench.denoisers.base import Denoiser
from diffbench.denoisers.batched import Batched
from diffbench.denoisers.build import fresh_network
from diffbench.denoisers.external import ExternalDenoiser
from diffbench.denoisers.guidance import Guided
from diffbench.denoisers.losses import losses_of_splits
from diffbench.settings.measures import GapSettings
from diffbench.settings.models import Mlp
from diffbench.settings.sampling import SamplingSettings
from diffbench.stages.sample import draw, noised_predictions
from tests.test_train_stage import some_images

CPU = torch.device("cpu")
IMAGES = replace(some_images(), validation=some_images().train[:30], validation_labels=some_images().train_labels[:30])
SETTINGS = SamplingSettings(samples=600, trajectories=20, steps=3)
SIGMAS = karras_sigmas(3)


class Limited:
    """A denoiser that computes pixel by pixel, and memory that holds only so many images at once."""

    def __init__(self, limit: int, denoiser: Denoiser | None = None) -> None:
        self.limit = limit
        self.asked: list[int] = []
        self.denoiser = denoiser

    def __call__(self, x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        self.asked.append(len(x))
        if len(x) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nSee the manual")
        if self.denoiser is not None:
            return self.denoiser(x, sigma, label)
        share = (0.25 / (0.25 + sigma**2)).view(-1, *[1] * (x.ndim - 1)).to(x.dtype)
        offset = 0 if label is None else label.view(-1, *[1] * (x.ndim - 1)).to(x.dtype)
        return share * x + (1 - share) * offset


def sampled(denoiser: Denoiser) -> list[np.ndarray]:
    """All that the sample stage computes."""
    batched, labels = Batched(denoiser), np.arange(600) % 3
    drawn = draw(batched, IMAGES.shape, SIGMAS, labels, SETTINGS, CPU)
    return [*drawn, *noised_predictions(batched, IMAGES, SIGMAS, 50, CPU).values()]


def lost(denoiser: Denoiser) -> list[np.ndarray]:
    """All losses."""
    losses = losses_of_splits(denoiser, IMAGES, GapSettings(levels=3, noises=5), CPU)
    return [*losses.square.values(), *losses.norm.values()]


@pytest.mark.parametrize("limit", [511, 12, 1])
def test_results_do_not_depend_on_what_fits(limit: int, capsys: pytest.CaptureFixture[str]) -> None:
    for compute in (sampled, lost):
        whole = compute(Limited(10_000))
        assert capsys.readouterr().err == ""
        limited = Limited(limit)
        for ours, theirs in zip(compute(limited), whole, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        tried = [asked for asked in limited.asked if asked > limit]
        assert tried == sorted(tried, reverse=True)  # what does not fit is not asked again
        assert len(tried) <= 10
        said = capsys.readouterr().err
        if tried:
            fits = tried[-1] // 2
            assert said == f"note: GPU memory does not hold 512 images at once; going on with {fits}\n"
            assert max(asked for asked in limited.asked if asked <= limit) == fits


def test_the_results_of_a_network_are_the_same_but_for_rounding() -> None:
    network = fresh_network(Mlp(width=16, blocks=1), IMAGES.shape, 10, 0).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    guided = Guided(network, network, 1.0, (0.01, 10.0), "none")
    for ours, theirs in zip(sampled(Limited(9, guided)), sampled(guided), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-4)


def test_not_even_one_image_fits() -> None:
    limited = Limited(0)
    with pytest.raises(torch.OutOfMemoryError, match=r"not even one image fits: CUDA out of memory\."):
        Batched(limited)(torch.zeros(9, 2), torch.ones(9))
    assert limited.asked == [9, 4, 2, 1]


def test_no_other_error_is_tried_again() -> None:
    calls: list[int] = []

    def broken(x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        calls.append(len(x))
        raise RuntimeError("CUDA error: device-side assert triggered")

    with pytest.raises(RuntimeError, match="device-side assert"):
        Batched(broken)(torch.zeros(9, 2), torch.ones(9))
    assert calls == [9]


def test_memory_that_ran_out_in_a_model_from_outside_is_no_fault_of_the_model() -> None:
    limited = Limited(3)
    x, sigma = torch.arange(20.0).view(10, 2), torch.ones(10)
    outside = Batched(ExternalDenoiser(limited, "theirs", CPU))
    torch.testing.assert_close(outside(x, sigma), Limited(10)(x, sigma), rtol=0, atol=0)
    assert limited.asked == [10, 5, 2, 2, 2, 2, 2]
