"""Folders of diffusers: the denoiser is what calling the library's own classes by hand gives, at the same noise."""

import json
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from diffbench.adapters.conditions import encode
from diffbench.adapters.libraries import hide_broken_torchvision
from diffbench.adapters.pipeline import pipeline
from diffbench.conventions import DiffbenchError
from tests.diffusers_models import (
    moment,
    save,
    tiny_dit,
    tiny_unet,
)


@pytest.mark.parametrize("predicted", ["epsilon", "v_prediction", "sample"])
@torch.no_grad()
def test_a_unet_pipeline_denoises_as_by_hand(tmp_path: Path, predicted: str) -> None:
    model = tiny_unet()
    save(tmp_path, model, "unet", prediction_type=predicted)
    x, step = torch.randn(2, 1, 8, 8), 400
    alpha, noise = moment(step)
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
    save(tmp_path, model, "transformer")
    step, label = 300, torch.tensor([3, 7])
    x, (alpha, noise) = torch.randn(2, 1, 8, 8), moment(step)
    denoiser = pipeline(tmp_path)
    for asked, theirs in ((label, label), (None, torch.tensor([10, 10]))):
        epsilon = model(alpha * x, torch.tensor([step, step]), class_labels=theirs).sample[:, :1]
        denoised = denoiser(x, torch.full((2,), noise / alpha), asked)
        assert torch.allclose(denoised, x - noise / alpha * epsilon, atol=2e-4)
    assert not torch.equal(denoised, denoiser(x, torch.full((2,), noise / alpha), label))
    config = tmp_path / "transformer/config.json"  # as the first DiTs were saved, of facebook's
    config.write_text(config.read_text().replace("DiTTransformer2DModel", "Transformer2DModel"))
    assert torch.equal(pipeline(tmp_path)(x, torch.full((2,), noise / alpha), None), denoised)


@torch.no_grad()
def test_edm_and_flow_pipelines_see_their_own_times(tmp_path: Path) -> None:
    model, x, sigma = tiny_unet(), torch.randn(2, 1, 8, 8), 0.8
    save(tmp_path, model, "unet", "EDMEulerScheduler", sigma_data=0.6)
    total = (sigma**2 + 0.36) ** 0.5
    output = model(x / total, torch.full((2,), np.log(sigma) / 4)).sample
    denoised = pipeline(tmp_path)(x, torch.full((2,), sigma), None)
    assert torch.allclose(denoised, 0.36 / total**2 * x + sigma * 0.6 / total * output, atol=1e-5)
    save(tmp_path, model, "unet", "FlowMatchEulerDiscreteScheduler", shift=3.0)
    t = sigma / (1 + sigma)
    x_t = (1 - t) * x
    expected = x_t - t * model(x_t, torch.full((2,), 1000 * t)).sample
    assert torch.allclose(pipeline(tmp_path)(x, torch.full((2,), sigma), None), expected, atol=1e-5)


@torch.no_grad()
def test_times_are_rounded_where_the_network_looks_them_up_in_a_table(tmp_path: Path) -> None:
    model = tiny_unet(time_embedding_type="learned", num_train_timesteps=1000)
    save(tmp_path, model, "unet", prediction_type="sample")
    x, (before, after) = torch.randn(1, 1, 8, 8), (noise / alpha for alpha, noise in map(moment, (400, 401)))
    sigma = 1.0001 * (before * after) ** 0.5  # just beyond the middle between two steps
    alpha = 1 / np.hypot(1, sigma)
    expected = model(x * alpha, torch.tensor([401])).sample
    assert torch.allclose(pipeline(tmp_path)(x, torch.tensor([sigma]), None), expected, atol=1e-5)


