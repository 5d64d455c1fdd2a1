"""Schedulers of diffusers: D is what the library's own step takes for the clean image, at the same noise."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from diffbench.adapters.libraries import library
from diffbench.adapters.prediction import PredictionDenoiser
from diffbench.adapters.scheduler import DISTILLED, FLOWS, PRECONDITIONED, TABLES, read_scheduler
from diffbench.conventions import DiffbenchError

diffusers = library("diffusers")
CLEAN, NOISE = torch.randn(2, 1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
ASKED = {"timestep_spacing": "trailing", "clip_sample": False, "set_alpha_to_one": True, "skip_prk_steps": True}
"""So that the last of a few steps lies in the middle, and ends at what the network takes for the clean image."""

NO_CHOICE = {(name, predicted) for name in FLOWS for predicted in ("v_prediction", "sample")}
UNKNOWN = {
    ("UnCLIP", "v_prediction"),
    *((name, "sample") for name in ("PNDM", "EulerAncestralDiscrete", "KDPM2Discrete", "KDPM2AncestralDiscrete")),
    *((name, "sample") for name in PRECONDITIONED),
}
"""What the library itself cannot step with."""


def network(x: Tensor, t: Any, label: Tensor | None = None) -> Tensor:
    """Some function of both, which a wrong scale of x or a wrong time changes."""
    t = torch.as_tensor(t).to(x).reshape(-1, *[1] * (x.ndim - 1))
    return torch.sin(2 * x + 0.01 * t) + 0.3 * x


def scheduler_of(name: str, **options: Any) -> Any:
    """A scheduler with those options that its class knows."""
    kind = getattr(diffusers, f"{name}Scheduler")
    known = inspect.signature(kind.__init__).parameters
    try:
        return kind(**{key: value for key, value in (ASKED | options).items() if key in known})
    except ImportError as error:
        pytest.skip(str(error).strip())


def denoiser_of(scheduler: Any, folder: Path) -> PredictionDenoiser:
    """The network as the scheduler's folder says that it is to be understood."""
    scheduler.save_pretrained(folder)
    noising = read_scheduler(diffusers, folder)
    return PredictionDenoiser(network, noising.prediction, noising.schedule)


def noised(scheduler: Any, t: Tensor) -> tuple[float, float]:
    """Factors of the clean image and of the noise, by the library's own noising."""
    zero, one = torch.zeros_like(CLEAN), torch.ones_like(CLEAN)
    if hasattr(scheduler, "scale_noise"):
        pair = scheduler.scale_noise(one, t.reshape(1), zero), scheduler.scale_noise(zero, t.reshape(1), one)
    else:
        pair = scheduler.add_noise(one, zero, t.reshape(1)), scheduler.add_noise(zero, one, t.reshape(1))
    return float(pair[0].mean()), float(pair[1].mean())


def clean_by_library(scheduler: Any, t: Tensor, x: Tensor, alpha: float, sigma: float) -> Tensor:
    """What the step at time t takes for the clean image; of three solvers, what they make of the output."""
    given = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
    output = network(given, t)
    name = type(scheduler).__name__.removesuffix("Scheduler")
    if name in ("DEISMultistep", "SASolver", "EDMDPMSolverMultistep"):
        scheduler._init_step_index(t)
        converted = scheduler.convert_model_output(output, sample=x)
        return (x - sigma * converted) / alpha if name.startswith("DEIS") else converted
    step = scheduler.step(output, t, x)
    clean = getattr(step, "pred_original_sample", None)
    return step.prev_sample if clean is None else clean


@pytest.mark.parametrize(
    ("name", "predicted"),
    [
        (name, predicted)
        for name in (*TABLES, *FLOWS, *PRECONDITIONED)
        for predicted in ("epsilon", "v_prediction", "sample")
        if (name, predicted) not in UNKNOWN and (name, predicted) not in NO_CHOICE
    ],
)
def test_a_denoiser_is_what_the_schedulers_step_takes_for_the_clean_image(name, predicted, tmp_path: Path) -> None:
    scheduler = scheduler_of(name, prediction_type=predicted, shift=3.0)
    scheduler.set_timesteps(4)
    t = scheduler.timesteps[1 if name in (*PRECONDITIONED, "LMSDiscrete") else -1]
    alpha, sigma = noised(scheduler, t)
    x = alpha * CLEAN + sigma * NOISE
    expected = clean_by_library(scheduler, t, x, alpha, sigma)
    denoised = denoiser_of(scheduler, tmp_path)(x / alpha, torch.tensor([sigma / alpha]))
    assert torch.allclose(denoised, expected, atol=2e-4)


