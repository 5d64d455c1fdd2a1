"""Exact nearest neighbours of flat images, fast and in bounded memory.

||q - r||^2 = ||q||^2 - 2 q.r + ||r||^2 in float32 is fast and wrong by 8-13 % on near copies, exactly where
memorization is decided. So it only rules out references here, nearly all of them and with proof (screening.py); those
that it leaves in doubt are ranked by exact float64 differences.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.measures.screening import CACHED_VALUES, Frame, Screen, cached
from diffbench.shapes import Float, Float32, Float64, Int64

TREE_DIMENSIONS = 10
"""Up to here a k-d tree is used; above, it visits most points and matrix products are faster."""

BLOCK_ROWS = 4096
BLOCK_BYTES = 2**27


@runtime_checkable
class Images(Protocol):
    """Flat images that can be read row by row: a numpy array, np.memmap or h5py data set."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of images, and of values in each."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Floats of any size."""
        ...

    def __getitem__(self, rows: slice | np.ndarray, /) -> np.ndarray: ...

    def __array__(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Neighbors:
    """The k nearest references of each query, nearest first; equal distances by index."""

    indices: Int64[np.ndarray, "m k"]  # rows of the references
    distances: Float64[np.ndarray, "m k"]  # L2


def nearest(
    queries: Float[Images, "m d"],
    references: Float[Images, "n d"],
    k: int,
    own: Int64[np.ndarray, " m"] | None = None,
) -> Neighbors:
    """The k nearest references of each query by L2, exactly.

    `own` gives the row of `references` that each query is itself, to be left out: for neighbours inside one set pass
    `own=np.arange(n)`. Distances are float64 sums of float64 differences: 0 for copies, and only for them. Peak memory
    is under 1 GB beside the inputs. DiffbenchError if shapes do not match, if there are fewer than k references (k + 1
    with `own`), or if a value is not finite.
    """
    low, high = _check(queries, references, k, own)
    if queries.shape[1] <= TREE_DIMENSIONS:
        return _nearest_by_tree(queries, references, k, own)
    frame = Frame.around(_mean(references), low, high)
    parts = [
        _nearest_of_block(np.asarray(queries[rows]), references, k, None if own is None else own[rows], frame)
        for rows in blocks(queries)
    ]
    return Neighbors(np.concatenate([p.indices for p in parts]), np.concatenate([p.distances for p in parts]))


def blocks(images: Float[Images, "n d"]) -> Iterator[slice]:
    """Row slices that cover `images`, each at most 4,096 rows and 128 MB in float64."""
    rows = max(1, min(BLOCK_ROWS, BLOCK_BYTES // (8 * max(1, images.shape[1]))))
    for start in range(0, images.shape[0], rows):
        yield slice(start, min(start + rows, images.shape[0]))


def require_finite(images: Float[Images, "n d"], name: str) -> None:
    """Raise DiffbenchError if any value of `images` is NaN or infinite."""
    _extent(images, name)


def _extent(images: Float[Images, "n d"], name: str) -> tuple[float, float]:
    """The least and the largest value; DiffbenchError if any is NaN or infinite."""
    low, high = np.inf, -np.inf
    for rows in blocks(images):
        block = np.asarray(images[rows])
        for part in cached(block):
            least, largest = float(block[part].min()), float(block[part].max())
            if not np.isfinite([least, largest]).all():
                raise DiffbenchError(
                    f"{name}: NaN or infinite values in rows {rows.start}-{rows.stop - 1}; remove them"
                )
            low, high = min(low, least), max(high, largest)
    return low, high


def _mean(images: Float[Images, "n d"]) -> Float32[np.ndarray, " d"]:
    """The mean image, roughly."""
    mean = np.zeros(images.shape[1], dtype=np.float32)
    for rows in blocks(images):
        block = np.asarray(images[rows])
        shares = np.full(len(block), 1 / images.shape[0], dtype=np.promote_types(block.dtype, np.float32))
        mean += (shares @ block).astype(np.float32)
    return mean


def _check(
    queries: Float[Images, "..."], references: Float[Images, "..."], k: int, own: Int64[np.ndarray, "..."] | None
) -> tuple[float, float]:
    """Refuse what cannot be searched; returns the least and the largest value of all images."""
    for name, images in (("queries", queries), ("references", references)):
        if len(images.shape) != 2:
            raise DiffbenchError(f"{name}: shape {tuple(images.shape)} is not (images, dimensions); flatten the images")
    if queries.shape[1] != references.shape[1]:
        raise DiffbenchError(
            f"queries have {queries.shape[1]} dimensions, references {references.shape[1]}: compare images of one size"
        )
    needed = k if own is None else k + 1
    if references.shape[0] < needed or k < 1:
        raise DiffbenchError(f"{k} nearest neighbours need at least {needed} references, got {references.shape[0]}")
    if own is not None and own.shape != (queries.shape[0],):
        raise DiffbenchError(f"own: shape {own.shape} is not ({queries.shape[0]},); give one index per query")
    extents = _extent(queries, "queries"), _extent(references, "references")
    return min(low for low, _ in extents), max(high for _, high in extents)


def _nearest_by_tree(
    queries: Float[Images, "m d"], references: Float[Images, "n d"], k: int, own: Int64[np.ndarray, " m"] | None
) -> Neighbors:
    from scipy.spatial import KDTree

    tree = KDTree(np.asarray(references[:], dtype=np.float64))
    raw_distances, raw_indices = tree.query(np.asarray(queries[:], dtype=np.float64), k=k + (own is not None))
    distances = np.asarray(raw_distances, dtype=np.float64).reshape(queries.shape[0], -1)
    indices = np.asarray(raw_indices, dtype=np.int64).reshape(queries.shape[0], -1)
    if own is not None:
        distances[indices == own[:, None]] = np.inf
    order = np.lexsort((indices, distances), axis=1)[:, :k]
    return Neighbors(np.take_along_axis(indices, order, axis=1), np.take_along_axis(distances, order, axis=1))


_Pairs = tuple[Int64[np.ndarray, " _"], Int64[np.ndarray, " _"], Float64[np.ndarray, " _"]]
"""Rows of queries, rows of references, and their distances."""


def _nearest_of_block(
    queries: Float[np.ndarray, "b d"],
    references: Float[Images, "n d"],
    k: int,
    own: Int64[np.ndarray, " b"] | None,
    frame: Frame,
) -> Neighbors:
    """`nearest` for one block of queries."""
    screen = Screen(queries, frame, k)
    best: _Pairs = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
    for rows in blocks(references):
        block = np.asarray(references[rows])
        for i, j in screen.in_doubt(block, None if own is None else own - rows.start):
            found = i, j + rows.start, _distances(queries, block, i, j)
            best = _closest(best, found, k)
    return Neighbors(best[1].reshape(-1, k), best[2].reshape(-1, k))


def _closest(best: _Pairs, found: _Pairs, k: int) -> _Pairs:
    """The k nearest of each query among both, by query, then by distance, then by reference."""
    i, j, distances = (np.concatenate(both) for both in zip(best, found, strict=True))
    order = np.lexsort((j, distances, i))
    rank = np.arange(len(i)) - np.searchsorted(i[order], i[order])
    kept = order[rank < k]
    return i[kept], j[kept], distances[kept]


def _distances(
    queries: Float[np.ndarray, "b d"],
    references: Float[np.ndarray, "r d"],
    i: Int64[np.ndarray, " p"],
    j: Int64[np.ndarray, " p"],
) -> Float64[np.ndarray, " p"]:
    """||queries[i] - references[j]|| for pairs of indices."""
    distances = np.empty(len(i))
    step = max(1, CACHED_VALUES // queries.shape[1])
    for start in range(0, len(i), step):
        part = slice(start, start + step)
        difference = np.subtract(queries[i[part]], references[j[part]], dtype=np.float64)
        distances[part] = np.sqrt(np.einsum("ij,ij->i", difference, difference))
    return distances
