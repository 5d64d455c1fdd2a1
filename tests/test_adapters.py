"""Adapters: exact predictors of Gaussian data under several schedules give back the exact denoiser."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diffbench.adapters.pipeline import pipeline
from diffbench.adapters.prediction import Prediction, PredictionDenoiser
from diffbench.adapters.schedules import ContinuousSchedule, Schedule, TableSchedule, linear_flow
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
    }

    def network(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        time = t.numpy()
        a, s = (torch.from_numpy(np.asarray(f(time), np.float64)).view(-1, 1) for f in (alpha, sigma))
        of_data, of_noise = targets[prediction](a, s)
        gain = (of_data * a * VARIANCE + of_noise * s) / (a**2 * VARIANCE + s**2)
        return of_data * MEAN + gain * (x - a * MEAN)

    return network


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
    prediction=st.sampled_from(get_args(Prediction)),
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
    with pytest.raises(DiffbenchError, match="'noise' is not known; a network predicts one of epsilon, v"):
        PredictionDenoiser(lambda x, t, c: x, "noise", linear_flow())


def test_pure_noise_at_the_last_time_is_left_out() -> None:
    schedule = TableSchedule([0.9, 0.5, 0.0], [0.1, 0.8, 1.0])
    assert schedule.at(np.array([1.6])).time == pytest.approx(1.0)


# A diffusers pipeline on disk


def save(folder: Path, model: Any, part: str, **scheduler: Any) -> None:
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    model.save_pretrained(folder / part)
    DDPMScheduler(**scheduler).save_pretrained(folder / "scheduler")


def tiny_unet(**keys: Any) -> Any:
    from diffusers.models.unets.unet_2d import UNet2DModel

    torch.manual_seed(0)
    blocks: Any = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    sizes: Any = {"block_out_channels": (8, 16), "norm_num_groups": 4, "layers_per_block": 1}
    return UNet2DModel(**{"sample_size": 8, "in_channels": 1, "out_channels": 1} | blocks | sizes | keys).eval()


def tiny_dit() -> Any:
    from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

    torch.manual_seed(0)
    sizes: Any = {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 1, "norm_num_groups": 4}
    model = DiTTransformer2DModel(sample_size=8, in_channels=1, out_channels=2, num_embeds_ada_norm=10, **sizes)
    with torch.no_grad():
        for parameter in model.parameters():  # the last layers of a fresh one are zero
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


@pytest.mark.parametrize("predicted", ["epsilon", "v_prediction", "sample"])
@torch.no_grad()
def test_a_unet_pipeline_denoises_as_by_hand(tmp_path: Path, predicted: str) -> None:
    model = tiny_unet()
    save(tmp_path, model, "unet", prediction_type=predicted, beta_schedule="squaredcos_cap_v2")
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    cumulated = DDPMScheduler(beta_schedule="squaredcos_cap_v2").alphas_cumprod
    x, step = torch.randn(2, 1, 8, 8), 400
    alpha, noise = float(cumulated[step].sqrt()), float((1 - cumulated[step]).sqrt())
    output = model(alpha * x, torch.tensor(step)).sample
    expected = {
        "epsilon": x - noise / alpha * output,
        "v_prediction": alpha * alpha * x - noise * output,
        "sample": output,
    }[predicted]
    denoised = pipeline(tmp_path)(x, torch.full((2,), noise / alpha), None)
    assert torch.allclose(denoised, expected, atol=2e-4)


@torch.no_grad()
def test_a_dit_pipeline_denoises_as_by_hand_with_labels_and_its_null_class(tmp_path: Path) -> None:
    model = tiny_dit()
    save(tmp_path, model, "transformer", beta_schedule="linear")
    cumulated = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)
    x, step, label = torch.randn(2, 1, 8, 8), 300, torch.tensor([3, 7])
    alpha, noise = float(cumulated[step].sqrt()), float((1 - cumulated[step]).sqrt())
    times = torch.tensor([step, step])
    denoiser = pipeline(tmp_path)
    for asked, theirs in ((label, label), (None, torch.tensor([10, 10]))):
        epsilon = model(alpha * x, times, class_labels=theirs).sample[:, :1]
        denoised = denoiser(x, torch.full((2,), noise / alpha), asked)
        assert torch.allclose(denoised, x - noise / alpha * epsilon, atol=2e-4)
    assert not torch.equal(denoised, denoiser(x, torch.full((2,), noise / alpha), label))


def test_labels_that_do_not_suit_the_model_are_refused(tmp_path: Path) -> None:
    x, sigma, label = torch.zeros(2, 1, 8, 8), torch.ones(2), torch.tensor([0, 1])
    save(tmp_path / "plain", tiny_unet(), "unet")
    with pytest.raises(DiffbenchError, match="the model has no classes; use granularity none"):
        pipeline(tmp_path / "plain")(x, sigma, label)
    save(tmp_path / "classes", tiny_unet(num_class_embeds=4), "unet")
    with pytest.raises(DiffbenchError, match=r"give arguments: \{null_label: ...\}"):
        pipeline(tmp_path / "classes")(x, sigma, None)
    given_null = pipeline(tmp_path / "classes", null_label=3)
    assert torch.equal(given_null(x, sigma, None), given_null(x, sigma, torch.tensor([3, 3])))


def test_images_of_another_size_than_the_models_own_are_refused(tmp_path: Path) -> None:
    save(tmp_path, tiny_unet(), "unet")
    with pytest.raises(DiffbenchError, match="the model is made for images of 8x8, not 12x12"):
        pipeline(tmp_path)(torch.zeros(2, 1, 12, 12), torch.ones(2), None)
    save(tmp_path, tiny_unet(sample_size=None), "unet")
    assert pipeline(tmp_path)(torch.zeros(2, 1, 12, 12), torch.ones(2), None).shape == (2, 1, 12, 12)


def test_folders_that_are_no_such_pipeline_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DiffbenchError, match="holds no unet/ or transformer/"):
        pipeline(tmp_path)
    save(tmp_path, tiny_unet(), "unet", prediction_type="epsilon")
    scheduler = tmp_path / "scheduler/scheduler_config.json"
    for text, message in (
        (scheduler.read_text().replace("DDPMScheduler", "FlowMatchEulerDiscreteScheduler"), "has no alphas_cumprod"),
        (scheduler.read_text().replace('"epsilon"', '"flow_prediction"'), "'flow_prediction' is none of epsilon"),
        ("{", "scheduler_config.json: cannot be read"),
    ):
        scheduler.write_text(text)
        with pytest.raises(DiffbenchError, match=message):
            pipeline(tmp_path)
        save(tmp_path, tiny_unet(), "unet", prediction_type="epsilon")
    config = tmp_path / "unet/config.json"
    config.write_text(config.read_text().replace("UNet2DModel", "UNet2DConditionModel"))
    with pytest.raises(DiffbenchError, match="is a UNet2DConditionModel; UNet2DModel is understood there"):
        pipeline(tmp_path)
    save(tmp_path, tiny_unet(), "unet")
    (tmp_path / "unet/diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(DiffbenchError, match="unet: Error no file named"):
        pipeline(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "diffusers", None)
    with pytest.raises(DiffbenchError, match=r"needs the package diffusers .*pip install 'diffbench\[diffusers\]'"):
        pipeline(tmp_path)
