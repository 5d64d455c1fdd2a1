"""Sample quality from features: kernel distance, precision, recall, density, coverage.

Everywhere the order is (generated, real). Distances are L2.
"""

from dataclasses import dataclass

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import jackknife, mean, proportion
from diffbench.measures.neighbors import Images, blocks, nearest, require_finite
from diffbench.shapes import Bool, Float, Float64, Int64

GROUPS = 20
PRECISION_NEIGHBORS = 3
COVERAGE_NEIGHBORS = 5
ROUNDING = 1e-12
"""Relative: beyond what float64 sums over all pixels of an image err by, and far below any distance that matters."""


@dataclass(frozen=True)
class Manifold:
    """Fidelity and diversity by k-nearest-neighbour balls. Intervals count the images, not the balls' radii."""

    precision: Estimate  # share of generated images within a real image's ball (k = 3)
    recall: Estimate  # share of real images within a generated image's ball (k = 3)
    density: Estimate  # real images' balls that hold a generated image, over k (k = 5); can exceed 1
    coverage: Estimate  # share of real images whose ball holds a generated image (k = 5)


def manifold(generated: Float[Images, "m d"], real: Float[Images, "n d"], seed: int) -> Manifold:
    """Precision, recall, density and coverage; needs at least 6 images on each side.

    Precision and recall: Kynkaanniemi et al. 2019, arXiv 1904.06991.
    Density and coverage: Naeem et al. 2020, arXiv 2002.09797. Balls are closed, as in both papers; the package prdc
    leaves out images at exactly the radius, as copies of a ball's k-th neighbour are.
    """
    _check(generated, real, COVERAGE_NEIGHBORS + 1)
    real_reach = _reach(real, COVERAGE_NEIGHBORS)
    inside = _balls_around(generated, real, real_reach[:, PRECISION_NEIGHBORS - 1]) > 0
    recalled = _balls_around(real, generated, _reach(generated, PRECISION_NEIGHBORS)[:, -1]) > 0
    counts = _balls_around(generated, real, real_reach[:, COVERAGE_NEIGHBORS - 1])
    covered = nearest(real, generated, 1).distances[:, 0] <= real_reach[:, COVERAGE_NEIGHBORS - 1]
    return Manifold(
        precision=proportion(int(inside.sum()), len(inside)),
        recall=proportion(int(recalled.sum()), len(recalled)),
        density=mean(counts / COVERAGE_NEIGHBORS, seed),
        coverage=proportion(int(covered.sum()), len(covered)),
    )


@dataclass(frozen=True)
class KernelDistance:
    """Near 0, and below 0 about half the time, for equal laws."""

    squared: Estimate  # KID, whose size depends on the features
    standardized: Estimate  # over the variance of real images: 1/m is as far as m of these, drawn at random, lie


def kernel_distance(generated: Float[Images, "m d"], real: Float[Images, "n d"], seed: int) -> KernelDistance:
    """KID: unbiased MMD^2 with kernel k = (x.y / d + 1)^3 (Binkowski et al. 2018, arXiv 1801.01401), over all pairs.

    MMD^2 is the squared distance of the mean embeddings of both laws. The mean of m real images lies (E k(y, y)
    - E k(y, y')) / m from that of their law, in expectation: this variance, unbiased too, makes a scale without unit.
    Intervals: delete-a-group jackknife.
    """
    _check(generated, real, 2 * GROUPS)
    rng = np.random.default_rng(seed)
    x, y = (_random_groups(features, rng) for features in (generated, real))
    within_x, within_y, between = _kernel_sums(x, x), _kernel_sums(y, y), _kernel_sums(x, y)  # (GROUPS, GROUPS)
    own_x, own_y = (np.array([_self_kernels(group).sum() for group in sets]) for sets in (x, y))  # k(x, x) by group
    within_x[np.diag_indices(GROUPS)] -= own_x
    within_y[np.diag_indices(GROUPS)] -= own_y
    sizes = np.array([[len(group) for group in sets] for sets in (x, y)])  # (2, GROUPS)

    def distance(kept: Bool[np.ndarray, " g"]) -> float:
        m, n = sizes[:, kept].sum(axis=1)
        some = np.ix_(kept, kept)
        own = within_x[some].sum() / (m * (m - 1)) + within_y[some].sum() / (n * (n - 1))
        return float(own - 2 * between[some].sum() / (m * n))

    def variance(kept: Bool[np.ndarray, " g"]) -> float:
        n = sizes[1, kept].sum()
        return float(own_y[kept].sum() / n - within_y[np.ix_(kept, kept)].sum() / (n * (n - 1)))

    every = np.ones(GROUPS, dtype=bool)
    others = [np.arange(GROUPS) != group for group in range(GROUPS)]
    count, spread = generated.shape[0] + real.shape[0], variance(every)
    squared = jackknife(distance(every), np.array([distance(kept) for kept in others]), count)
    alike = spread <= ROUNDING * own_y.mean()
    if alike or any(variance(kept) <= ROUNDING * own_y.mean() for kept in others):
        return KernelDistance(squared, undefined("the real images are all alike", count))
    ratios = np.array([distance(kept) / variance(kept) for kept in others])
    return KernelDistance(squared, jackknife(distance(every) / spread, ratios, count))


