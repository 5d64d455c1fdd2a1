"""A plain network as a denoiser that diffbench can measure: `factory` is all that `diffbench inspect` needs.

python examples/own_model.py [FOLDER]     trains it on 200 digits, in a few seconds
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn


class Denoiser(nn.Module):
    """A network that knows pixels in [-1, 1] and no labels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(65, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.last = nn.Linear(width, 64)

    def forward(self, x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        """D(x, sigma, label): from x (b, C, H, W) = x0 + sigma n and sigma (b,), an estimate of x0, of x's shape."""
        s = sigma[:, None]
        skip = 1 / (1 + s**2)  # at low noise the answer is nearly x
        inputs = torch.cat([x.flatten(1) * skip.sqrt(), s.log() / 4], dim=1)
        return (skip * x.flatten(1) + (1 - skip).sqrt() * self.last(self.network(inputs))).view_as(x)


def factory(weights: Path, width: int = 256) -> Denoiser:
    """What --model names; --weights is handed over as a path, --arguments as keywords."""
    model = Denoiser(width)
    model.load_state_dict(torch.load(weights, weights_only=True))
    return model


def train(folder: Path, steps: int = 2000) -> None:
    """Train on 200 digits, and write weights, training images and held-out images."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # more would wait for each other: the network is small
    digits = np.asarray(load_digits(return_X_y=True)[0], np.uint8).reshape(-1, 8, 8)  # (1797, 8, 8), 0 to 16
    order = np.random.default_rng(0).permutation(digits)
    np.save(folder / "train.npy", order[:200])
    np.save(folder / "held-out.npy", order[200:712])
    pixels = torch.from_numpy(order[:200, None] / 8 - 1).float()
    model = Denoiser(256)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(steps):
        clean = pixels[torch.randint(len(pixels), (128,))]
        sigma = (1.2 * torch.randn(128) - 0.5).exp()
        noised = clean + sigma.view(-1, 1, 1, 1) * torch.randn_like(clean)
        error = (model(noised, sigma) - clean).square().mean(dim=(1, 2, 3))
        loss = (error * (1 + 1 / sigma**2)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.save(model.state_dict(), folder / "model.pt")
    print(f"wrote model.pt, train.npy and held-out.npy in {folder}")


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "build/own-model")
    target.mkdir(parents=True, exist_ok=True)
    train(target)