@pytest.mark.parametrize("options", [{"rescale_betas_zero_snr": True}, {"beta_schedule": "squaredcos_cap_v2"}])
@pytest.mark.parametrize("name", ["DDIM", "EulerDiscrete", "DPMSolverMultistep"])
def test_noise_without_end_and_other_tables(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    scheduler = scheduler_of(name, prediction_type="v_prediction", **options)
    denoiser = denoiser_of(scheduler, tmp_path)
    scheduler.set_timesteps(4)
    t = scheduler.timesteps[-1]
    alpha, sigma = noised(scheduler, t)
    x = alpha * CLEAN + sigma * NOISE
    expected = clean_by_library(scheduler, t, x, alpha, sigma)
    assert torch.allclose(denoiser(x / alpha, torch.tensor([sigma / alpha])), expected, atol=2e-4)
    assert denoiser(80 * NOISE, torch.tensor([80.0])).isfinite().all()


@pytest.mark.parametrize("name", ["DPMSolverMultistep", "DPMSolverSinglestep", "UniPCMultistep", "DEISMultistep"])
def test_solvers_that_are_told_to_follow_a_flow(name: str, tmp_path: Path) -> None:
    options = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}
    scheduler = scheduler_of(name, **options)
    scheduler.set_timesteps(5)
    scheduler._init_step_index(scheduler.timesteps[2])
    sigma = float(scheduler.sigmas[2])
    alpha = 1 - sigma
    x = alpha * CLEAN + sigma * NOISE
    output = network(x, 1000 * sigma)  # the library rounds that time down
    converted = scheduler.convert_model_output(output, scheduler.timesteps[2], sample=x)
    expected = converted if name != "DEISMultistep" else (x - sigma * converted) / alpha
    denoised = denoiser_of(scheduler, tmp_path)(x / alpha, torch.tensor([sigma / alpha]))
    assert torch.allclose(denoised, expected, atol=1e-4)
    with pytest.raises(DiffbenchError, match="'flow_prediction' needs use_flow_sigmas"):
        denoiser_of(scheduler_of(name, prediction_type="flow_prediction"), tmp_path)


@pytest.mark.parametrize(
    "options", [{"shift": 3.0}, {"use_dynamic_shifting": True}, {"invert_sigmas": True}, {"shift_terminal": 0.1}]
)
@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_is_the_same_denoiser_whatever_its_sampler_does_to_times(name, options, tmp_path: Path) -> None:
    """The straight line to the end, x + (end - now) dx/dt, is the clean image."""
    scheduler = scheduler_of(name, **options)
    scheduler.set_timesteps(5, **{"mu": 1.1} if "Euler" in name and "use_dynamic_shifting" in options else {})
    t = scheduler.timesteps[2]
    scheduler._init_step_index(t)
    now, then = scheduler.sigmas[scheduler.step_index : scheduler.step_index + 2].tolist()
    end, noise = (1.0, 1 - now) if "Euler" in name and "invert_sigmas" in options else (0.0, now)
    x = (1 - noise) * CLEAN + noise * NOISE
    one_step = scheduler.step(network(x, t), t, x).prev_sample - x
    expected = x + one_step / (then - now) * (end - now)
    denoised = denoiser_of(scheduler, tmp_path)(x / (1 - noise), torch.tensor([noise / (1 - noise)]))
    assert torch.allclose(denoised, expected, atol=1e-4)


def test_eulers_continuous_times_are_the_logarithm_of_the_noise(tmp_path: Path) -> None:
    scheduler = scheduler_of("EulerDiscrete", prediction_type="v_prediction", timestep_type="continuous")
    denoiser = denoiser_of(scheduler, tmp_path)
    scheduler.set_timesteps(4)
    t, sigma = scheduler.timesteps[2], float(scheduler.sigmas[2])
    x = CLEAN + sigma * NOISE
    expected = clean_by_library(scheduler, t, x, 1.0, sigma)
    assert torch.allclose(denoiser(x, torch.tensor([sigma])), expected, atol=1e-4)


def test_a_score_network_is_told_the_noise_and_gives_the_mean(tmp_path: Path) -> None:
    """Tweedie's formula on N(0, 0.25), whose score is known."""
    scheduler_of("ScoreSdeVe", sigma_min=0.01, sigma_max=50.0).save_pretrained(tmp_path)
    noising = read_scheduler(diffusers, tmp_path)
    denoiser = PredictionDenoiser(
        lambda x, sigma, label: -x / (0.25 + sigma.view(-1, 1) ** 2), noising.prediction, noising.schedule
    )
    x, sigma = torch.randn(3, 5, dtype=torch.float64), torch.tensor([0.01, 0.7, 50.0], dtype=torch.float64)
    assert torch.allclose(denoiser(x, sigma), 0.25 / (0.25 + sigma.view(-1, 1) ** 2) * x)


@pytest.mark.parametrize("name", DISTILLED)
def test_distilled_models_are_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    (tmp_path / "scheduler_config.json").write_text(f'{{"_class_name": "{name}Scheduler"}}')
    with pytest.raises(DiffbenchError, match="belongs to a distilled model, whose answer is a sample"):
        read_scheduler(diffusers, tmp_path)


def test_what_is_not_understood_names_the_nearest_way_in(tmp_path: Path) -> None:
    config = tmp_path / "scheduler_config.json"
    for text, message in (
        ('{"_class_name": "VQDiffusionScheduler"}', r'VQDiffusionScheduler is not understood; .*"flow", linear_flow'),
        ('{"_class_name": "DDPMScheduler", "prediction_type": "noise"}', "'noise' is none of epsilon, v_prediction"),
        (
            '{"_class_name": "EDMEulerScheduler", "prediction_type": "sample"}',
            "'sample' is none of epsilon, v_prediction",
        ),
        ('{"_class_name": "DDPMScheduler", "beta_schedule": "odd"}', "odd is not implemented"),
        ("{", "scheduler_config.json: cannot be read"),
        ("[]", "scheduler_config.json: is no JSON object"),
    ):
        config.write_text(text)
        with pytest.raises(DiffbenchError, match=message):
            read_scheduler(diffusers, tmp_path)