@torch.no_grad()
def test_a_choice_of_folder_and_a_model_without_a_pipeline(tmp_path: Path) -> None:
    from diffusers.training_utils import EMAModel

    plain, averaged = tiny_unet(), tiny_unet()
    for parameter in averaged.parameters():
        parameter.mul_(0.9)
    kept = EMAModel(averaged.parameters(), model_cls=type(plain), model_config=plain.config)  # as training scripts do
    kept.save_pretrained(tmp_path / "checkpoint-500/unet_ema")
    save(tmp_path, plain, "unet")
    x, sigma = torch.randn(1, 1, 8, 8), torch.ones(1)
    ema = pipeline(tmp_path, subfolder="checkpoint-500/unet_ema")(x, sigma, None)
    assert not torch.equal(ema, pipeline(tmp_path)(x, sigma, None))
    shutil.copytree(tmp_path / "checkpoint-500/unet_ema", tmp_path / "alone")
    shutil.copytree(tmp_path / "scheduler", tmp_path / "alone/scheduler")
    assert torch.equal(pipeline(tmp_path / "alone")(x, sigma, None), ema)
    shutil.move(tmp_path / "alone/scheduler/scheduler_config.json", tmp_path / "alone")  # as the first pipelines lay
    assert torch.equal(pipeline(tmp_path / "alone")(x, sigma, None), ema)
    averaged.save_pretrained(tmp_path / "half", variant="fp16")
    shutil.copytree(tmp_path / "scheduler", tmp_path / "half/scheduler")
    assert torch.equal(pipeline(tmp_path / "half")(x, sigma, None), ema)
    with pytest.raises(DiffbenchError, match=r"holds no unet_best/ with a config.json .* are alone, half, .*unet$"):
        pipeline(tmp_path, subfolder="unet_best")
    shutil.rmtree(tmp_path / "half/scheduler")
    with pytest.raises(DiffbenchError, match=r"holds no scheduler/ .* save the scheduler .*linear_flow\(\)\)"):
        pipeline(tmp_path / "half")


