"""The decoder of an AutoencoderKL of diffusers, for the key decoder: "diffbench.adapters.autoencoder:autoencoder_kl".

It needs the package diffusers (the extra `diffusers`) and no network. Latents are stored either as the encoder gives
them, or as pipelines hand them to their denoiser (and as DiT and SiT write them): shifted and multiplied by numbers of
the folder's config.json. The values do not tell which.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from diffbench.adapters.libraries import library
from diffbench.adapters.pretrained import pretrained
from diffbench.adapters.scheduler import read_config
from diffbench.conventions import DiffbenchError
from diffbench.shapes import Float


def autoencoder_kl(weights: Path, scaled: bool | None = None) -> nn.Module:
    """What turns latents into pictures in [-1, 1], of a folder that save_pretrained wrote, or a pipeline's with vae/.

    scaled: whether latents are (z - shift_factor) * scaling_factor, or normalised by latents_mean and latents_std
    where the folder has these, rather than the encoder's z. DiffbenchError for what the folder lacks.
    """
    if scaled is None:
        raise DiffbenchError(
            "needs the argument scaled: true if latents are multiplied by scaling_factor, as pipelines, DiT and SiT"
            " have them; false if they are as the encoder gave them"
        )
    folder = weights / "vae" if (weights / "vae" / "config.json").is_file() else weights
    if not (folder / "config.json").is_file():
        raise DiffbenchError(f"weights: {weights}: holds no config.json of an AutoencoderKL, nor vae/config.json")
    kind = library("diffusers").AutoencoderKL
    written = read_config(folder / "config.json").get("_class_name", kind.__name__)
    if written != kind.__name__:
        raise DiffbenchError(f"weights: {folder}: is a {written}; {kind.__name__} is understood")
    model = pretrained(kind, folder, needed=("decoder.", "post_quant_conv."))
    return AutoencoderDecoder(model, scaled)


class AutoencoderDecoder(nn.Module):
    """The decoder half of an AutoencoderKL."""

    def __init__(self, model: Any, scaled: bool) -> None:
        super().__init__()
        self.model = model
        self._to_codes = _to_codes(model.config) if scaled else lambda latents: latents
        self._channels = int(model.config.latent_channels)

    def forward(self, latents: Float[Tensor, "m channels h w"]) -> Float[Tensor, "m c height width"]:
        """Pictures in [-1, 1]."""
        if latents.shape[1] != self._channels:
            raise DiffbenchError(
                f"takes latents of {self._channels} channels, not {latents.shape[1]}; of means beside deviations take"
                f" the first by data.channels: {self._channels}"
            )
        return self.model.decode(self._to_codes(latents)).sample


def _to_codes(config: Any) -> Callable[[Tensor], Tensor]:
    """From latents as a denoiser has them to what the autoencoder decodes, as diffusers' pipelines go about it."""
    factor = float(config.scaling_factor)
    mean, std = config.get("latents_mean"), config.get("latents_std")
    if mean is not None and std is not None:
        shift, width = (torch.tensor(each).view(1, -1, 1, 1) for each in (mean, std))
        return lambda latents: latents * width.to(latents) / factor + shift.to(latents)
    offset = float(config.get("shift_factor") or 0.0)
    return lambda latents: latents / factor + offset
