"""Ready factories for networks of one's own: `edm`, `velocity` and `azula` build one, load its weights and wrap it.

In a study or an inspection, arguments say which: {network: "package.module:Net", options: {width: 64}, ...}, where
package.module:Net is a class or a function that returns the network, called with the options.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diffbench.adapters.conditions import Label, check_numbers
from diffbench.adapters.prediction import PredictionDenoiser
from diffbench.adapters.schedules import ContinuousSchedule, linear_flow
from diffbench.adapters.state import load_state
from diffbench.conventions import DiffbenchError
from diffbench.denoisers.external import import_factory
from diffbench.shapes import Float


def edm(
    network: str,
    weights: Path | None = None,
    options: dict[str, Any] | None = None,
    key: str | None = None,
    classes: int | None = None,
) -> "EdmNetwork":
    """A network of the form of EDM and EDM2, net(x, sigma, labels) -> D, labels (b, classes) one-hot or None.

    classes: those of the network's label_dim if left out. key: entry of the checkpoint that holds the state dict.
    """
    net = built(network, options, weights, key)
    return EdmNetwork(net, int(getattr(net, "label_dim", 0)) if classes is None else classes)


def velocity(
    network: str,
    noise_at: int,
    weights: Path | None = None,
    options: dict[str, Any] | None = None,
    key: str | None = None,
    null_label: int | None = None,
    steps: float = 1.0,
) -> PredictionDenoiser:
    """A network net(x, t, y) of a straight flow that returns dx/dt, as SiT and most flow-matching loops have it.

    noise_at: 0 where x_t = t x0 + (1 - t) n (SiT, torchcfm, flow_matching), 1 where x_t = (1 - t) x0 + t n
    (rectified flow, SD3, REPA). steps: what t is multiplied by before the network sees it. null_label: class that
    stands for "no condition"; a network without classes is called as net(x, t).
    """
    if noise_at not in (0, 1):
        raise DiffbenchError(f"noise_at: {noise_at!r} is neither 0 nor 1, the time at which x_t is noise")
    labelled = LabelledNetwork(built(network, options, weights, key), null_label)
    if noise_at == 1:
        return PredictionDenoiser(labelled, "flow", linear_flow(steps))
    schedule = ContinuousSchedule(lambda t: t / steps, lambda t: 1 - t / steps, clean=steps, noisy=0)
    return PredictionDenoiser(labelled, "flow-to-data", schedule)


def azula(
    network: str,
    weights: Path | None = None,
    options: dict[str, Any] | None = None,
    key: str | None = None,
    label: str | None = None,
) -> PredictionDenoiser:
    """A Denoiser of the library azula, which knows its schedule: the mean of denoiser(x_t, t).

    label: keyword by which its backbone takes classes; it is left out where there is no condition.
    """
    denoiser = built(network, options, weights, key)
    schedule: Any = getattr(denoiser, "schedule", None)
    if schedule is None:
        raise DiffbenchError(f"{network} returned a {type(denoiser).__name__}, which has no schedule of azula's")

    def part(index: int) -> Callable[[Float[np.ndarray, " m"]], Float[np.ndarray, " m"]]:
        return lambda times: np.asarray(schedule(torch.from_numpy(times))[index])

    return PredictionDenoiser(AzulaNetwork(denoiser, label), "sample", ContinuousSchedule(part(0), part(1)))


def built(network: str, options: dict[str, Any] | None, weights: Path | None, key: str | None) -> nn.Module:
    """The network that a name and its options stand for, with its weights."""
    net = import_factory(network)(**(options or {}))
    if not isinstance(net, nn.Module):
        raise DiffbenchError(f"{network} returned a {type(net).__name__}; a torch.nn.Module is expected")
    if weights is not None:
        load_state(net, weights, key)
    return net.eval()


class EdmNetwork(nn.Module):
    """D(x, sigma, label) of a network that is D but for its labels, which are one-hot rows."""

    def __init__(self, network: nn.Module, classes: int) -> None:
        super().__init__()
        self.network = network
        self.classes = classes

    def forward(
        self, x: Float[Tensor, " m *shape"], sigma: Float[Tensor, " m"], label: Label = None
    ) -> Float[Tensor, " m *shape"]:
        """Estimate of x0; a label that is a vector is handed over as it is."""
        if label is None:
            return self.network(x, sigma, None)
        if not self.classes:
            raise DiffbenchError("the model takes no conditions; use granularity none, or arguments: {classes: ...}")
        if label.is_floating_point():
            if label.shape[1:] != (self.classes,):
                raise DiffbenchError(f"the conditions have the shape {tuple(label.shape[1:])}, not ({self.classes},)")
            return self.network(x, sigma, label)
        check_numbers(label, self.classes, "classes")
        return self.network(x, sigma, nn.functional.one_hot(label, self.classes).to(x.dtype))


class LabelledNetwork(nn.Module):
    """network(x_t, t, label) of one that takes a null class where there is no condition."""

    def __init__(self, network: nn.Module, null_label: int | None) -> None:
        super().__init__()
        self.network = network
        self.null_label = null_label

    def forward(self, x: Float[Tensor, " m *shape"], time: Float[Tensor, " m"], label: Label) -> Tensor:
        """What it predicts."""
        if label is None and self.null_label is not None:
            label = torch.full((len(x),), self.null_label, device=x.device)
        return self.network(x, time) if label is None else self.network(x, time, label)


class AzulaNetwork(nn.Module):
    """network(x_t, t, label) of azula's denoisers."""

    def __init__(self, denoiser: nn.Module, keyword: str | None) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.keyword = keyword

    def forward(self, x: Float[Tensor, " m *shape"], time: Float[Tensor, " m"], label: Label) -> Tensor:
        """Mean of the posterior."""
        if label is None:
            return self.denoiser(x, time).mean
        if self.keyword is None:
            raise DiffbenchError("the model takes no conditions; use granularity none, or arguments: {label: ...}")
        return self.denoiser(x, time, **{self.keyword: label}).mean
