"""Training: a generator of steps whose order, noise and weights are pure functions of (seed, step).

Training 0 -> N in one go or through any chain of milestones gives the same bytes. Callers own logging and saving.
"""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffbench.conventions import seed_of
from diffbench.denoisers.precond import Preconditioned, loss_weight
from diffbench.settings.training import TrainingSettings
from diffbench.shapes import Float, Int64
from diffbench.training.adam import Adam


@dataclass(frozen=True)
class TrainingStep:
    """What one step did. The losses, one per sample, stay on the device: reading them makes a GPU wait."""

    step: int
    losses: Float[Tensor, " batch"]


def weighted_error(
    denoised: Float[Tensor, " m *shape"], clean: Float[Tensor, " m *shape"], sigma: Float[Tensor, " m"], share: float
) -> tuple[Float[Tensor, " m"], Float[Tensor, " m *shape"]]:
    """Denoising loss per sample (Karras et al. 2022, eq. 2), per dimension, weighted by lambda of table 1.

    Also the gradient of share * sum(losses) along `denoised`: by hand, which spares autograd seven nodes, and with its
    order of products, so that it rounds as autograd does.
    """
    error, weight = denoised.detach() - clean, loss_weight(sigma)
    factor = (share * weight / math.prod(clean.shape[1:])).reshape(-1, *[1] * (clean.ndim - 1))
    return weight * error.square().flatten(1).mean(dim=1), factor * (2 * error)


def ema_exponent(length: float) -> float:
    """Exponent gamma of the power-function EMA whose profile has standard deviation `length`, a share of training.

    Karras et al. 2024 (EDM2), arXiv 2312.02696, eq. 126 / algorithm 2. The profile follows the steps so far: it knows
    nothing of the total.
    """
    inverse = length**-2
    return float(np.roots([1, 7, 16 - inverse, 12 - inverse]).real.max())


@lru_cache(maxsize=4)
def _epoch_order(images: int, seed: int, epoch: int) -> Int64[np.ndarray, " {images}"]:
    return np.random.default_rng(seed_of("order", seed, images, epoch)).permutation(images)


