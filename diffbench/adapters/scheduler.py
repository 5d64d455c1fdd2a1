"""A scheduler of diffusers on disk: what the network predicts, and at which noise it saw which time step in training.

Only that is read. How a scheduler walks through noise levels (timestep_spacing, steps_offset, Karras' levels, the time
shift of a flow) and what it does to a step (thresholding, clip_sample, stochastic sampling) shapes samples, not the
denoiser: the step that belongs to a noise level is the same with all of them.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diffbench.adapters.prediction import Prediction
from diffbench.adapters.schedules import (
    ContinuousSchedule,
    PreconditionedSchedule,
    Schedule,
    TableSchedule,
    linear_flow,
)
from diffbench.conventions import DiffbenchError

PREDICTIONS: dict[str, Prediction] = {
    "epsilon": "epsilon",
    "v_prediction": "v",
    "sample": "sample",
    "original_sample": "sample",
    "flow_prediction": "flow",
}
TABLES = (
    *("DDPM", "DDPMParallel", "DDIM", "DDIMParallel", "PNDM", "UnCLIP", "LMSDiscrete", "EulerDiscrete"),
    *("EulerAncestralDiscrete", "HeunDiscrete", "KDPM2Discrete", "KDPM2AncestralDiscrete", "DPMSolverMultistep"),
    *("DPMSolverSinglestep", "DPMSolverSDE", "DEISMultistep", "UniPCMultistep", "SASolver"),
)
"""Schedulers that hold alphas_cumprod; some of them also know a flow."""
FLOWS = ("FlowMatchEulerDiscrete", "FlowMatchHeunDiscrete")
PRECONDITIONED = ("EDMEuler", "EDMDPMSolverMultistep")
SCORES = ("ScoreSdeVe",)
DISTILLED = ("LCM", "TCD", "CMStochasticIterative", "ConsistencyDecoder", "SCM", "FlowMatchLCM", "FlowMapEulerDiscrete")
BY_HAND = 'PredictionDenoiser(network, "flow", linear_flow()) of diffbench.adapters, or another prediction and schedule'


class Noising(NamedTuple):
    """What a network predicts under which schedule, and how to write that schedule in a factory of one's own."""

    prediction: Prediction
    schedule: Schedule
    code: str

    @property
    def by_hand(self) -> str:
        """The line that wraps a network which is not called as diffusers calls the ones that are understood."""
        return f'PredictionDenoiser(network, "{self.prediction}", {self.code})'


def read_scheduler(diffusers: Any, folder: Path) -> Noising:
    """The noising of the scheduler in a folder. DiffbenchError if it is not understood."""
    name = str(read_config(folder / "scheduler_config.json").get("_class_name"))
    short = name.removesuffix("Scheduler")
    if short in DISTILLED:
        raise DiffbenchError(
            f"weights: {folder}: a {name} belongs to a distilled model, whose answer is a sample, not the mean of x0"
            " that a denoiser estimates; give the model that it was distilled from"
        )
    readers = {TABLES: _table, FLOWS: _flow, PRECONDITIONED: _preconditioned, SCORES: _score}
    read = next((read for names, read in readers.items() if short in names), None)
    if read is None:
        raise DiffbenchError(
            f"weights: {folder}: a {name} is not understood; wrap the network in a factory of your own: {BY_HAND}"
        )
    try:
        scheduler = getattr(diffusers, name).from_pretrained(folder, local_files_only=True)
    except (AttributeError, ImportError, OSError, ValueError, TypeError, NotImplementedError) as error:
        raise DiffbenchError(f"weights: {folder}: {name}: {' '.join(str(error).split())}") from None
    try:
        return read(scheduler)
    except DiffbenchError as error:
        raise DiffbenchError(f"weights: {folder}: {name}: {error}") from None


def _table(scheduler: Any) -> Noising:
    """Of steps with alphas_cumprod, unless the scheduler is told to use a flow or EDM's continuous times."""
    config = scheduler.config
    prediction = _predicted(config, tuple(PREDICTIONS))
    if config.get("use_flow_sigmas"):
        return Noising(prediction, *_linear_flow(config))
    if prediction == "flow":
        raise DiffbenchError("prediction_type 'flow_prediction' needs use_flow_sigmas")
    if config.get("timestep_type") == "continuous" and prediction == "v":
        return Noising(prediction, PreconditionedSchedule(1.0), "PreconditionedSchedule(1.0)")
    squares = scheduler.alphas_cumprod.double().numpy()
    if config.get("rescale_betas_zero_snr"):
        squares[-1] = 0  # pure noise, which some schedulers replace by 2^-24: less noise than one step before
    schedule = TableSchedule.from_alphas_cumprod(squares)
    return Noising(prediction, schedule, "TableSchedule.from_alphas_cumprod(scheduler.alphas_cumprod)")


def _flow(scheduler: Any) -> Noising:
    """Of times that are num_train_timesteps times the share of noise; a shift moves both alike."""
    steps = float(scheduler.config.num_train_timesteps)
    if scheduler.config.get("invert_sigmas"):
        data_at_end = ContinuousSchedule(lambda t: t / steps, lambda t: 1 - t / steps, clean=steps, noisy=0)
        code = f"ContinuousSchedule(lambda t: t / {steps:g}, lambda t: 1 - t / {steps:g}, {steps:g}, 0)"
        return Noising("flow-to-data", data_at_end, code)
    return Noising("flow", *_linear_flow(scheduler.config))


def _linear_flow(config: Any) -> tuple[Schedule, str]:
    steps = float(config.num_train_timesteps)
    return linear_flow(steps), f"linear_flow({steps:g})"


def _preconditioned(scheduler: Any) -> Noising:
    """EDM's."""
    config = scheduler.config
    prediction = "edm" if _predicted(config, ("epsilon", "v_prediction")) == "epsilon" else "edm-v"
    return Noising(
        prediction, PreconditionedSchedule(config.sigma_data), f"PreconditionedSchedule({config.sigma_data})"
    )


def _score(scheduler: Any) -> Noising:
    """Variance exploding: x_t = x0 + sigma n, and the network is told sigma."""
    low, high = float(scheduler.config.sigma_min), float(scheduler.config.sigma_max)
    schedule = ContinuousSchedule(np.ones_like, lambda t: t, clean=low, noisy=high)
    return Noising("score", schedule, f"ContinuousSchedule(np.ones_like, lambda t: t, {low:g}, {high:g})")


def _predicted(config: Any, known: tuple[str, ...]) -> Prediction:
    given = config.get("prediction_type", "epsilon")
    if given not in known:
        raise DiffbenchError(f"prediction_type '{given}' is none of {', '.join(known)}")
    return PREDICTIONS[given]


def read_config(path: Path) -> dict[str, Any]:
    """A JSON object of diffusers."""
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DiffbenchError(f"weights: {path}: cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(config, dict):
        raise DiffbenchError(f"weights: {path}: is no JSON object")
    return config
