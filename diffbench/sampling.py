"""Sampling: solvers of the probability-flow ODE dx/ds = (x - D(x, s)) / s, as generators of steps.

Every solver starts from standard normal `noise` and follows `sigmas`, falling and positive, of which the last is
followed by sigma = 0. There all of them take the same step, x = D. The state keeps the noise's dtype: float64 holds
rounding below the solver's own error.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from diffbench.denoisers.base import Denoiser
from diffbench.shapes import Float, Int64


@dataclass(frozen=True)
class SamplingStep:
    """A solver's step from noise level sigma to the next; the last step's `next_state` is the sample."""

    sigma: float
    state: Float[Tensor, " m *shape"]
    denoised: Float[Tensor, " m *shape"]  # D(state, sigma)
    next_state: Float[Tensor, " m *shape"]


Solver = Callable[[Denoiser, Tensor, Tensor, Tensor | None], Iterator[SamplingStep]]


def euler(
    denoiser: Denoiser,
    noise: Float[Tensor, " m *shape"],
    sigmas: Float[Tensor, " levels"],
    label: Int64[Tensor, " m"] | None,
) -> Iterator[SamplingStep]:
    """Euler's method, of order 1; without noise, the DDIM of Song et al. 2021, arXiv 2010.02502."""
    state = noise * sigmas[0]
    for sigma, target in _steps(sigmas):
        denoised = _denoised(denoiser, state, sigma, label)
        following = torch.lerp(denoised, state, target / sigma)
        yield SamplingStep(float(sigma), state, denoised, following)
        state = following


def heun(
    denoiser: Denoiser,
    noise: Float[Tensor, " m *shape"],
    sigmas: Float[Tensor, " levels"],
    label: Int64[Tensor, " m"] | None,
) -> Iterator[SamplingStep]:
    """Heun's method, of order 2, with two evaluations per step (Karras et al. 2022, algorithm 1)."""
    state = noise * sigmas[0]
    for sigma, target in _steps(sigmas):
        denoised = _denoised(denoiser, state, sigma, label)
        slope = (state - denoised) / sigma
        following = state + (target - sigma) * slope
        if target > 0:
            corrected = (following - _denoised(denoiser, following, target, label)) / target
            following = state + (target - sigma) * (slope + corrected) / 2
        yield SamplingStep(float(sigma), state, denoised, following)
        state = following


def dpmpp_2m(
    denoiser: Denoiser,
    noise: Float[Tensor, " m *shape"],
    sigmas: Float[Tensor, " levels"],
    label: Int64[Tensor, " m"] | None,
) -> Iterator[SamplingStep]:
    """DPM-Solver++(2M), of order 2 with one evaluation per step (Lu et al. 2022, arXiv 2211.01095).

    Variance exploding: alpha = 1, lambda = -ln(sigma). The first step and the one to sigma = 0 are of order 1.
    """
    state = noise * sigmas[0]
    before: tuple[Tensor, Tensor] | None = None  # D and length in lambda of the step before
    for sigma, target in _steps(sigmas):
        denoised = _denoised(denoiser, state, sigma, label)
        length = (sigma / target).log()
        estimate = denoised
        if before is not None and target > 0:
            estimate = denoised + (denoised - before[0]) * (length / (2 * before[1]))
        following = torch.lerp(estimate, state, target / sigma)
        yield SamplingStep(float(sigma), state, denoised, following)
        state, before = following, (denoised, length)


def _steps(sigmas: Float[Tensor, " levels"]) -> Iterator[tuple[Float[Tensor, ""], Float[Tensor, ""]]]:
    """Each noise level with the one after it, the last with 0."""
    return zip(sigmas, torch.cat([sigmas[1:], sigmas.new_zeros(1)]), strict=True)


@torch.no_grad()
def _denoised(
    denoiser: Denoiser, x: Float[Tensor, " m *shape"], sigma: Float[Tensor, ""], label: Int64[Tensor, " m"] | None
) -> Float[Tensor, " m *shape"]:
    """D at one noise level for all images; solvers need no gradients."""
    return denoiser(x, sigma.expand(len(x)), label)


SOLVERS: dict[str, Solver] = {"heun": heun, "euler": euler, "dpmpp-2m": dpmpp_2m}
