"""A denoiser asked about any number of images: in batches that bound the memory of activations, and that fit."""

import sys

import torch
from torch import Tensor

from diffbench.denoisers.base import BATCH, Denoiser
from diffbench.denoisers.progress import evaluated
from diffbench.shapes import Float, Int64


class Batched:
    """`denoiser` in batches of at most `batch` images; where GPU memory does not hold one, of half as many.

    The size that fits is told on standard error. Results are those of any other size, bit for bit, where the denoiser
    computes each image alike in every batch: noise and labels are given, and nothing is drawn here. On a CPU nothing
    runs out in this way. torch.OutOfMemoryError that says so where memory does not hold a single image.
    """

    def __init__(self, denoiser: Denoiser, batch: int = BATCH) -> None:
        self.denoiser = denoiser
        self.batch = batch

    def __call__(
        self, x: Float[Tensor, " m *shape"], sigma: Float[Tensor, " m"], label: Int64[Tensor, " m"] | None = None
    ) -> Float[Tensor, " m *shape"]:
        """Estimates of x0, as the denoiser has them."""
        parts: list[Tensor] = []
        done, told = 0, self.batch
        while done < len(x):
            some = slice(done, done + self.batch)
            part, problem = self._attempt(x[some], sigma[some], None if label is None else label[some])
            if part is None:
                self.batch = _half(len(x[some]), problem)
                continue
            parts.append(part)
            done += len(part)
            evaluated(len(part))
        if self.batch < told:
            print(f"note: GPU memory does not hold {told} images at once; going on with {self.batch}", file=sys.stderr)
        return torch.cat(parts)

    def at_level(
        self, noised: Float[Tensor, " m *shape"], sigma: float, label: Int64[Tensor, " m"]
    ) -> Float[Tensor, " m *shape"]:
        """The same of images that are all at one noise level."""
        return self(noised, torch.full((len(noised),), sigma, device=noised.device), label)

    def _attempt(
        self, x: Float[Tensor, " b *shape"], sigma: Float[Tensor, " b"], label: Int64[Tensor, " b"] | None
    ) -> tuple[Float[Tensor, " b *shape"] | None, str]:
        """Estimates, or why there was no memory for them; by then the frames that held it are gone."""
        try:
            return self.denoiser(x, sigma, label), ""
        except torch.OutOfMemoryError as error:
            return None, " ".join(str(error).split())


def _half(images: int, problem: str) -> int:
    """The size of batch to try after one of so many images."""
    if images == 1:
        raise torch.OutOfMemoryError(f"not even one image fits: {problem}")
    return images // 2
