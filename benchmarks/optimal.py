"""The closed-form optimum's weights near duplicates: error against exact arithmetic, and time, beside peers.

    python benchmarks/optimal.py [points] [dimensions] [queries]

Peers: torch's scaled_dot_product_attention in float32 (D* is attention over the data) and smalldiffusion's
IdealDenoiser. Points come in pairs 3e-4 per pixel apart; queries are points noised at sigma = 0.002 and 0.2. The truth
are softmax weights over exact squared differences in extended precision (numpy longdouble).
"""

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from diffbench.denoisers.optimal import OptimalDenoiser

ROUNDS = 3
CHECKED = 16
"""Queries whose truth is computed."""
Method = Callable[[Tensor, float], Tensor]


def exact(x: Tensor, points: Tensor, sigma: float) -> Tensor:
    """Posterior mean (m, d) from differences in extended precision."""
    data = points.numpy().astype(np.longdouble)
    means = []
    for row in x.numpy().astype(np.longdouble):
        logits = -((data - row) ** 2).sum(axis=1) / (2 * np.longdouble(sigma) ** 2)
        weights = np.exp(logits - logits.max())
        means.append((weights @ data / weights.sum()).astype(np.float64))
    return torch.from_numpy(np.stack(means))


def attention(points: Tensor) -> Method:
    """Softmax of (x . x_i - ||x_i||^2 / 2) / sigma^2 over the points, as fused attention in float32."""
    halves = points.square().sum(dim=1) / 2

    def denoise(x: Tensor, sigma: float) -> Tensor:
        mask = (-halves / sigma**2).expand(len(x), -1)
        return torch.nn.functional.scaled_dot_product_attention(
            x[None], points[None], points[None], attn_mask=mask[None], scale=sigma**-2
        )[0]

    return denoise


def smalldiffusion(points: Tensor) -> Method:
    """IdealDenoiser, which predicts the noise."""
    from smalldiffusion import IdealDenoiser  # pyright: ignore

    model = IdealDenoiser(list(points))  # pyright: ignore
    return lambda x, sigma: x - sigma * model(x, torch.tensor(sigma))


def ours(points: Tensor) -> Method:
    """The suite's optimum."""
    denoiser = OptimalDenoiser(points)
    return lambda x, sigma: denoiser(x, torch.full((len(x),), sigma))


def main() -> None:
    """Error and time of each method at a low and a middle noise level."""
    count, dimension, queries = map(int, sys.argv[1:4] or (4000, 784, 512))
    generator = torch.Generator().manual_seed(0)

    def normal(rows: int) -> Tensor:
        return torch.randn(rows, dimension, generator=generator)

    originals = 0.5 * normal(count // 2)
    points = torch.cat([originals, originals + 3e-4 * normal(len(originals))])
    makers = {
        "diffbench OptimalDenoiser": ours,
        "torch attention, float32": attention,
        "smalldiffusion IdealDenoiser": smalldiffusion,
    }
    print(f"{count:,} points of {dimension} dimensions, {queries} queries, one thread")
    for sigma in (0.002, 0.2):
        x = points[torch.arange(queries) % count] + sigma * normal(queries)
        truth = exact(x[:CHECKED], points, sigma)
        for name, make in makers.items():
            try:
                method = make(points)
            except ImportError as error:
                print(f"  {name:<30} left out: {error}")
                continue
            result, times = method(x, sigma), []
            for _ in range(ROUNDS):
                start = time.process_time()
                method(x, sigma)
                times.append(time.process_time() - start)
            # Relative to the distance of the two points of a pair: 1 means that the wrong one of them is returned.
            error = (result[:CHECKED].double() - truth).norm(dim=1) / (3e-4 * dimension**0.5)
            print(
                f"  sigma {sigma:<6} {name:<30} {1000 * min(times):8.1f} ms   "
                f"error in pair distances: median {float(error.median()):.1e}, worst {float(error.max()):.1e}"
            )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