def batch_indices(images: int, batch: int, seed: int, step: int) -> Int64[np.ndarray, " {batch}"]:
    """Indices of the images of a step, counted from 0: the next piece of a stream of random permutations."""
    start, stop = step * batch, (step + 1) * batch
    epochs = range(start // images, (stop - 1) // images + 1)
    return np.concatenate(
        [_epoch_order(images, seed, epoch)[max(0, start - epoch * images) : stop - epoch * images] for epoch in epochs]
    )


class Batch(NamedTuple):
    """What one step trains on: images, their noise, its levels and the labels that the network is shown."""

    clean: Float[Tensor, " m *shape"]
    noise: Float[Tensor, " m *shape"]  # standard normal
    sigma: Float[Tensor, " m"]
    label: Int64[Tensor, " m"]

    @property
    def noised(self) -> Float[Tensor, " m *shape"]:
        """What the network sees."""
        return self.clean + self.sigma.reshape(-1, *[1] * (self.clean.ndim - 1)) * self.noise


class Trainer:
    """The state of a training: raw weights, their EMA, the optimizer and the number of steps done.

    The weights are moved into one buffer, of which the network's parameters become views, so that the EMA is one
    operation instead of one per parameter.
    """

    def __init__(self, network: Preconditioned, settings: TrainingSettings) -> None:
        self.network = network
        self.settings = settings
        self.step = 0
        self._parameters = list(network.parameters())
        self._weights = torch.empty(sum(p.numel() for p in self._parameters), device=self._parameters[0].device)
        for parameter, part in zip(self._parameters, self._parts(self._weights), strict=True):
            parameter.data = part.copy_(parameter.detach())
        self._ema = self._weights.clone()
        self._optimizer = Adam(self._weights, settings.learning_rate, self._parts)
        self._ema_power = ema_exponent(settings.ema_length) + 1

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self._weights.device

    @property
    def finite(self) -> bool:
        """Whether all weights are finite numbers; once they are not, training cannot mend them."""
        return bool(self._weights.isfinite().all())

    def state(self) -> dict[str, Any]:
        """A copy, on the CPU, of all that further training depends on; weights and EMA by the same names."""
        names = [name for name, _ in self.network.named_parameters()]
        ema = zip(names, self._parts(self._ema), strict=True)
        return {
            "step": self.step,
            "weights": {name: tensor.cpu().clone() for name, tensor in self.network.state_dict().items()},
            "ema": {name: tensor.cpu().clone() for name, tensor in ema},
            "optimizer": {name: tensor.cpu().clone() for name, tensor in self._optimizer.state.items()},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over a state that `state` returned."""
        self.step = state["step"]
        self.network.load_state_dict(state["weights"])
        for part, saved in zip(self._parts(self._ema), state["ema"].values(), strict=True):
            part.copy_(saved)
        for name, tensor in self._optimizer.state.items():
            tensor.copy_(state["optimizer"][name])

    def run(
        self, images: Float[Tensor, " n *shape"], labels: Int64[Tensor, " n"], seed: int, stop: int
    ) -> Iterator[TrainingStep]:
        """Train to step `stop` on images and labels that lie on the network's device."""
        self.network.train()
        while self.step < stop:
            batch = self._draw(images, labels, seed)
            with self._dropout_stream(seed):
                losses = self._backward(batch)
            self._update()
            yield TrainingStep(self.step, losses)

    def fits(self, images: Float[Tensor, " n *shape"], labels: Int64[Tensor, " n"], batch: int) -> bool:
        """Whether memory holds forward and backward of so many images at once. Changes no weight."""
        drawn = self._draw(images, labels, seed=0)
        try:
            self._backward_part(Batch(*(tensor[:batch] for tensor in drawn)))
        except torch.OutOfMemoryError:
            return False
        return True

    def _draw(self, images: Float[Tensor, " n *shape"], labels: Int64[Tensor, " n"], seed: int) -> Batch:
        """The batch of the next step: a pure function of seed and step."""
        generator = torch.Generator(images.device)
        generator.manual_seed(seed_of("noise", seed, self.step))

        def chosen(share: float) -> Tensor:
            return torch.rand(count, generator=generator, device=images.device) < share

        indices = torch.from_numpy(batch_indices(len(images), self.settings.batch, seed, self.step)).to(images.device)
        clean, label, count = images.index_select(0, indices), labels.index_select(0, indices), len(indices)
        noise = torch.randn(clean.shape, generator=generator, device=images.device)
        normal = torch.randn(count, generator=generator, device=images.device)
        sigma = (self.settings.sigma_log_mean + self.settings.sigma_log_std * normal).exp()
        if self.network.null_label > 1:  # a single label says nothing: nothing to drop
            label = label.masked_fill(chosen(self.settings.label_dropout), self.network.null_label)
        if self.settings.horizontal_flip:
            flipped = chosen(0.5).view(-1, *[1] * (clean.ndim - 1))
            clean = torch.where(flipped, clean.flip(-1), clean)
        return Batch(clean, noise, sigma, label)

    def _parts(self, flat: Float[Tensor, " total"]) -> list[Tensor]:
        """Views of a buffer, one per parameter, of its shape and order of dimensions in memory."""
        parts = zip(self._parameters, flat.split([p.numel() for p in self._parameters]), strict=True)
        return [part.as_strided(p.shape, p.stride(), part.storage_offset()) for p, part in parts]

    def _dropout_stream(self, seed: int) -> AbstractContextManager[None]:
        """Within it, dropout's masks depend on seed and step alone; the caller's random state is kept."""
        if self.settings.dropout == 0:
            return nullcontext()
        return _seeded(seed_of("dropout", seed, self.step), self.device)

    def _backward(self, batch: Batch) -> Float[Tensor, " m"]:
        """Gradients of the mean loss, summed over the parts of the batch. Returns the losses."""
        for parameter in self._parameters:
            parameter.grad = None
        parts = zip(*(tensor.chunk(self.settings.accumulation) for tensor in batch), strict=True)
        return torch.cat([self._backward_part(Batch(*part)) for part in parts])

    def _backward_part(self, batch: Batch) -> Float[Tensor, " m"]:
        bf16 = self.settings.precision == "bf16"
        with torch.autocast(batch.clean.device.type, torch.bfloat16, enabled=bf16):
            denoised = self.network(batch.noised, batch.sigma, batch.label)
        losses, gradient = weighted_error(denoised, batch.clean, batch.sigma, 1 / self.settings.batch)
        denoised.backward(gradient)
        return losses

    def _update(self) -> None:
        """One step of the optimizer and of the power-function EMA (EDM2, eq. 127)."""
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        self._optimizer.update(gradients)
        self.step += 1
        decay = math.pow(1 - 1 / self.step, self._ema_power)
        self._ema.lerp_(self._weights, 1 - decay)


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
