"""Networks of diffusers with text: embeddings reach the network as by hand, and what does not fit is refused."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diffbench.adapters.pipeline import pipeline
from diffbench.conventions import DiffbenchError
from tests.diffusers_models import (
    moment,
    save,
    save_text_encoder,
    tiny_pixart,
    tiny_sd3,
    tiny_sdxl,
    tiny_text_unet,
)


@pytest.fixture(scope="module")
def stable_diffusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as of Stable Diffusion: a U-Net of 4 channels with text, a text encoder and a VAE."""
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("stable-diffusion")
    save_text_encoder(folder)
    (folder / "vae").mkdir()
    return save(folder, tiny_text_unet(), "unet", "PNDMScheduler", skip_prk_steps=True)


@torch.no_grad()
def test_prompts_are_embedded_as_the_library_does(stable_diffusion: Path) -> None:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from diffusers.schedulers.scheduling_pndm import PNDMScheduler
    from transformers import CLIPTextModel, CLIPTokenizer

    model = tiny_text_unet()
    parts: Any = {
        "vae": AutoencoderKL(block_out_channels=(4,), norm_num_groups=2, latent_channels=4),
        "text_encoder": CLIPTextModel.from_pretrained(stable_diffusion / "text_encoder"),
        "tokenizer": CLIPTokenizer.from_pretrained(stable_diffusion / "tokenizer"),
    }
    none: Any = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    scheduler: Any = PNDMScheduler(skip_prk_steps=True)
    theirs: Any = StableDiffusionPipeline(unet=model, scheduler=scheduler, **parts, **none)
    cat, empty = theirs.encode_prompt("a cat", "cpu", 1, True)
    x, (alpha, noise) = torch.randn(2, 4, 8, 8), moment(500)
    sigma = torch.full((2,), noise / alpha)
    denoiser = pipeline(stable_diffusion, prompts=["a dog", "a cat"])
    for label, embedding in ((torch.tensor([1, 1]), cat), (None, empty), (cat.expand(2, -1, -1), cat)):
        output = model(alpha * x, torch.tensor(500), encoder_hidden_states=embedding.expand(2, -1, -1)).sample
        assert torch.allclose(denoiser(x, sigma, label), x - noise / alpha * output, atol=5e-4)
    (stable_diffusion / "captions.txt").write_text("a dog\na cat\n")
    again = pipeline(stable_diffusion, prompts="captions.txt")
    assert torch.equal(again(x, sigma, torch.tensor([1, 1])), denoiser(x, sigma, torch.tensor([1, 1])))


def test_conditions_and_latents_that_do_not_fit_are_refused(stable_diffusion: Path) -> None:
    denoiser, x, sigma = pipeline(stable_diffusion, prompts=["a", "b"]), torch.zeros(2, 4, 8, 8), torch.ones(2)
    for images, label, message in (
        (x, torch.zeros(2, 8, 12), r"encoder_hidden_states has the shape \(2, 8, 12\); the model's last axis has 16"),
        (x, torch.zeros(2, 5, 16), r"embeddings of \(5, 16\), the unconditional one of \(8, 16\); pad them"),
        (x, torch.tensor([0, 2]), "label 2 is asked for; there are 2 conditions, from 0"),
        (x[:, :3], None, r"made for latents of 4 channels, not 3; give latents as its VAE makes them, \(n, C, H, W\)"),
        (x[..., :4], None, "made for latents of 8x8, not 8x4; give its own$"),
    ):
        with pytest.raises(DiffbenchError, match=message):
            denoiser(images, sigma, label)
    with pytest.raises(DiffbenchError, match=r"the conditions are classes; give arguments: \{conditions: FILE.npy\}"):
        pipeline(stable_diffusion)(x, sigma, torch.tensor([0, 1]))
    np.save(stable_diffusion / "narrow.npy", np.zeros((3, 8, 12), np.float32))
    np.save(stable_diffusion / "infinite.npy", np.full((3, 8, 16), np.inf, np.float32))
    np.savez(stable_diffusion / "named.npz", embeddings=np.zeros((3, 8, 16), np.float32))
    np.save(stable_diffusion / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"conditions": "narrow.npy"}, r"conditions: encoder_hidden_states has the shape \(3, 8, 12\); .* has 16"),
        ({"unconditional": "narrow.npy"}, "unconditional: encoder_hidden_states has the shape"),
        ({"conditions": "named.npz"}, "conditions: holds embeddings; the model takes encoder_hidden_states"),
        ({"conditions": "infinite.npy"}, "infinite.npy: encoder_hidden_states .float32. must hold finite numbers"),
        ({"conditions": "objects.npy"}, "objects.npy: cannot be read"),
        ({"conditions": "absent.npy"}, "absent.npy: cannot be read"),
        ({"prompts": "absent.txt"}, "prompts: .*absent.txt"),
        ({"prompts": "../texts.txt"}, "prompts: ../texts.txt: give a file in the folder, or the whole path"),
        ({"conditions": "../c.npy"}, "conditions: ../c.npy: give a file in the folder, or the whole path"),
        ({"prompts": ["a"], "conditions": "narrow.npy"}, "give either conditions or prompts"),
        ({"null_label": 3}, "null_label: the model does not take it"),
    ]
    for arguments, message in refused:
        with pytest.raises(DiffbenchError, match=message):
            pipeline(stable_diffusion, **arguments)


