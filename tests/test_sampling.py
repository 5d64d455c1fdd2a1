"""Solvers against Gaussian data, whose probability flow has a closed form, and against diffusers' schedulers."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from diffbench.conventions import karras_sigmas
from diffbench.denoisers.optimal import OptimalDenoiser
from diffbench.sampling import SOLVERS, SamplingStep

SPREAD = 0.7
SIGMAS = torch.from_numpy(karras_sigmas(18))


def gaussian_denoiser(x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
    """The optimum for data N(0, SPREAD^2): D = t^2 / (t^2 + s^2) x."""
    share = SPREAD**2 / (SPREAD**2 + sigma**2)
    return share.view(-1, *[1] * (x.ndim - 1)) * x


def solve(solver: str, denoiser: Callable[..., Tensor], noise: Tensor, sigmas: Tensor) -> list[SamplingStep]:
    return list(SOLVERS[solver](denoiser, noise, sigmas, None))


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 2), ("dpmpp-2m", 2)])
def test_order_of_convergence(solver: str, order: int) -> None:
    """Halving the steps' length divides the error at the lowest level by 2^order: x(s) goes as sqrt(t^2 + s^2).

    The last step to 0 is left out, since it is of order 1 for every solver.
    """
    noise = normal(3, 2)
    errors = []
    for count in (80, 160, 320):
        sigmas = torch.from_numpy(karras_sigmas(count, sigma_min=0.05, sigma_max=10))
        last = solve(solver, gaussian_denoiser, noise, sigmas)[-1]
        assert last.sigma == pytest.approx(0.05)
        exact = noise * 10 * math.sqrt((SPREAD**2 + 0.05**2) / (SPREAD**2 + 10**2))
        errors.append(float((last.state - exact).abs().max()))
    for coarse, fine in itertools.pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize(("solver", "steps"), [("euler", 300), ("heun", 40), ("dpmpp-2m", 40)])
def test_end_point(solver: str, steps: int) -> None:
    """x(0) = x(s_max) t / sqrt(t^2 + s_max^2), within 1 %: order 2 needs 40 levels for it, order 1 needs 300."""
    noise = normal(5, 1, 4, 4)
    exact = noise * 80 * SPREAD / math.sqrt(SPREAD**2 + 80**2)
    sigmas = torch.from_numpy(karras_sigmas(steps))
    sample = solve(solver, gaussian_denoiser, noise, sigmas)[-1].next_state
    torch.testing.assert_close(sample, exact, rtol=0.01, atol=0)


@pytest.mark.parametrize("solver", list(SOLVERS))
def test_steps_form_one_chain(solver: str) -> None:
    """Each record starts where the one before ended; D is that at the state; the last step ends at D."""
    noise = normal(4, 3)
    steps = solve(solver, gaussian_denoiser, noise, SIGMAS)
    assert [step.sigma for step in steps] == SIGMAS.tolist()
    assert torch.equal(steps[0].state, noise * 80)
    for step, following in itertools.pairwise(steps):
        assert torch.equal(step.next_state, following.state)
    for step in steps:
        sigma = torch.full((4,), step.sigma, dtype=torch.float64)
        assert torch.equal(step.denoised, gaussian_denoiser(step.state, sigma))
    torch.testing.assert_close(steps[-1].next_state, steps[-1].denoised, rtol=1e-14, atol=0)


@pytest.mark.parametrize("solver", list(SOLVERS))
def test_batch_size_changes_no_sample(solver: str) -> None:
    noise = normal(7, 1, 2, 2)
    whole = solve(solver, gaussian_denoiser, noise, SIGMAS)[-1].next_state
    parts = [solve(solver, gaussian_denoiser, part, SIGMAS)[-1].next_state for part in noise.split(2)]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize(("solver", "evaluations"), [("euler", 18), ("heun", 35), ("dpmpp-2m", 18)])
def test_number_of_evaluations(solver: str, evaluations: int) -> None:
    calls = []

    def counted(x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        calls.append(float(sigma[0]))
        return gaussian_denoiser(x, sigma)

    solve(solver, counted, normal(2, 2), SIGMAS)
    assert len(calls) == evaluations


@pytest.mark.parametrize("solver", list(SOLVERS))
def test_optimum_samples_training_points(solver: str) -> None:
    """The flow of the closed-form optimum ends at training points; the label restricts it to its own."""
    points = torch.tensor([[0.5, 0.5], [-0.5, 0.4], [0.1, -0.6], [0.7, -0.2]])
    denoiser = OptimalDenoiser(points, torch.tensor([0, 0, 1, 1]))
    label = torch.tensor([0, 1]).repeat(20)
    sigmas = torch.from_numpy(karras_sigmas(40))
    sample = list(SOLVERS[solver](denoiser, normal(40, 2), sigmas, label))[-1].next_state
    distances = torch.cdist(sample, points.double())
    assert float(distances.min(dim=1).values.max()) < 1e-3
    assert torch.equal(distances.argmin(dim=1) // 2, label)


@pytest.mark.parametrize(
    ("solver", "name"), [("dpmpp-2m", "EDMDPMSolverMultistepScheduler"), ("euler", "EDMEulerScheduler")]
)
def test_against_diffusers(solver: str, name: str) -> None:
    """A scheduler of diffusers with our D as its prediction gives the same sample, but for its float32 levels."""
    diffusers: Any = pytest.importorskip("diffusers")
    scheduler = getattr(diffusers, name)(sigma_min=0.002, sigma_max=80.0, sigma_data=0.5, prediction_type="epsilon")
    scheduler.set_timesteps(18)
    noise = normal(3, 1, 2, 2)
    state = noise * 80
    for timestep, sigma in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        denoised = gaussian_denoiser(state, sigma.double().expand(3))
        # The network's output F that its preconditioning turns into D: D = c_skip x + c_out F.
        total = math.sqrt(float(sigma) ** 2 + 0.25)
        raw = (denoised - 0.25 / total**2 * state) / (float(sigma) * 0.5 / total)
        state = scheduler.step(raw, timestep, state).prev_sample
    ours = solve(solver, gaussian_denoiser, noise, scheduler.sigmas[:-1].double())[-1].next_state
    torch.testing.assert_close(ours, state.double(), rtol=1e-4, atol=1e-6)
