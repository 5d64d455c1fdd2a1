"""From a model's definition to a denoiser: fresh networks to train, finished denoisers to measure."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diffbench.conventions import DiffbenchError
from diffbench.data.training_set import TrainingSet
from diffbench.denoisers.base import Denoiser
from diffbench.denoisers.blurred import BlurredOptimalDenoiser
from diffbench.denoisers.dit import DiffusionTransformer
from diffbench.denoisers.external import ExternalDenoiser, load_external
from diffbench.denoisers.guidance import Guided
from diffbench.denoisers.mlp import ResidualMlp
from diffbench.denoisers.optimal import OptimalDenoiser
from diffbench.denoisers.precond import Preconditioned
from diffbench.denoisers.unet import ResidualUnet
from diffbench.files.checkpoint import read_checkpoint
from diffbench.settings.models import (
    Autoguided,
    Blurred,
    Constant,
    Dit,
    External,
    Mlp,
    ModelDefinition,
    Optimal,
    TrainedDefinition,
    Unet,
    check_shape,
)
from diffbench.shapes import Float, Float32, Int64


class ConstantDenoiser:
    """Control: ignores its input and returns the mean of the training images (n, *shape)."""

    def __init__(self, points: Float[Tensor, " n *shape"]) -> None:
        self.mean = points.mean(dim=0)

    def __call__(
        self, x: Float[Tensor, " m *shape"], sigma: Float[Tensor, " m"], label: Int64[Tensor, " m"] | None = None
    ) -> Float[Tensor, " m *shape"]:
        """The mean, whatever x is."""
        return self.mean.to(x.dtype).expand_as(x)


def fresh_network(
    definition: TrainedDefinition,
    shape: tuple[int, ...],
    label_count: int,
    seed: int,
    dropout: float = 0.0,
    vectors: Float32[np.ndarray, "labels d"] | None = None,
) -> Preconditioned:
    """A network for images of `shape` with its initial weights, a pure function of the seed, on the CPU.

    vectors: what labels stand for, of about unit size, where conditions are vectors.
    """
    check_shape(definition, shape)
    options = {"dropout": dropout, "vectors": None if vectors is None else torch.from_numpy(vectors)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Preconditioned(_raw_network(definition, shape, label_count, options), label_count)


def _raw_network(
    definition: TrainedDefinition, shape: tuple[int, ...], label_count: int, options: dict[str, Any]
) -> nn.Module:
    sizes = definition.model_dump(exclude={"kind"})
    match definition:
        case Mlp():
            return ResidualMlp(math.prod(shape), label_count, **sizes, **options)
        case Unet():
            return ResidualUnet(shape[0], label_count, **sizes, **options)
        case Dit():
            return DiffusionTransformer(shape, label_count, **sizes, **options)


def load_denoiser(
    definition: ModelDefinition,
    training_set: TrainingSet,
    checkpoint: Path | None,
    device: torch.device,
    made_by: str | None = None,
) -> Denoiser:
    """The denoiser that is measured: the checkpoint's EMA weights, or the closed form of the training set.

    made_by: fingerprint of the spec that must have made the checkpoint, if it is known.
    """
    points = torch.from_numpy(training_set.train).to(device)
    labels = torch.from_numpy(training_set.train_labels).to(device)
    match definition:
        case Mlp() | Unet() | Dit():
            if checkpoint is None:
                raise DiffbenchError("a trained model needs a checkpoint: give --checkpoint")
            shape, count = training_set.shape, training_set.label_count
            network = fresh_network(definition, shape, count, seed=0, vectors=training_set.scaled_vectors)
            network.load_state_dict(read_checkpoint(checkpoint, made_by)["ema"])
            return network.to(device).eval().requires_grad_(False)
        case Optimal():
            return OptimalDenoiser(points, labels)
        case Blurred(delta=delta):
            return BlurredOptimalDenoiser(OptimalDenoiser(points, labels), training_set.scaling.scaled_lengths(delta))
        case Autoguided():
            optimal = OptimalDenoiser(points, labels)
            better, worse = (
                BlurredOptimalDenoiser(optimal, training_set.scaling.scaled_lengths(delta))
                for delta in (definition.delta, definition.guide_delta)
            )
            return Guided(better, worse, definition.guidance)
        case Constant():
            return ConstantDenoiser(points)
        case External():
            return load_external(definition, training_set, device)
        case _:
            raise DiffbenchError(f"a model of kind '{definition.kind}' has no denoiser to measure")


def describe(denoiser: Denoiser, shape: tuple[int, ...]) -> dict[str, int]:
    """Size of a network: "parameters", and "flops_per_image" of one evaluation.

    Matrix products, convolutions and attention are counted, as is usual, and a multiply-add as two. Empty for a
    denoiser without a network; without the FLOPs where a network made elsewhere defies counting.
    """
    if isinstance(denoiser, Preconditioned):
        return _parameters(denoiser) | _flops(denoiser, shape, next(denoiser.parameters()).device)
    if not isinstance(denoiser, ExternalDenoiser) or denoiser.network is None:
        return {}
    try:
        flops = _flops(denoiser, shape, denoiser.device)
    except Exception:
        flops = {}
    return _parameters(denoiser.network) | flops


def _parameters(network: nn.Module) -> dict[str, int]:
    return {"parameters": sum(parameter.numel() for parameter in network.parameters())}


def _flops(denoiser: Denoiser, shape: tuple[int, ...], device: torch.device) -> dict[str, int]:
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    label = torch.zeros(1, dtype=torch.int64, device=device)
    with counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):  # fused attention on a CPU is not counted
        denoiser(torch.zeros(1, *shape, device=device), torch.ones(1, device=device), label)
    return {"flops_per_image": counter.get_total_flops()}