def test_a_text_encoder_that_lacks_weights_is_refused(stable_diffusion: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(stable_diffusion, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "text_encoder/model.safetensors"
    state = load_file(file)
    del state[max(state)]
    save_file(state, file, {"format": "pt"})
    with pytest.raises(DiffbenchError, match=r"text_encoder: lacks .*; they are of another network"):
        pipeline(tmp_path, prompts=["a", "b"])


@torch.no_grad()
def test_embeddings_by_file_for_networks_that_take_several_arrays(tmp_path: Path) -> None:
    rng, x, sigma = np.random.default_rng(0), torch.randn(2, 4, 8, 8), 0.6
    arrays = {"encoder_hidden_states": rng.standard_normal((3, 5, 12)), "pooled_projections": np.ones((3, 10))}
    single = {name: array[2] for name, array in arrays.items()}
    np.savez(tmp_path / "conditions.npz", **arrays)
    np.savez(tmp_path / "null.npz", **single)
    given = {name: torch.tensor(array, dtype=torch.float32)[[0, 2]] for name, array in arrays.items()}
    model = tiny_sd3()
    save(tmp_path, model, "transformer", "FlowMatchEulerDiscreteScheduler", shift=3.0)
    t = sigma / (1 + sigma)
    x_t = (1 - t) * x
    expected = x_t - t * model(x_t, timestep=torch.full((2,), 1000 * t), **given).sample
    denoiser = pipeline(tmp_path, conditions="conditions.npz", unconditional="null.npz")
    sigmas = torch.full((2,), sigma)
    assert torch.allclose(denoiser(x, sigmas, torch.tensor([0, 2])), expected, atol=1e-5)
    assert torch.allclose(denoiser(x, sigmas, None)[1], expected[1], atol=1e-5)
    with pytest.raises(DiffbenchError, match="takes encoder_hidden_states, pooled_projections; give arguments"):
        denoiser(x, sigmas, torch.zeros(2, 5, 12))
    with pytest.raises(DiffbenchError, match=r"none stands for no condition; give arguments: \{unconditional"):
        pipeline(tmp_path)(x, sigmas, None)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["pixart", "pixart with sizes", "sdxl"])
def test_further_conditions_go_where_the_model_looks_for_them(kind: str, tmp_path: Path) -> None:
    rng, label = np.random.default_rng(0), torch.tensor([2, 0])
    shapes: dict[str, tuple[int, ...]]
    if kind == "sdxl":
        model, shapes = tiny_sdxl(), {"encoder_hidden_states": (3, 5, 16), "text_embeds": (3, 10), "time_ids": (3, 6)}
    else:
        model, shapes = tiny_pixart(use_additional_conditions=True), {"resolution": (3, 2), "aspect_ratio": (3, 1)}
        if kind == "pixart":
            model, shapes = tiny_pixart(), {}
        shapes |= {"encoder_hidden_states": (3, 5, 12), "encoder_attention_mask": (3, 5)}
    arrays = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    if kind != "sdxl":
        arrays["encoder_attention_mask"] = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0]])
    save(tmp_path, model, "unet" if kind == "sdxl" else "transformer")
    np.savez(tmp_path / "conditions.npz", **arrays)  # pyright: ignore[reportArgumentType]
    given: dict[str, Any] = {name: torch.tensor(array)[label] for name, array in arrays.items()}
    given = {name: array.float() if array.is_floating_point() else array for name, array in given.items()}
    apart = {
        name: given.pop(name) for name in ("text_embeds", "time_ids", "resolution", "aspect_ratio") if name in given
    }
    x, (alpha, noise) = torch.randn(2, 4, 8, 8), moment(600)
    given |= {"added_cond_kwargs": apart} if apart else {}
    output = model(alpha * x, timestep=torch.tensor([600, 600]), **given).sample[:, :4]
    denoised = pipeline(tmp_path, conditions="conditions.npz")(x, torch.full((2,), noise / alpha), label)
    assert torch.allclose(denoised, x - noise / alpha * output, atol=2e-3)
    del arrays["encoder_hidden_states"]
    np.savez(tmp_path / "conditions.npz", **arrays)  # pyright: ignore[reportArgumentType]
    with pytest.raises(DiffbenchError, match=r"conditions: holds .*; the model takes encoder_hidden_states, "):
        pipeline(tmp_path, conditions="conditions.npz")
