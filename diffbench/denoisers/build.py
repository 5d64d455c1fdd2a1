"""From a model's definition to a denoiser: fresh networks for training, and finished denoisers for measuring."""

from pathlib import Path

import torch
from torch import Tensor

from diffbench.conventions import DiffbenchError
from diffbench.data.training_set import TrainingSet
from diffbench.denoisers.base import Denoiser
from diffbench.denoisers.blurred import BlurredOptimalDenoiser
from diffbench.denoisers.checkpoint import read_checkpoint
from diffbench.denoisers.definitions import Blurred, Constant, Mlp, ModelDefinition, Optimal
from diffbench.denoisers.mlp import ResidualMlp
from diffbench.denoisers.optimal import OptimalDenoiser
from diffbench.denoisers.precond import Preconditioned


class ConstantDenoiser:
    """Control: ignores its input and returns the mean of the training images (n, *shape)."""

    def __init__(self, points: Tensor) -> None:
        self.mean = points.mean(dim=0)

    def __call__(self, x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        return self.mean.to(x.dtype).expand_as(x)


def fresh_network(definition: Mlp, shape: tuple[int, ...], label_count: int, seed: int) -> Preconditioned:
    """A network with its initial weights, a pure function of the seed, on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        dimension = int(torch.tensor(shape).prod())
        network = ResidualMlp(dimension, label_count, definition.width, definition.blocks)
    return Preconditioned(network, label_count)


def load_denoiser(
    definition: ModelDefinition, training_set: TrainingSet, checkpoint: Path | None, device: torch.device
) -> Denoiser:
    """The denoiser that is measured: the checkpoint's EMA weights, or the closed form of the training set."""
    points = torch.from_numpy(training_set.train).to(device)
    labels = torch.from_numpy(training_set.train_labels).to(device)
    match definition:
        case Mlp():
            if checkpoint is None:
                raise DiffbenchError("a trained model needs a checkpoint: give --checkpoint")
            network = fresh_network(definition, training_set.shape, training_set.label_count, seed=0)
            network.load_state_dict(read_checkpoint(checkpoint)["ema"])
            return network.to(device).eval().requires_grad_(False)
        case Optimal():
            return OptimalDenoiser(points, labels)
        case Blurred():
            return BlurredOptimalDenoiser(OptimalDenoiser(points, labels), definition.delta * training_set.scale)
        case Constant():
            return ConstantDenoiser(points)
        case _:
            raise DiffbenchError(f"a model of kind '{definition.kind}' has no denoiser to measure")
