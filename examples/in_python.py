"""An audit of arrays and an inspection of a denoiser, both at hand in a program, without a file or a command line.

python examples/in_python.py [FOLDER]
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor

import diffbench

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/in-python")
digits = np.asarray(load_digits(return_X_y=True)[0], np.uint8).reshape(-1, 8, 8)  # (1797, 8, 8), 0 to 16
images = np.random.default_rng(0).permutation(digits)
train, held_out, others = images[:100], images[100:400], images[400:500]

# Samples of any model: half of these are training images.
audited = diffbench.audit(np.concatenate([train, others]), train, held_out)
print(audited.table.loc[["memorized_fraction", "memorized_floor"], ["value", "low", "high", "n"]].round(3))
print("most suspicious:", audited.suspicious[:3], "nearest training images:", audited.nearest[audited.suspicious[:3]])

# A denoiser that knows its training images by heart: their mean, weighted by how likely each is below the noise.
known = torch.from_numpy(train[:, None] / 8 - 1).float()  # (100, 1, 8, 8), in [-1, 1]


def denoiser(x: Tensor, sigma: Tensor, label: Tensor | None) -> Tensor:
    """D(x, sigma, label), from x (b, C, H, W) = x0 + sigma n and sigma (b,)."""
    distances = (x[:, None] - known).square().flatten(2).sum(2)  # (b, 100)
    weights = torch.softmax(-distances / (2 * sigma[:, None] ** 2), dim=1)
    return torch.einsum("bi,ichw->bchw", weights, known)


results = diffbench.inspect(
    denoiser, train, held_out, folder, name="by-heart", pixel_range=(0, 16), quick=True, device="cpu"
)
measures = results.table("memorization").set_index("measure")
print("memorized samples:", measures.loc["memorized_fraction", "value"])
print("report:", results.folder / "report/index.html")
