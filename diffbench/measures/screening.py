"""Which references may be among the k nearest of a query: float32 scores rule out the rest, with proof.

The score ||r||^2/2 - q.r orders references as their distance to q does. Computed in float32 it errs by no more than
`diffbench.rounding.score_error`; a reference whose score is more than twice that above the k-th smallest has k nearer
ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diffbench.rounding import score_error
from diffbench.shapes import Float, Float32, Float64, Int64

CACHED_VALUES = 2**17
"""Values that stay in a core's cache from one pass over them to the next."""

UNSCALED = 2.0**-20
"""Images whose largest value is above it and below its inverse need no scale: float32 holds their squares."""

GROUP = 32
"""References that are ruled out together where the smallest of their scores is."""

GROUPS_AT_ONCE = 2**15
"""Groups in doubt whose members are looked at together."""


def cached(images: Float[np.ndarray, "b d"]) -> Iterator[slice]:
    """Row slices that cover `images`, each small enough for a core's cache."""
    rows = max(1, CACHED_VALUES // max(1, images.shape[1]))
    for start in range(0, len(images), rows):
        yield slice(start, min(start + rows, len(images)))


@dataclass(frozen=True)
class Frame:
    """A shift and a power-of-two scale that bring all images near the origin, where float32 cancels least."""

    center: Float32[np.ndarray, " d"]
    scale: float

    @staticmethod
    def around(center: Float32[np.ndarray, " d"], low: float, high: float) -> "Frame":
        """The frame of images with values from low to high."""
        largest = max(high - float(center.min()), float(center.max()) - low)
        harmless = largest == 0 or UNSCALED < largest < 1 / UNSCALED
        return Frame(center, 1.0 if harmless else 2.0 ** -np.ceil(np.log2(largest)))

    def place(self, images: Float[np.ndarray, "b d"], placed: Float32[np.ndarray, "b d"]) -> Float32[np.ndarray, " b"]:
        """Write the images in this frame to `placed`; returns ||r||^2/2 of each.

        Each value is rounded once: the centre is float32 and the scale a power of two.
        """
        halves = np.empty(len(images), dtype=np.float32)
        for rows in cached(images):
            if self.scale == 1:
                np.subtract(images[rows], self.center, out=placed[rows], casting="same_kind")
            else:
                np.multiply(images[rows] - self.center, self.scale, out=placed[rows], casting="same_kind")
            halves[rows] = np.vecdot(placed[rows], placed[rows]) / 2
        return halves


class Screen:
    """Rules out references for one block of queries, and is shown the references block by block."""

    def __init__(self, queries: Float[np.ndarray, "b d"], frame: Frame, k: int) -> None:
        self._queries: np.ndarray = np.empty(queries.shape, dtype=np.float32)
        self._norms = np.sqrt(2 * frame.place(queries, self._queries).astype(np.float64))  # (b,)
        self._frame = frame
        self._longest = 0.0
        self._smallest = np.full((k, len(queries)), np.inf, dtype=np.float32)  # scores of k different references
        self._placed = self._products = np.empty((0, 0), dtype=np.float32)

    def in_doubt(
        self, references: Float[np.ndarray, "r d"], own: Int64[np.ndarray, " b"] | None
    ) -> Iterator[tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]]]:
        """Rows of queries, ascending, and of `references` that may be among the k nearest, at most 2^20 pairs at once.

        own: the row that each query is itself, which is left out; any other number where it is not among these.
        """
        products, halves = self._multiply(references)
        if own is not None:
            inside = np.nonzero((own >= 0) & (own < len(references)))[0]
            products[own[inside], inside] = -np.inf
        size = min(GROUP, max(1, len(references) // (2 * len(self._smallest))))
        minima = _minima(products, halves, size)
        limit = self._limit(minima)
        queries, groups = np.nonzero(np.transpose(minima <= limit))
        for start in range(0, len(queries), GROUPS_AT_ONCE):
            part = slice(start, start + GROUPS_AT_ONCE)
            members = size * groups[part, None] + np.arange(size)
            i = np.broadcast_to(queries[part, None], members.shape)
            j = np.minimum(members, len(references) - 1)  # the last group may be smaller
            doubtful = (halves[j] - products[j, i] <= limit[i]) & (members == j)
            yield i[doubtful], j[doubtful]

    def _multiply(
        self, references: Float[np.ndarray, "r d"]
    ) -> tuple[Float32[np.ndarray, "r b"], Float32[np.ndarray, " r"]]:
        """r.q and ||r||^2/2, in memory that is kept: fresh memory costs more than a pass over it."""
        count = len(references)
        if len(self._placed) < count:
            self._placed = np.empty(references.shape, dtype=np.float32)
            self._products = np.empty((count, len(self._queries)), dtype=np.float32)
        halves = self._frame.place(references, self._placed[:count])
        self._longest = max(self._longest, float(np.sqrt(2 * halves.max())))
        return np.matmul(self._placed[:count], self._queries.T, out=self._products[:count]), halves

    def _limit(self, minima: Float32[np.ndarray, "g b"]) -> Float64[np.ndarray, " b"]:
        """References whose score exceeds it are farther than k others, those of `minima` among them."""
        k = len(self._smallest)
        self._smallest = np.partition(np.concatenate([self._smallest, minima]), k - 1, axis=0)[:k]
        limit = self._smallest.max(axis=0) + 2 * score_error(self._queries.shape[1], self._norms, self._longest)
        return np.minimum(limit, np.finfo(np.float32).max)  # own rows have infinite scores


def _minima(
    products: Float32[np.ndarray, "r b"], halves: Float32[np.ndarray, " r"], size: int
) -> Float32[np.ndarray, "g b"]:
    """The smallest score of every `size` references."""
    starts = range(0, len(products), size)
    minima = np.empty((len(starts), products.shape[1]), dtype=np.float32)
    scores = np.empty((size, products.shape[1]), dtype=np.float32)  # stays in the cache
    for group, start in enumerate(starts):
        part = products[start : start + size]
        np.subtract(halves[start : start + size, None], part, out=scores[: len(part)])
        scores[: len(part)].min(axis=0, out=minima[group])
    return minima
