"""Training: a generator of steps whose order, noise and weights are pure functions of (seed, step).

Training 0 -> N in one go or through any chain of milestones gives the same bytes. Callers own logging and saving.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffbench.conventions import seed_of
from diffbench.denoisers.base import Denoiser
from diffbench.denoisers.precond import Preconditioned, loss_weight
from diffbench.protocol import TrainingProtocol


@dataclass(frozen=True)
class TrainingStep:
    """What one step did. The per-sample losses (batch,) stay on the device: reading them makes a GPU wait."""

    step: int
    losses: Tensor


def denoising_loss(denoiser: Denoiser, clean: Tensor, noise: Tensor, sigma: Tensor, label: Tensor | None) -> Tensor:
    """Weighted denoising loss per sample, unreduced: clean and noise (m, *shape), sigma (m,) -> (m,). EDM eq. 2."""
    s = sigma.reshape(-1, *[1] * (clean.ndim - 1))
    error = denoiser(clean + s * noise, sigma, label) - clean
    return loss_weight(sigma) * error.square().flatten(1).mean(dim=1)


def ema_exponent(length: float) -> float:
    """Exponent gamma of the power-function EMA whose profile has standard deviation `length` as a share of training.

    Karras et al. 2024 (EDM2), arXiv 2312.02696, eq. 126 / algorithm 2. The profile follows the steps so far: it knows
    nothing of the total.
    """
    inverse = length**-2
    return float(np.roots([1, 7, 16 - inverse, 12 - inverse]).real.max())


@lru_cache(maxsize=4)
def _epoch_order(images: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed_of("order", seed, images, epoch)).permutation(images)


def batch_indices(images: int, batch: int, seed: int, step: int) -> NDArray[np.int64]:
    """Indices of the images of a step, counted from 0: consecutive pieces of a stream of random permutations."""
    positions = np.arange(step * batch, (step + 1) * batch)
    epochs = positions // images
    parts = [
        _epoch_order(images, seed, int(epoch))[positions[epochs == epoch] % images] for epoch in np.unique(epochs)
    ]
    return np.concatenate(parts)


class Trainer:
    """The state of a training: raw weights, their EMA, the optimizer and the number of steps done."""

    def __init__(self, network: Preconditioned, protocol: TrainingProtocol) -> None:
        self.network = network
        self.protocol = protocol
        self.step = 0
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.ema = [p.detach().clone() for p in self.parameters]
        self.optimizer = torch.optim.Adam(
            self.parameters, lr=protocol.learning_rate, betas=(0.9, 0.99), eps=1e-8, fused=True
        )
        self._ema_power = ema_exponent(protocol.ema_length) + 1

    def state(self) -> dict[str, Any]:
        """Everything that further training depends on, on the CPU; EMA under the names of the network's weights."""
        names = [name for name, p in self.network.named_parameters() if p.requires_grad]
        return {
            "step": self.step,
            "weights": {name: tensor.cpu().clone() for name, tensor in self.network.state_dict().items()},
            "ema": {name: tensor.cpu().clone() for name, tensor in zip(names, self.ema, strict=True)},
            "optimizer": self.optimizer.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over a state that `state` returned."""
        self.step = state["step"]
        self.network.load_state_dict(state["weights"])
        for tensor, saved in zip(self.ema, state["ema"].values(), strict=True):
            tensor.copy_(saved)
        self.optimizer.load_state_dict(state["optimizer"])

    def run(self, images: Tensor, labels: Tensor, seed: int, stop: int) -> Iterator[TrainingStep]:
        """Train to step `stop` on images (n, *shape) and labels (n,), which lie on the network's device."""
        self.network.train()
        generator = torch.Generator(images.device)
        while self.step < stop:
            indices = torch.from_numpy(batch_indices(len(images), self.protocol.batch, seed, self.step))
            indices = indices.to(images.device)
            generator.manual_seed(seed_of("noise", seed, self.step))
            losses = self._losses(images[indices], labels[indices], generator)
            self.optimizer.zero_grad()
            losses.mean().backward()
            self.optimizer.step()
            self.step += 1
            self._update_ema()
            yield TrainingStep(self.step, losses.detach())

    def _losses(self, clean: Tensor, label: Tensor, generator: torch.Generator) -> Tensor:
        def drawn(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, device=clean.device)

        noise = drawn(*clean.shape)
        sigma = (self.protocol.sigma_log_mean + self.protocol.sigma_log_std * drawn(len(clean))).exp()
        if self.network.null_label > 1:  # a single label says nothing: nothing to drop
            dropped = torch.rand(len(clean), generator=generator, device=clean.device) < self.protocol.label_dropout
            label = label.masked_fill(dropped, self.network.null_label)
        return denoising_loss(self.network, clean, noise, sigma, label)

    def _update_ema(self) -> None:
        decay = math.pow(1 - 1 / self.step, self._ema_power)
        torch._foreach_lerp_(self.ema, [p.detach() for p in self.parameters], 1 - decay)
