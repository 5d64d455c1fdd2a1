"""The closed-form optimum's weights near duplicates: error against exact arithmetic, and time, beside peers.

    python benchmarks/optimal.py [--smoke] [points dimensions queries]

Peers: torch's scaled_dot_product_attention in float32 (D* is attention over the data) and smalldiffusion's
IdealDenoiser. Points come in pairs 3e-4 per pixel apart; queries are points noised at sigma = 0.002, 0.2 and 20, where
all points carry weight. The truth are softmax weights over exact squared differences in extended precision (numpy
longdouble).
"""

from collections.abc import Callable

import numpy as np
import torch
from peers import _declare_vision_operators
from torch import Tensor
from turns import left_out, options, ratio, seconds, take_turns

from diffbench.denoisers.optimal import OptimalDenoiser

ROUNDS = 7
SIZES, SMOKE_SIZES = (4000, 784, 512), (1000, 256, 64)
SIGMAS = (0.002, 0.2, 20.0)
OURS, FLOAT32 = "diffbench OptimalDenoiser", "torch attention, float32"
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
    _declare_vision_operators()
    from smalldiffusion import IdealDenoiser  # pyright: ignore

    model = IdealDenoiser(list(points))  # pyright: ignore
    return lambda x, sigma: x - sigma * model(x, torch.tensor(sigma))


def ours(points: Tensor) -> Method:
    """The suite's optimum."""
    denoiser = OptimalDenoiser(points)
    return lambda x, sigma: denoiser(x, torch.full((len(x),), sigma))


def made(points: Tensor) -> dict[str, Method]:
    """All methods that are installed, by name."""
    methods = {OURS: ours(points), FLOAT32: attention(points)}
    try:
        methods["smalldiffusion IdealDenoiser"] = smalldiffusion(points)
    except ImportError as error:
        print(left_out("smalldiffusion IdealDenoiser", error.name or "smalldiffusion"))
    return methods


def compare(methods: dict[str, Method], points: Tensor, x: Tensor, sigma: float, rounds: int) -> None:
    """Time and error of each method at one noise level."""
    truth = exact(x[:CHECKED], points, sigma)
    times = take_turns(
        {name: lambda method=method: seconds(lambda: method(x, sigma)) for name, method in methods.items()}, rounds
    )
    print(f"sigma {sigma}")
    for name, method in methods.items():
        # Relative to the distance of the two points of a pair: 1 means that the wrong one of them is returned.
        error = (method(x, sigma)[:CHECKED].double() - truth).norm(dim=1) / (3e-4 * x.shape[1] ** 0.5)
        against = "" if name == OURS else f"   diffbench takes {ratio(times[OURS], times[name])} times as long"
        print(
            f"  {name:<28} {1000 * np.median(times[name]):8.1f} ms CPU{against};"
            f" error in pair distances: median {float(error.median()):.1e}, worst {float(error.max()):.1e}"
        )


def main() -> None:
    """Error and time of each method at a low, a middle and a high noise level."""
    parser = options(__doc__)
    parser.add_argument("sizes", nargs="*", type=int, help="points, dimensions, queries")
    given = parser.parse_args()
    count, dimension, queries = given.sizes or (SMOKE_SIZES if given.smoke else SIZES)
    generator = torch.Generator().manual_seed(0)

    def normal(rows: int) -> Tensor:
        return torch.randn(rows, dimension, generator=generator)

    originals = 0.5 * normal(count // 2)
    points = torch.cat([originals, originals + 3e-4 * normal(len(originals))])
    print(f"{count:,} points of {dimension} dimensions, {queries} queries, one thread")
    methods = made(points)
    for sigma in SIGMAS:
        x = points[torch.arange(queries) % count] + sigma * normal(queries)
        compare(methods, points, x, sigma, 2 if given.smoke else ROUNDS)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
