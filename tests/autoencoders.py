"""A small autoencoder that tests train on digits, its decoder as a study's `decoder`, and decoders that are none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

CHANNELS = 4
DECODER = "tests.autoencoders:decoder"


def digits() -> np.ndarray:
    """The digits (1797, 1, 8, 8) in [0, 1]."""
    bunch: Any = load_digits()
    return (bunch.images[:, None] / 16).astype(np.float32)


def networks() -> tuple[nn.Module, nn.Module]:
    """Encoder to latents (4, 4, 4), and decoder."""
    encoder = nn.Sequential(nn.Conv2d(1, 24, 3, 2, 1), nn.SiLU(), nn.Conv2d(24, CHANNELS, 3, 1, 1))
    upwards = nn.ConvTranspose2d(24, 24, 4, 2, 1)
    return encoder, nn.Sequential(nn.Conv2d(CHANNELS, 24, 3, 1, 1), nn.SiLU(), upwards, nn.SiLU(), nn.Conv2d(24, 1, 1))


def train(folder: Path, steps: int = 150) -> float:
    """Write latents.npy (n, 4, 4, 4), labels in latents.npz and decoder.pt; returns the mean square error."""
    torch.manual_seed(0)
    images = torch.from_numpy(digits())
    encoder, decoder = networks()
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 5e-3)
    for step in range(steps):
        batch = images[torch.randint(len(images), (128,), generator=torch.Generator().manual_seed(step))]
        loss = (decoder(encoder(batch)) - batch).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        latents = encoder(images)
        error = float((decoder(latents) - images).square().mean())
    np.save(folder / "latents.npy", latents.numpy())
    bunch: Any = load_digits()
    np.savez(folder / "latents.npz", z=latents.numpy(), y=bunch.target)
    torch.save(decoder.state_dict(), folder / "decoder.pt")
    return error


def decoder(weights: Path, gain: float = 1.0) -> nn.Module:
    """The decoder that `train` wrote; gain: of its pictures."""
    _, network = networks()
    network.load_state_dict(torch.load(weights, weights_only=True))
    return nn.Sequential(network, Gain(gain))


class Gain(nn.Module):
    """Pictures times a number."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, pictures: Tensor) -> Tensor:
        """The product."""
        return self.gain * pictures


def broken(how: str) -> Callable[[Tensor], object]:
    """A decoder that is none."""

    def decode(latents: Tensor) -> object:
        pictures = latents[:, :1].repeat(1, 1, 2, 2)
        match how:
            case "fewer":
                return pictures[1:]
            case "nan":
                pictures[3] = torch.nan
                return pictures
            case "numpy":
                return pictures.numpy()
            case "bytes":
                return pictures.to(torch.uint8)
            case "flat":
                return pictures.flatten(1)
            case "growing":
                return pictures if len(latents) == 8 else torch.cat([pictures, pictures], dim=1)
            case "raises":
                raise ValueError("no such latents")
            case "exits":
                raise SystemExit(3)
        return pictures

    return decode