@torch.no_grad()
def test_a_state_dict_of_a_folders_network(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    model = tiny_unet()
    save(tmp_path, model, "unet")
    for parameter in model.parameters():
        parameter.mul_(0.9)
    torch.save({"ema": model.state_dict(), "step": 5}, tmp_path / "last.pt")
    save_file(model.state_dict(), tmp_path / "last.safetensors")
    x, sigma, folder = torch.randn(1, 1, 8, 8), torch.ones(1), str(tmp_path)
    first = pipeline(tmp_path / "last.safetensors", folder=folder)(x, sigma, None)
    assert torch.equal(pipeline(tmp_path / "last.pt", folder=folder, key="ema")(x, sigma, None), first)
    assert not torch.equal(pipeline(tmp_path)(x, sigma, None), first)
    torch.save(tiny_unet(block_out_channels=(4, 8)).state_dict(), tmp_path / "other.pt")
    (tmp_path / "evil.pt").write_bytes(pickle.dumps(DiffbenchError("code")))
    (tmp_path / "cut.safetensors").write_bytes(b"{}")
    for name, key, message in (
        ("last.pt", None, r"last.pt: is no state dict; it holds ema, step; give arguments: \{key: ...\}"),
        ("last.pt", "model", "has no 'model'; it holds ema, step"),
        ("other.pt", None, "other.pt: .*size mismatch"),
        ("evil.pt", None, "evil.pt: cannot be read: it holds more than tensors, and no code of it is run here"),
        ("cut.safetensors", None, "cut.safetensors: cannot be read"),
        ("unet", None, "unet: is a folder; give the file of a state dict"),
    ):
        with pytest.raises(DiffbenchError, match=message):
            pipeline(tmp_path / name, folder=folder, key=key)
    with pytest.raises(DiffbenchError, match=r"is no folder; a file of weights needs arguments: \{folder: ...\}"):
        pipeline(tmp_path / "last.pt")


def test_a_folder_that_lacks_weights_is_refused_not_filled_with_noise(tmp_path: Path) -> None:
    """The library warns alone, as where names begin with the module. of a parallel training."""
    from safetensors.torch import load_file, save_file

    save(tmp_path, tiny_unet(), "unet")
    file = tmp_path / "unet/diffusion_pytorch_model.safetensors"
    whole = load_file(file)
    for state, message in (
        ({name: value for name, value in whole.items() if name != "conv_out.bias"}, r"lacks conv_out\.bias"),
        (whole | {"more.bias": torch.ones(1)}, r"holds what the network does not have: more\.bias"),
        ({f"module.{name}": value for name, value in whole.items()}, r"lacks conv_in\.bias, .* more"),
    ):
        save_file(state, file, {"format": "pt"})
        with pytest.raises(DiffbenchError, match=rf"unet: {message}; they are of another network"):
            pipeline(tmp_path)
    save_file(whole, file, {"format": "pt"})
    with pytest.raises(DiffbenchError, match="arguments: key: goes with a file of weights, and folder:"):
        pipeline(tmp_path, key="ema")


def test_labels_that_do_not_suit_the_model_are_refused(tmp_path: Path) -> None:
    x, sigma, label = torch.zeros(2, 1, 8, 8), torch.ones(2), torch.tensor([0, 4])
    save(tmp_path / "plain", tiny_unet(), "unet")
    with pytest.raises(DiffbenchError, match="the model takes no conditions; use granularity none"):
        pipeline(tmp_path / "plain")(x, sigma, label)
    with pytest.raises(DiffbenchError, match="arguments: null_label: the model does not take it"):
        pipeline(tmp_path / "plain", null_label=0)
    save(tmp_path / "classes", tiny_unet(num_class_embeds=4), "unet")
    denoiser = pipeline(tmp_path / "classes")
    for given, message in (
        (None, r"give arguments: \{null_label: ...\}"),
        (label, "label 4 is asked for; there are 4 classes, from 0"),
        (torch.zeros(2, 3), "has classes, and the conditions are vectors; use granularity classes"),
    ):
        with pytest.raises(DiffbenchError, match=message):
            denoiser(x, sigma, given)
    given_null = pipeline(tmp_path / "classes", null_label=3)
    assert torch.equal(given_null(x, sigma, None), given_null(x, sigma, torch.tensor([3, 3])))
    with pytest.raises(DiffbenchError, match="null_label: 4 is none of the model's classes, 0 to 3"):
        pipeline(tmp_path / "classes", null_label=4)


def test_images_of_another_shape_than_the_models_own_are_refused(tmp_path: Path) -> None:
    save(tmp_path, tiny_unet(), "unet")
    with pytest.raises(DiffbenchError, match=r"made for images of 8x8, not 12x12; give its own, or data.resize"):
        pipeline(tmp_path)(torch.zeros(2, 1, 12, 12), torch.ones(2), None)
    with pytest.raises(DiffbenchError, match=r"made for images of 1 channels, not 3$"):
        pipeline(tmp_path)(torch.zeros(2, 3, 8, 8), torch.ones(2), None)
    save(tmp_path, tiny_unet(sample_size=None), "unet")
    assert pipeline(tmp_path)(torch.zeros(2, 1, 12, 12), torch.ones(2), None).shape == (2, 1, 12, 12)


def test_folders_that_are_no_such_pipeline_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DiffbenchError, match="holds no unet/ or transformer/"):
        pipeline(tmp_path)
    save(tmp_path, tiny_unet(), "unet", "FlowMatchEulerDiscreteScheduler")
    config = tmp_path / "unet/config.json"
    saved = config.read_text()
    config.write_text(saved.replace("UNet2DModel", "FluxTransformer2DModel"))
    by_hand = r'return PredictionDenoiser\(network, "flow", linear_flow\(1000\)\) from a factory of your own'
    with pytest.raises(DiffbenchError, match=f"a FluxTransformer2DModel is not understood .*{by_hand}"):
        pipeline(tmp_path)
    config.write_text(json.dumps(json.loads(saved) | {"class_embed_type": "identity"}))
    with pytest.raises(DiffbenchError, match="class_embed_type 'identity' is not understood"):
        pipeline(tmp_path)
    save(tmp_path, tiny_unet(in_channels=3), "unet")
    with pytest.raises(DiffbenchError, match="takes 3 channels and returns 1, so it needs more than a noised image"):
        pipeline(tmp_path)
    for path in (tmp_path / "unet").glob("*.safetensors"):
        path.unlink()
    with pytest.raises(DiffbenchError, match="unet: Error no file named"):
        pipeline(tmp_path)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(DiffbenchError, match=r"needs the package transformers .*pip install"):
        encode(tmp_path, ["a cat"])
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(DiffbenchError, match=r"needs the package diffusers .*pip install 'diffbench\[diffusers\]'"):
        pipeline(tmp_path)


def test_a_torchvision_that_does_not_fit_torch_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Diffusers and transformers go without one, but not with one that cannot be imported."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision/part.py").write_text("")
    broken = "import torchvision.part\nraise RuntimeError('operator torchvision::nms does not exist')\n"
    (tmp_path / "torchvision/__init__.py").write_text(broken)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    hide_broken_torchvision()
    left = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith("torchvision")}
    assert left == {"torchvision": None}
