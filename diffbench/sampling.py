"""Sampling: solvers of the probability-flow ODE dx/ds = (x - D(x, s)) / s, as generators of steps."""

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
def heun(denoiser: Denoiser, noise: Tensor, sigmas: Tensor, label: Tensor | None) -> Iterator[SamplingStep]:
    """Heun's method, of order 2 (Karras et al. 2022, algorithm 1).

    noise: (m, *shape) standard normal; sigmas: (levels,) falling and positive, after which one Euler step
    leads to 0. The state keeps the noise's dtype: float64 holds rounding below the solver's own error.
    """
    state = noise * sigmas[0]
    targets = torch.cat([sigmas[1:], sigmas.new_zeros(1)])
    for sigma, target in zip(sigmas, targets, strict=True):
        denoised = denoiser(state, sigma.expand(len(state)), label)
        slope = (state - denoised) / sigma
        following = state + (target - sigma) * slope
        if target > 0:
            corrected = (following - denoiser(following, target.expand(len(state)), label)) / target
            following = state + (target - sigma) * (slope + corrected) / 2
        yield SamplingStep(float(sigma), state, denoised, following)
        state = following


SOLVERS: dict[str, Solver] = {"heun": heun}