def _check(generated: Float[Images, "..."], real: Float[Images, "..."], least: int) -> None:
    for name, features in (("generated", generated), ("real", real)):
        if len(features.shape) != 2 or features.shape[0] < least:
            raise DiffbenchError(f"{name}: features of shape {tuple(features.shape)}; needs at least {least} rows")
        require_finite(features, name)
    if generated.shape[1] != real.shape[1]:
        raise DiffbenchError(
            f"quality: features have {generated.shape[1]} and {real.shape[1]} dimensions; use one feature space"
        )


def _reach(features: Float[Images, "n d"], k: int) -> Float64[np.ndarray, "n {k}"]:
    """Distances to the k nearest other images of the same set."""
    return nearest(features, features, k, own=np.arange(features.shape[0])).distances


def _balls_around(
    points: Float[Images, "m d"], centers: Float[Images, "n d"], radii: Float64[np.ndarray, " n"]
) -> Int64[np.ndarray, " m"]:
    """For each point: how many of the closed balls hold it. Pairs that rounding puts in doubt are measured."""
    counts = np.zeros(points.shape[0], dtype=np.int64)
    middle = np.asarray(centers[: min(1000, centers.shape[0])], dtype=np.float64).mean(axis=0)
    for some in blocks(centers):
        c = np.asarray(centers[some], dtype=np.float64) - middle
        lengths = np.einsum("ij,ij->i", c, c)
        for rows in blocks(points):
            p = np.asarray(points[rows], dtype=np.float64) - middle
            own = np.einsum("ij,ij->i", p, p)
            depth = p @ c.T - (lengths - radii[some] ** 2) / 2 - own[:, None] / 2  # (r^2 - |p - c|^2) / 2
            inside = depth >= 0
            i, j = np.nonzero(np.abs(depth) <= ROUNDING * (own[:, None] + lengths))
            exact = np.linalg.norm(
                np.asarray(points[rows], np.float64)[i] - np.asarray(centers[some], np.float64)[j], axis=1
            )
            inside[i, j] = exact <= radii[some][j] * (1 + ROUNDING)
            counts[rows] += inside.sum(axis=1)
    return counts


def _random_groups(features: Float[Images, "n d"], rng: np.random.Generator) -> list[Float64[np.ndarray, "_ d"]]:
    rows = np.array_split(rng.permutation(features.shape[0]), GROUPS)
    return [np.asarray(features[np.sort(r)], dtype=np.float64) for r in rows]


def _self_kernels(x: Float64[np.ndarray, "m d"]) -> Float64[np.ndarray, " m"]:
    return (np.einsum("ij,ij->i", x, x) / x.shape[1] + 1) ** 3


def _kernel_sums(
    x: list[Float64[np.ndarray, "_ d"]], y: list[Float64[np.ndarray, "_ d"]]
) -> Float64[np.ndarray, "g g"]:
    """Sum of the kernel over all pairs of a group of x and one of y."""
    return np.array([[((a @ b.T / a.shape[1] + 1) ** 3).sum() for b in y] for a in x])
