"""Adapters: exact predictors of Gaussian data under several schedules give back the exact denoiser."""

from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diffbench.adapters.prediction import Prediction, PredictionDenoiser
from diffbench.adapters.schedules import (
    ContinuousSchedule,
    PreconditionedSchedule,
    Schedule,
    TableSchedule,
    linear_flow,
)
from diffbench.conventions import DiffbenchError

MEAN, VARIANCE = 0.3, 0.25


def exact_denoiser(x: Tensor, sigma: Tensor) -> Tensor:
    """D of x0 ~ N(MEAN, VARIANCE) in closed form."""
    s = sigma.view(-1, 1)
    return MEAN + VARIANCE / (VARIANCE + s**2) * (x - MEAN)


def exact_network(prediction: Prediction, alpha: Any, sigma: Any):
    """The network that predicts the conditional mean of its target given x_t, from the joint Gaussian of both.

    alpha, sigma: functions of t (b,). The target is a x0 + b n; its mean given x_t follows from covariances alone.
    """
    targets = {
        "epsilon": lambda a, s: (0 * a, 1 + 0 * a),
        "v": lambda a, s: (-s, a),
        "flow": lambda a, s: (-1 + 0 * a, 1 + 0 * a),
        "flow-to-data": lambda a, s: (1 + 0 * a, -1 + 0 * a),
        "sample": lambda a, s: (1 + 0 * a, 0 * a),
        "score": lambda a, s: (0 * a, -1 / s),
        "edm": edm_target,
        "edm-v": lambda a, s: tuple(-part for part in edm_target(a, s)),
    }

    def network(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        time = t.numpy()
        a, s = (torch.from_numpy(np.asarray(f(time), np.float64)).view(-1, 1) for f in (alpha, sigma))
        of_data, of_noise = targets[prediction](a, s)
        gain = (of_data * a * VARIANCE + of_noise * s) / (a**2 * VARIANCE + s**2)
        return of_data * MEAN + gain * (x - a * MEAN)

    return network


def edm_target(alpha: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """F = (x0 - c_skip x) / c_out of Karras et al., table 1; 1 / alpha^2 = sigma^2 + sd^2, x = x0 + sigma n."""
    sigma = s / alpha
    sd = (1 / alpha**2 - sigma**2).sqrt()
    total = sigma**2 + sd**2
    c_skip, c_out = sd**2 / total, sigma * sd / total.sqrt()
    return (1 - c_skip) / c_out, -c_skip * sigma / c_out


def betas_cumprod(steps: int = 1000, last: float = 0.02) -> np.ndarray:
    return np.cumprod(1 - np.linspace(1e-4, last, steps))


DDPM = betas_cumprod()


def ddpm(t: Any, of: str) -> np.ndarray:
    """Alpha or sigma at fractional steps: the variance-preserving ones at the log ratio in between."""
    ratio = np.exp(np.interp(t, np.arange(len(DDPM)), np.log(np.sqrt((1 - DDPM) / DDPM))))
    return 1 / np.hypot(1, ratio) if of == "alpha" else ratio / np.hypot(1, ratio)


SCHEDULES: dict[str, tuple[Schedule, Any, Any, float]] = {
    "cosine": (
        ContinuousSchedule(lambda t: np.cos(np.pi * t / 2), lambda t: np.sin(np.pi * t / 2)),
        lambda t: np.cos(np.pi * t / 2), lambda t: np.sin(np.pi * t / 2), 1e-4,
    ),
    "ddpm": (TableSchedule.from_alphas_cumprod(DDPM), lambda t: ddpm(t, "alpha"), lambda t: ddpm(t, "sigma"), 0.011),
    "linear flow": (linear_flow(), lambda t: 1 - t, lambda t: t, 1e-4),
    "flow of 1000 steps": (linear_flow(1000), lambda t: 1 - t / 1000, lambda t: t / 1000, 1e-4),
    "EDM": (
        PreconditionedSchedule(0.7),
        lambda t: 1 / np.hypot(np.exp(4 * t), 0.7), lambda t: np.exp(4 * t) / np.hypot(np.exp(4 * t), 0.7), 1e-3,
    ),
    "flow to data": (
        ContinuousSchedule(lambda t: t, lambda t: 1 - t, clean=1, noisy=0), lambda t: t, lambda t: 1 - t, 1e-4,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("prediction", get_args(Prediction))
@settings(max_examples=15, deadline=None)
@given(fraction=st.floats(0, 1), seed=st.integers(0, 5))
def test_exact_predictors_give_the_exact_denoiser(name, prediction, fraction, seed) -> None:
    schedule, alpha, noise, least = SCHEDULES[name]
    value = least * (80 / least) ** fraction
    sigma = torch.tensor([value, 80.0, 1.0], dtype=torch.float64)
    rng = np.random.default_rng(seed)
    x = MEAN + torch.from_numpy(rng.standard_normal((3, 4))) * (VARIANCE + sigma**2).sqrt().view(-1, 1)
    denoiser = PredictionDenoiser(exact_network(prediction, alpha, noise), prediction, schedule)
    assert torch.allclose(denoiser(x, sigma), exact_denoiser(x, sigma), rtol=1e-9, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(st.floats(0.02, 0.9), min_size=3, max_size=30),
    norm=st.floats(0.2, 5),
    fraction=st.floats(0, 1),
    prediction=st.sampled_from([name for name in get_args(Prediction) if "edm" not in name]),
)
def test_any_table_recovers_the_exact_denoiser_at_its_times(steps, norm, fraction, prediction) -> None:
    """Ratios that rise anyhow, and norms alpha^2 + sigma^2 that are not 1."""
    ratios = np.exp(np.cumsum(steps) - 4)
    norms = norm ** np.linspace(0, 1, len(steps))
    alphas, sigmas = norms / np.hypot(1, ratios), norms * ratios / np.hypot(1, ratios)
    times = np.linspace(3, 7, len(steps))
    index = round(fraction * (len(steps) - 1))
    network = exact_network(prediction, lambda t: np.interp(t, times, alphas), lambda t: np.interp(t, times, sigmas))
    denoiser = PredictionDenoiser(network, prediction, TableSchedule(alphas, sigmas, times))
    x, sigma = torch.randn(1, 5, dtype=torch.float64), torch.tensor([ratios[index]])
    assert torch.allclose(denoiser(x, sigma), exact_denoiser(x, sigma), rtol=1e-7, atol=1e-7)


def test_below_the_least_noise_the_true_x_is_kept_and_the_noise_seen_there_is_taken_off_in_proportion() -> None:
    schedule, alpha, noise, _ = SCHEDULES["ddpm"]
    least = float(np.sqrt((1 - DDPM[0]) / DDPM[0]))
    x = torch.randn(2, 6, dtype=torch.float64)
    sigma = torch.tensor([least / 5, 0.002], dtype=torch.float64)
    at_least = exact_denoiser(x, torch.full((2,), least, dtype=torch.float64))
    by_hand = x - sigma.view(-1, 1) * (x - at_least) / least  # x - sigma epsilon
    for prediction in get_args(Prediction):
        denoiser = PredictionDenoiser(exact_network(prediction, alpha, noise), prediction, schedule)
        assert torch.allclose(denoiser(x, sigma), by_hand, atol=1e-10)


def test_more_noise_than_the_schedule_has_is_refused() -> None:
    schedule = TableSchedule.from_alphas_cumprod(betas_cumprod(100))
    with pytest.raises(DiffbenchError, match=r"sigma 80 is beyond the schedule's largest, 1\.\d+; lower sampling"):
        schedule.at(np.array([80.0, 1.0]))


def test_bad_schedules_and_predictions_are_refused() -> None:
    with pytest.raises(DiffbenchError, match=r"alphas \(2,\), sigmas \(3,\)"):
        TableSchedule([1, 0.5], [0.1, 0.2, 0.3])
    with pytest.raises(DiffbenchError, match="must rise"):
        TableSchedule.from_alphas_cumprod(DDPM[::-1])
    with pytest.raises(DiffbenchError, match="'noise' is not known; a network predicts one of epsilon, score, v"):
        PredictionDenoiser(lambda x, t, c: x, "noise", linear_flow())


def test_pure_noise_at_the_last_time_is_left_out() -> None:
    schedule = TableSchedule([0.9, 0.5, 0.0], [0.1, 0.8, 1.0])
    assert schedule.at(np.array([1.6])).time == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (lambda x: x[:1], r"shape \(1, 5\); a tensor of the shape \(2, 5\)"),
        (lambda x: torch.cat([x, x], dim=1), r"shape \(2, 10\); a tensor of the shape \(2, 5\)"),
        (lambda x: (x, x), r"a tuple; a tensor of the shape \(2, 5\)"),
    ],
)
def test_networks_that_return_another_shape_are_refused(returned: Any, said: str) -> None:
    denoiser = PredictionDenoiser(lambda x, t, c: returned(x), "flow", linear_flow())
    with pytest.raises(DiffbenchError, match=f"the network returned {said} is expected"):
        denoiser(torch.zeros(2, 5), torch.ones(2))
