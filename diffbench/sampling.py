"""Sampling: solvers of the probability-flow ODE dx/ds = (x - D(x, s)) / s, as generators of steps.

Every solver starts from standard normal `noise` (m, *shape) and follows `sigmas` (levels,), falling and
positive, of which the last is followed by sigma = 0. There all of them take the same step, x = D. The state
keeps the noise's dtype: float64 holds rounding below the solver's own error.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from diffbench.denoisers.base import Denoiser


@dataclass(frozen=True)
class SamplingStep:
    """A solver's step from noise level sigma to the next; the last step's `next_state` is the sample."""

    sigma: float
    state: Tensor  # (m, *shape)
    denoised: Tensor  # (m, *shape) D(state, sigma)
    next_state: Tensor  # (m, *shape)


Solver = Callable[[Denoiser, Tensor, Tensor, Tensor | None], Iterator[SamplingStep]]


@torch.no_grad()
def euler(denoiser: Denoiser, noise: Tensor, sigmas: Tensor, label: Tensor | None) -> Iterator[SamplingStep]:
    """Euler's method, of order 1; without noise, the DDIM of Song et al. 2021, arXiv 2010.02502."""
    state = noise * sigmas[0]
    for sigma, target in _steps(sigmas):
        denoised = denoiser(state, sigma.expand(len(state)), label)
        following = torch.lerp(denoised, state, target / sigma)
        yield SamplingStep(float(sigma), state, denoised, following)
        state = following


@torch.no_grad()
def heun(denoiser: Denoiser, noise: Tensor, sigmas: Tensor, label: Tensor | None) -> Iterator[SamplingStep]:
    """Heun's method, of order 2, with two evaluations per step (Karras et al. 2022, algorithm 1)."""
    state = noise * sigmas[0]
    for sigma, target in _steps(sigmas):
        denoised = denoiser(state, sigma.expand(len(state)), label)
        slope = (state - denoised) / sigma
        following = state + (target - sigma) * slope
        if target > 0:
            corrected = (following - denoiser(following, target.expand(len(state)), label)) / target
            following = state + (target - sigma) * (slope + corrected) / 2
        yield SamplingStep(float(sigma), state, denoised, following)
        state = following


@torch.no_grad()
def dpmpp_2m(denoiser: Denoiser, noise: Tensor, sigmas: Tensor, label: Tensor | None) -> Iterator[SamplingStep]:
    """DPM-Solver++(2M), of order 2 with one evaluation per step (Lu et al. 2022, arXiv 2211.01095, algorithm
    2).

    Variance exploding: alpha = 1, lambda = -ln(sigma). The first step and the one to sigma = 0 are of order
    1.
    """
    state = noise * sigmas[0]
    before: tuple[Tensor, Tensor] | None = None  # D and length in lambda of the step before
    for sigma, target in _steps(sigmas):
        denoised = denoiser(state, sigma.expand(len(state)), label)
        length = (sigma / target).log()
        estimate = denoised
        if before is not None and target > 0:
            estimate = denoised + (denoised - before[0]) * (length / (2 * before[1]))
        following = torch.lerp(estimate, state, target / sigma)
        yield SamplingStep(float(sigma), state, denoised, following)
        state, before = following, (denoised, length)


def _steps(sigmas: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Each noise level with the one after it, the last with 0."""
    return zip(sigmas, torch.cat([sigmas[1:], sigmas.new_zeros(1)]), strict=True)


SOLVERS: dict[str, Solver] = {"heun": heun, "euler": euler, "dpmpp-2m": dpmpp_2m}
