"""Near duplicates among training images, which silence whatever asks for the second nearest one.

Of 300 images beside 300 variants that are off by two grey levels, noisy copies have d1/d2 = 1. So the second nearest
image is looked for outside the near-duplicate cluster of the nearest one: that image and its k nearest others, k the
largest for which the k-th lies at less than a third of the distance of the next. For k = 1 that is d1/d2 < 1/3 of the
training image itself. Where no image has such others, everything is as without clusters, number by number.
"""

import math
from dataclasses import dataclass

import numpy as np

from diffbench.files.estimates import Estimate
from diffbench.measures.intervals import proportion
from diffbench.measures.neighbors import Images, Neighbors, nearest
from diffbench.shapes import Float, Float64, Int64

THRESHOLD = 1 / 3
"""Below this ratio of distances to the nearest and the next, the nearest is no neighbour like others."""

NEIGHBORS = 50
"""Nearest other training images that are known of one."""

LOOKED_AT = 400
MOST_PRODUCTS = 10**10
"""The share of near duplicates is told from all training images, or from a random choice of so many where comparing
more would cost more products of two values than that, a second of one core."""


@dataclass(frozen=True)
class Surroundings:
    """Other training images around some of them, by their rows; k = 50, or all others if fewer."""

    rows: Int64[np.ndarray, " u"]  # rising
    neighbors: Neighbors  # (u, k)
    duplicates: Int64[np.ndarray, " u"]  # how many of the nearest are near duplicates

    @property
    def spacing(self) -> Float64[np.ndarray, " u"]:
        """Distance to the nearest other training image that is no near duplicate."""
        return self.neighbors.distances[np.arange(len(self.duplicates)), self.duplicates]

    def places(self, rows: Int64[np.ndarray, " m"]) -> Int64[np.ndarray, " m"]:
        """Where training images at `rows`, all of them among `self.rows`, stand here."""
        return np.searchsorted(self.rows, rows)


@dataclass(frozen=True)
class _Chosen:
    """Some rows of images, read block by block as they are asked for."""

    images: Float[Images, "n d"]
    rows: Int64[np.ndarray, " u"]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), self.images.shape[1])

    @property
    def dtype(self) -> np.dtype:
        return self.images.dtype

    def __getitem__(self, rows: slice | np.ndarray, /) -> np.ndarray:
        return np.asarray(self.images[self.rows[rows]])

    def __array__(self) -> np.ndarray:
        return self[:]


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs (training image, its nearest other) by their rows, and the share of such images."""

    pairs: list[tuple[int, int]]
    share: Estimate


def surroundings(train: Float[Images, "n d"], rows: Int64[np.ndarray, " u"]) -> Surroundings:
    """What lies around the training images at rising `rows`, n >= 2; errors as in neighbors.nearest."""
    n = train.shape[0]
    around = nearest(_Chosen(train, rows), train, min(NEIGHBORS, n - 1), own=rows)
    return Surroundings(rows, around, _duplicates(around.distances, n))


def largest_cluster(n: int) -> int:
    """Images that a cluster among n holds at most: less than a tenth of them, but two, and no more than 50.

    A larger group is a mode of the data. So the classes of a set are no clusters, be they ten and ever so far apart.
    """
    return min(NEIGHBORS, max(2, math.ceil(n / 10) - 1))


def _duplicates(distances: Float64[np.ndarray, "u k"], n: int) -> Int64[np.ndarray, " u"]:
    """How many others are in the cluster of each training image, from its rising distances to others."""
    compared = distances[:, : largest_cluster(n)]
    gaps = compared[:, :-1] < THRESHOLD * compared[:, 1:]  # behind the first, the second, ...
    return (gaps * np.arange(1, gaps.shape[1] + 1)).max(axis=1, initial=0)


def beyond_duplicates(
    images: Float[Images, "m d"],
    train: Float[Images, "n d"],
    two: Neighbors,
    around: Surroundings,
) -> Float64[np.ndarray, " m"]:
    """Distances of `images` to the nearest training image outside the cluster of the nearest one.

    two: the two nearest of each, of which `around` surrounds the nearest one.
    """
    second, place = two.distances[:, 1].copy(), around.places(two.indices[:, 0])
    near = np.flatnonzero(around.duplicates[place])
    if not near.size:
        return second
    counts = around.duplicates[place[near]]
    most = int(counts.max())
    # A cluster has one member more than duplicates, so that one of the next ones lies outside.
    candidates = nearest(images[near], train, most + 2)
    others = around.neighbors.indices[place[near], :most]
    cluster = np.where(np.arange(most) < counts[:, None], others, two.indices[near, :1])
    inside = np.isin(_keys(candidates.indices, train), _keys(cluster, train)) | (
        candidates.indices == two.indices[near, :1]
    )
    outside = inside.argmin(axis=1)
    second[near] = candidates.distances[np.arange(len(near)), outside]
    return second


def _keys(indices: Int64[np.ndarray, "b c"], train: Float[Images, "n d"]) -> Int64[np.ndarray, "b c"]:
    """One number for each row and index, so that all rows are compared at once."""
    return indices + train.shape[0] * np.arange(len(indices))[:, None]


def looked_at(train: Float[Images, "n d"], seed: int) -> Int64[np.ndarray, " u"]:
    """Rising rows of the training images from which the share of near duplicates is told."""
    n, d = train.shape
    count = min(n, max(LOOKED_AT, MOST_PRODUCTS // (n * d)))
    return np.sort(np.random.default_rng(seed).choice(n, count, replace=False))


def near_duplicates(around: Surroundings, rows: Int64[np.ndarray, " u"], n: int) -> NearDuplicates:
    """Which of the training images at `rows`, surrounded by `around`, have near duplicates among all n.

    The share of all images is exact; told from a choice of them it has an interval.
    """
    place = around.places(rows)
    found = place[around.duplicates[place] > 0]
    firsts = around.neighbors.indices[found, 0]
    pairs = list(zip(around.rows[found].tolist(), firsts.tolist(), strict=True))
    if len(rows) < n:
        return NearDuplicates(pairs, proportion(len(pairs), len(rows)))
    share = len(pairs) / n
    return NearDuplicates(pairs, Estimate(share, share, share, n))
