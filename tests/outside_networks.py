"""Networks "made elsewhere" that are exact for pixels ~ N(label, 0.25), in the forms that factories understand."""

from typing import Any

import torch
from torch import Tensor, nn

VARIANCE = 0.25


def exact(x: Tensor, sigma: Tensor, mean: Tensor | float) -> Tensor:
    """D of N(mean, VARIANCE) in closed form."""
    s = sigma.view(-1, *[1] * (x.ndim - 1))
    return mean + VARIANCE / (VARIANCE + s**2) * (x - mean)


def means(x: Tensor, label: Tensor | None) -> Tensor | float:
    """The label of each image, as the mean of its pixels."""
    return 0.0 if label is None else label.to(x).view(-1, *[1] * (x.ndim - 1))


class Weighted(nn.Module):
    """A module whose one weight scales its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))


class EdmForm(Weighted):
    """D itself, as EDM2's Precond is called: sigma (b,) and one-hot labels, or None for no condition."""

    def __init__(self, label_dim: int = 0) -> None:
        super().__init__()
        self.label_dim = label_dim

    def forward(self, x: Tensor, sigma: Tensor, class_labels: Tensor | None = None) -> Tensor:
        if class_labels is None:
            return self.gain * exact(x, sigma, 0.0)
        assert class_labels.shape == (len(x), self.label_dim)
        assert class_labels.dtype == x.dtype
        return self.gain * exact(x, sigma, means(x, class_labels @ torch.arange(self.label_dim).to(x)))


class Velocity(Weighted):
    """dx/dt of a straight flow whose noise lies at t = 0 or 1, of times up to `steps`, as SiT is called."""

    def __init__(self, noise_at: int, steps: float = 1.0, null_label: int | None = None) -> None:
        super().__init__()
        self.noise_at, self.steps, self.null_label = noise_at, steps, null_label

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        share = t.view(-1, *[1] * (x.ndim - 1)) / self.steps
        noise = share if self.noise_at == 1 else 1 - share
        assert (y is None) == (self.null_label is None)
        label = None if y is None else torch.where(y == self.null_label, 0, y)
        clean = exact(x / (1 - noise), (noise / (1 - noise)).flatten(), means(x, label))
        away = (x - clean) / noise  # n - x0
        return self.gain * (away if self.noise_at == 1 else -away)


def azula(schedule: str) -> nn.Module:
    """A denoiser of azula around the backbone that makes it exact, where alpha^2 + sigma^2 = 1 or alpha = 1."""
    from azula import noise
    from azula.denoise import SimpleDenoiser

    class Backbone(Weighted):
        """x0 from x / norm and the logarithm of the ratio."""

        def forward(self, x: Tensor, log_ratio: Tensor, y: Tensor | None = None) -> Tensor:
            sigma = log_ratio.exp()
            scale = (1 + sigma**2).sqrt().view(-1, *[1] * (x.ndim - 1))
            return self.gain * exact(scale * x, sigma, means(x, y))

    return SimpleDenoiser(Backbone(), getattr(noise, schedule)())


def not_a_network(**options: Any) -> object:
    return options


class Evil:
    """What weights may not bring."""
