"""Models "made elsewhere" for tests: factories as users write them."""

import argparse
import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from diffbench.adapters.prediction import PredictionDenoiser
from diffbench.adapters.schedules import ContinuousSchedule


class Shrinking(nn.Module):
    """The optimum for pixels ~ N(mean, variance): exact at every sigma; labels shift the mean."""

    def __init__(self, mean: float, variance: float, shift: float = 0.0) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.tensor(mean))
        self.variance, self.shift = variance, shift

    def forward(self, x: Tensor, sigma: Tensor, label: Tensor | None) -> Tensor:
        """Posterior mean."""
        s = sigma.view(-1, *[1] * (x.ndim - 1))
        mean = self.mean if label is None else self.mean + self.shift * label.view_as(s)
        return mean + self.variance / (self.variance + s**2) * (x - mean)


def shrinking(mean: float = -0.4, variance: float = 0.3, shift: float = 0.0, weights: Path | None = None) -> Shrinking:
    """A module; its mean is in the file of weights, where there is one."""
    model = Shrinking(mean, variance, shift)
    if weights is not None:
        model.load_state_dict(torch.load(weights, weights_only=True))
    return model


def noiseless(largest: float):
    """A denoiser of a schedule that ends: sigma / alpha = t / (1 - t), up to `largest`."""
    schedule = ContinuousSchedule(lambda t: 1 - t, lambda t: t, noisy=largest / (1 + largest))
    return PredictionDenoiser(lambda x, t, label: torch.zeros_like(x), "sample", schedule)


def broken(how: str):
    """A denoiser that is wrong in one way."""
    if how == "factory raises":
        raise ValueError("no such width\nat all")
    if how == "no function":
        return 7

    def denoise(x: Tensor, sigma: Tensor, label: Tensor | None):
        outputs = {
            "none": lambda: None,
            "array": x.numpy,
            "shape": lambda: x[:, :, 1:],
            "batch": lambda: x[:1],
            "nan": lambda: torch.where(sigma.view(-1, 1, 1, 1) > 1, math.nan, x),
            "inf": lambda: x / 0,
            "half": x.half,
            "whole": lambda: x.round().long(),
            "raises": lambda: x @ torch.ones(3, 3),
            "needs label": lambda: x + label.view(-1, 1, 1, 1),  # pyright: ignore[reportOptionalMemberAccess]
        }
        return outputs[how]()

    return denoise


not_a_function = 3


def writing(returns: str):
    """A denoiser that writes into all that it is handed, and whose result is its own memory or that of its input."""
    reused = torch.empty(0)

    def denoise(x: Tensor, sigma: Tensor, label: Tensor | None) -> Tensor:
        nonlocal reused
        if reused.shape != x.shape:
            reused = torch.empty_like(x)
        result = {"its own buffer": lambda: reused.copy_(x).mul_(0.5), "its input": lambda: x.mul_(0.5)}[returns]()
        sigma.zero_()
        if label is not None:
            label.fill_(7)
        return result

    return denoise


def ending(how: str):
    """A factory, or a denoiser, that ends the program in one way."""
    print("text for people")

    def end(*_: object) -> None:
        match how.removesuffix(" called"):
            case "exit":
                sys.exit("enough")
            case "parser":
                print("more text")
                parser = argparse.ArgumentParser(prog="train.py")
                parser.add_argument("--data", required=True)
                parser.parse_args()
            case "base exception":
                raise BaseExceptionGroup("several", [GeneratorExit()])
            case "interrupt":
                raise KeyboardInterrupt

    if not how.endswith(" called"):
        end()
    return end


def linear_gaussian(weights: Path):
    """The exact denoiser of x ~ N(A v, t^2 I) given the vector v; without one, of v ~ N(0, I)."""
    stored = np.load(weights)
    matrix, spread = torch.from_numpy(stored["matrix"]).float(), float(stored["spread"])
    variances, axes = torch.linalg.eigh(matrix @ matrix.T)  # of the mean

    def denoise(x: Tensor, sigma: Tensor, label: Tensor | None) -> Tensor:
        flat, noise = x.flatten(1), sigma[:, None] ** 2
        if label is None:
            total = variances.clamp(min=0) + spread**2
            return ((flat @ axes) * total / (total + noise) @ axes.T).view_as(x)
        assert label.dtype == torch.float32
        return ((spread**2 * flat + noise * (label @ matrix.T)) / (spread**2 + noise)).view_as(x)

    return denoise


def scheduled():
    """A network of a schedule that knows little noise."""
    from diffbench.adapters.prediction import PredictionDenoiser
    from diffbench.adapters.schedules import TableSchedule

    return PredictionDenoiser(
        lambda x, t, label: x, "epsilon", TableSchedule.from_alphas_cumprod(np.linspace(0.99, 0.2, 50))
    )
