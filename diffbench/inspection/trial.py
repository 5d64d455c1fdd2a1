"""A first call of a model, before anything is read or computed: is what it makes of noise an estimate of images?"""

import numpy as np
import torch

from diffbench.conventions import DiffbenchError
from diffbench.data.raw_images import Facts
from diffbench.data.training_set import TrainingSet
from diffbench.denoisers.decoder import load_decoder
from diffbench.denoisers.external import ExternalDenoiser, Model, pixel_scale
from diffbench.settings.data import Decoder
from diffbench.settings.granularity import GIVEN, Granularity
from diffbench.settings.measures import GapSettings
from diffbench.settings.models import External
from diffbench.shapes import Float, Float32

SIGMAS = (0.1, 1.0)
"""Noise levels in the model's own scale: every model knows such."""


class Trial:
    """Calls of a model at two images with two conditions."""

    def __init__(self, definition: External, model: Model, facts: Facts, granularity: str, size: int) -> None:
        """size: of the training set."""
        self._definition, self._model, self._facts = definition, model, facts
        self._given = granularity == GIVEN
        self._labels = 2 if self._given else _label_count(facts, Granularity.parse(granularity), size)

    def first(self, device: torch.device) -> None:
        """On images of noise. DiffbenchError if an estimate is none, or if conditions change nothing."""
        x = 2 * torch.rand((2, *self._facts.shape), generator=torch.Generator().manual_seed(0)) - 1
        self._called(x.to(device), SIGMAS, device, (1.0, 0.0))

    def at_ends(self, training_set: TrainingSet, gap: GapSettings, device: torch.device) -> None:
        """On training images, at the ends of the noise range. DiffbenchError also if the model knows no such noise."""
        affine = pixel_scale(self._definition, training_set)
        x = torch.from_numpy(training_set.train[:2]).to(device)
        self._called(x, (gap.sigma_max, gap.sigma_min), device, affine, compared=False)

    def _called(
        self,
        x: Float[torch.Tensor, " 2 *shape"],
        sigmas: tuple[float, ...],
        device: torch.device,
        affine: tuple[float, float],
        compared: bool = True,
    ) -> None:
        name, label = self._definition.factory, torch.tensor([0, self._labels - 1], device=device)
        denoiser = ExternalDenoiser(self._model, name, device, affine, self._labels > 1, self._vectors())
        differs = False
        for level in sigmas:
            sigma = torch.full((2,), level, device=device)
            noised = x + level * torch.randn(x.shape, generator=torch.Generator().manual_seed(1)).to(device)
            estimate = denoiser(noised, sigma, label)
            differs |= compared and not torch.equal(estimate, denoiser(noised, sigma, label.flip(0)))
        if compared and self._labels > 1 and not differs:
            what, option = ("condition", "--conditions") if self._given else ("label", "--granularity")
            raise DiffbenchError(f"model '{name}': its estimates are the same with every {what}; leave {option} out")

    def _vectors(self) -> Float32[np.ndarray, " 2 *b"] | None:
        """Two conditions of the right shape."""
        if not self._given or self._facts.conditions is None:
            return None
        return np.random.default_rng(0).standard_normal((2, *self._facts.conditions), dtype=np.float32)


def try_decoder(definition: Decoder, shape: tuple[int, ...], device: torch.device) -> None:
    """Decode two latents of noise. DiffbenchError if that yields no pictures."""
    noise = np.random.default_rng(0).standard_normal((2, *shape), dtype=np.float32)
    load_decoder(definition, device).decoded(noise)


def _label_count(facts: Facts, granularity: Granularity, size: int) -> int:
    """How many labels the model is handed."""
    counts = {"none": 1, "classes": facts.classes, "unique": size}
    return counts.get(granularity.kind, granularity.count)
