"""Networks that other libraries train, each by its own recipe, and the command by which diffbench measures them.

python examples/other_libraries.py diffusers|azula|flow [FOLDER] [STEPS]     trains one on 300 digits, in seconds
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

Batches = Iterator[tuple[Tensor, Tensor]]  # images and labels
Loss = Callable[[Tensor, Tensor], Tensor]


class Mlp(nn.Module):
    """A network of images (b, 1, 8, 8) and times (b,), with labels if there are classes; the last class is none."""

    def __init__(self, width: int = 256, classes: int = 0, times: float = 1.0) -> None:
        super().__init__()
        self.times = times  # up to which they go
        self.first = nn.Linear(64 + 16, width)
        self.label = nn.Embedding(classes + 1, width)
        self.rest = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 64))

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """Whatever it is trained to predict, of x's shape."""
        angles = t.view(-1, 1) / self.times * torch.logspace(-1, 1, 8, device=x.device)
        hidden = self.first(torch.cat([x.flatten(1), angles.cos(), angles.sin()], dim=1))
        none = torch.full((len(x),), self.label.num_embeddings - 1, device=x.device)
        return self.rest(hidden + self.label(none if y is None else y)).view_as(x)


def azula_denoiser(width: int = 256) -> nn.Module:
    """A network in azula's preconditioning, under its rectified schedule."""
    from azula.denoise import KarrasDenoiser
    from azula.noise import RectifiedSchedule

    return KarrasDenoiser(Mlp(width, times=7.0), RectifiedSchedule())  # which hands over ln(sigma / alpha)


def train_azula(folder: Path, batches: Batches) -> dict[str, object]:
    """The loss that azula brings. Returns what --model needs."""
    denoiser: Any = azula_denoiser()
    fit(denoiser, lambda x, y: denoiser.loss(x, torch.rand(len(x))), batches)
    torch.save(denoiser.state_dict(), folder / "model.pt")
    return {
        "model": "azula",
        "weights": "model.pt",
        "arguments": {"network": "examples.other_libraries:azula_denoiser"},
    }


def train_flow(folder: Path, batches: Batches) -> dict[str, object]:
    """Flow matching in five lines, with noise at t = 0 and labels that are dropped for guidance."""
    network = Mlp(classes=10)

    def loss(x: Tensor, y: Tensor) -> Tensor:
        noise, t = torch.randn_like(x), torch.rand(len(x))
        y = torch.where(torch.rand(len(y)) < 0.1, 10, y)
        s = t.view(-1, 1, 1, 1)
        return (network(s * x + (1 - s) * noise, t, y) - (x - noise)).square().mean()

    fit(network, loss, batches)
    torch.save({"ema": network.state_dict(), "step": 1}, folder / "model.pt")  # as a checkpoint of several entries
    arguments = {"network": "examples.other_libraries:Mlp", "options": {"classes": 10}, "key": "ema"}
    return {"model": "velocity", "weights": "model.pt", "arguments": arguments | {"noise_at": 0, "null_label": 10}}


def train_diffusers(folder: Path, batches: Batches) -> dict[str, object]:
    """The recipe of diffusers' tutorial: a UNet2DModel, DDPMScheduler's noise, and the noise as the target."""
    from diffusers import DDPMScheduler, UNet2DModel  # pyright: ignore[reportPrivateImportUsage]

    blocks = {"down_block_types": ("DownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "UpBlock2D")}
    sizes = {"block_out_channels": (16, 32), "layers_per_block": 1, "norm_num_groups": 8}
    network = UNet2DModel(sample_size=8, in_channels=1, out_channels=1, **blocks, **sizes)  # pyright: ignore[reportArgumentType]
    scheduler = DDPMScheduler(num_train_timesteps=1000)

    def loss(x: Tensor, y: Tensor) -> Tensor:
        noise, t = torch.randn_like(x), torch.randint(1000, (len(x),))
        return (network(scheduler.add_noise(x, noise, t), t).sample - noise).square().mean()  # pyright: ignore[reportArgumentType]

    fit(network, loss, batches, rate=4e-3)
    network.save_pretrained(folder / "pipeline/unet")
    scheduler.save_pretrained(folder / "pipeline/scheduler")
    return {"model": "pipeline", "weights": "pipeline", "arguments": {}}


TRAININGS = {"diffusers": train_diffusers, "azula": train_azula, "flow": train_flow}


def fit(network: nn.Module, loss: Loss, batches: Batches, rate: float = 2e-3) -> None:
    """Minimise a loss of images and labels."""
    optimizer = torch.optim.Adam(network.parameters(), rate)
    for x, y in batches:
        optimizer.zero_grad()
        loss(x, y).backward()
        optimizer.step()
    network.eval()


def train(library: str, folder: Path, steps: int = 1500, count: int = 300) -> dict[str, object]:
    """Train on so many digits, and write weights, training images and held-out images."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # more would wait for each other: the networks are small
    digits, numbers = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(digits))
    images = np.asarray(digits[order], np.uint8).reshape(-1, 8, 8)  # (1797, 8, 8), 0 to 16
    labels = numbers[order]
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", slice(count)), ("held-out", slice(count, count + 512))):
        np.savez(folder / f"{name}.npz", x=images[part], y=labels[part])
    pixels, classes = torch.from_numpy(images[:count, None] / 8 - 1).float(), torch.from_numpy(labels[:count])
    chosen = (torch.randint(count, (32,)) for _ in range(steps))
    return TRAININGS[library](folder, ((pixels[some], classes[some]) for some in chosen))


if __name__ == "__main__":
    library, target, steps = (*sys.argv[1:], *("flow", "build/other-library", "1500")[len(sys.argv) - 1 :])
    found = train(library, Path(target), int(steps))
    module = "pipeline" if found["model"] == "pipeline" else "factories"
    labels = " --labels y --granularity classes" if library == "flow" else ""
    print(f"python -m diffbench inspect --model diffbench.adapters.{module}:{found['model']}", end=" ")
    print(f"--weights {target}/{found['weights']} \\")
    print(f"    --arguments '{json.dumps(found['arguments'])}' \\")
    print(f"    --range 0,16 --out build/inspection --train {target}/train.npz --held-out {target}/held-out.npz \\")
    print(f"    --images x{labels}")
