"""Exact nearest neighbours of flat images, fast and in bounded memory.

||q - r||^2 = ||q||^2 - 2 q.r + ||r||^2 in float32 is fast and wrong by 8-13 % on near copies, exactly where
memorization is decided. So it only proposes candidates here; they are ranked by exact float64 differences. A bound on
the float32 error then proves, query by query, that no other reference can be nearer; where it cannot, every reference
that the bound leaves in doubt is measured exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.shapes import Float, Float32, Float64, Int64

TREE_DIMENSIONS = 10
"""Up to here a k-d tree is used; above, it visits most points and matrix products are faster."""

SPARE_CANDIDATES = 8
"""Candidates beyond k; more make doubtful queries rarer and ranking slower."""

BLOCK_ROWS = 4096
BLOCK_BYTES = 2**27
GROUP = 32
UNIT_ROUNDOFF = 2.0**-24  # float32


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
    _check(queries, references, k, own)
    if queries.shape[1] <= TREE_DIMENSIONS:
        return _nearest_by_tree(queries, references, k, own)
    frame = _Frame.of(queries, references)
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
    for rows in blocks(images):
        block = np.asarray(images[rows])
        if not np.isfinite(block.sum(dtype=np.float64)) and not np.isfinite(block).all():
            raise DiffbenchError(f"{name}: NaN or infinite values in rows {rows.start}-{rows.stop - 1}; remove them")


def _check(
    queries: Float[Images, "..."], references: Float[Images, "..."], k: int, own: Int64[np.ndarray, "..."] | None
) -> None:
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
    require_finite(queries, "queries")
    require_finite(references, "references")


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
    return _first(indices, distances, k)


@dataclass(frozen=True)
class _Frame:
    """A shift and a power-of-two scale that bring all images near the origin, where float32 cancels least."""

    center: Float32[np.ndarray, " d"]
    scale: float

    @staticmethod
    def of(queries: Float[Images, "m d"], references: Float[Images, "n d"]) -> "_Frame":
        total = np.zeros(references.shape[1])
        for rows in blocks(references):
            total += np.asarray(references[rows]).sum(axis=0, dtype=np.float64)
        center = (total / references.shape[0]).astype(np.float32)
        largest = 0.0
        for images in (queries, references):
            for rows in blocks(images):
                block = np.asarray(images[rows])
                largest = max(largest, float(np.maximum(block.max(axis=0) - center, center - block.min(axis=0)).max()))
        return _Frame(center, 2.0 ** -np.ceil(np.log2(largest)) if largest > 0 else 1.0)

    def place(self, images: Float[np.ndarray, "b d"]) -> Float32[np.ndarray, "b d"]:
        """Each value is rounded once: the centre is float32 and the scale a power of two."""
        placed = np.subtract(images, self.center)
        placed *= self.scale
        return placed.astype(np.float32, copy=False)


def _nearest_of_block(
    queries: Float[np.ndarray, "b d"],
    references: Float[Images, "n d"],
    k: int,
    own: Int64[np.ndarray, " b"] | None,
    frame: _Frame,
) -> Neighbors:
    """`nearest` for one block of queries."""
    count = min(k + SPARE_CANDIDATES, references.shape[0] - (own is not None))
    placed = frame.place(queries)
    norms = np.sqrt(np.einsum("ij,ij->i", placed, placed, dtype=np.float64))  # (b,)
    best = np.empty((len(queries), 0), dtype=np.int64)
    best_scores = np.empty((len(queries), 0), dtype=np.float32)
    longest = 0.0
    for rows in blocks(references):
        scores, block_longest = _scores(placed, np.asarray(references[rows]), frame, rows, own)
        longest = max(longest, block_longest)
        columns = _smallest(scores, count)
        best_scores = np.concatenate([best_scores, np.take_along_axis(scores, columns, axis=1)], axis=1)
        best = np.concatenate([best, columns + rows.start], axis=1)
        keep = _smallest(best_scores, count)
        best_scores = np.take_along_axis(best_scores, keep, axis=1)
        best = np.take_along_axis(best, keep, axis=1)

    distances = _pair_distances(queries, references, best)
    neighbors = _first(best, distances, k)
    error = _score_error(queries.shape[1], norms, longest)  # (b,)
    # Any reference whose score exceeds this limit is provably farther than the k-th distance here.
    limit = ((neighbors.distances[:, -1] * frame.scale) ** 2 - norms**2) / 2 + error  # (b,)
    doubtful = (best_scores.max(axis=1) <= limit) & (best.shape[1] < references.shape[0] - (own is not None))
    if not doubtful.any():
        return neighbors
    for rows in np.array_split(np.nonzero(doubtful)[0], max(1, int(doubtful.sum()) // 256)):
        settled = _settle(
            queries[rows], placed[rows], limit[rows], references, k, None if own is None else own[rows], frame
        )
        neighbors.indices[rows], neighbors.distances[rows] = settled.indices, settled.distances
    return neighbors


def _scores(
    placed: Float32[np.ndarray, "b d"],
    references: Float[np.ndarray, "r d"],
    frame: _Frame,
    rows: slice,
    own: Int64[np.ndarray, " b"] | None,
) -> tuple[Float32[np.ndarray, "b r"], float]:
    """||r||^2/2 - q.r in float32 of the references in `rows`: orders them as distance does. Also the longest ||r||."""
    placed_references = frame.place(references)
    halves = np.einsum("ij,ij->i", placed_references, placed_references, dtype=np.float64) / 2
    scores = placed @ placed_references.T
    np.subtract(halves.astype(np.float32), scores, out=scores)
    if own is not None:
        inside = np.nonzero((own >= rows.start) & (own < rows.stop))[0]
        scores[inside, own[inside] - rows.start] = np.inf
    return scores, float(np.sqrt(2 * halves.max()))


def _score_error(dimensions: int, norms: Float64[np.ndarray, " b"], longest: float) -> Float64[np.ndarray, " b"]:
    """Bound on |computed - true| score, for any order of summation (Higham, Accuracy and Stability).

    A dot product of d terms errs by at most d u/(1 - d u) ||q|| ||r||, rounding both factors to float32 adds 2u; the
    norm and the subtraction add a few u of each term. Eight u in place of those few leaves room for float64 rounding.
    """
    terms = (dimensions + 8) * UNIT_ROUNDOFF
    underflow = dimensions * 2.0**-126
    return terms / (1 - terms) * norms * longest + 4 * UNIT_ROUNDOFF * (longest**2 + norms**2) + underflow


def _smallest(scores: Float32[np.ndarray, "b n"], count: int) -> Int64[np.ndarray, "b _"]:
    """Columns of the `count` smallest scores of each row, in no order; all columns if there are fewer.

    The smallest lie in the groups with the smallest minima, and finding minima costs far less than partitioning.
    """
    rows, columns = scores.shape
    if columns <= count:
        return np.broadcast_to(np.arange(columns), scores.shape)
    groups = columns // GROUP
    if groups <= 2 * count:
        return np.argpartition(scores, count - 1, axis=1)[:, :count]
    # Group g holds columns g, g + groups, g + 2 * groups, ...: minima then run along contiguous memory.
    minima = scores[:, : groups * GROUP].reshape(rows, GROUP, groups).min(axis=1)
    chosen = np.argpartition(minima, count - 1, axis=1)[:, :count]
    members = (chosen[:, None, :] + groups * np.arange(GROUP)[None, :, None]).reshape(rows, -1)
    rest = np.broadcast_to(np.arange(groups * GROUP, columns), (rows, columns - groups * GROUP))
    members = np.concatenate([members, rest], axis=1)
    best = np.argpartition(np.take_along_axis(scores, members, axis=1), count - 1, axis=1)[:, :count]
    return np.take_along_axis(members, best, axis=1)


def _first(indices: Int64[np.ndarray, "b c"], distances: Float64[np.ndarray, "b c"], k: int) -> Neighbors:
    """The k nearest of each row's candidates, by distance, then by index."""
    order = np.lexsort((indices, distances), axis=1)[:, :k]
    return Neighbors(np.take_along_axis(indices, order, axis=1), np.take_along_axis(distances, order, axis=1))


def _pair_distances(
    queries: Float[np.ndarray, "b d"], references: Float[Images, "n d"], candidates: Int64[np.ndarray, "b c"]
) -> Float64[np.ndarray, "b c"]:
    """Exact distances of queries to their candidates, reading the references block by block."""
    distances = np.empty(candidates.shape)
    for rows in blocks(references):
        i, j = np.nonzero((candidates >= rows.start) & (candidates < rows.stop))
        distances[i, j] = _distances(queries, np.asarray(references[rows]), i, candidates[i, j] - rows.start)
    return distances


def _distances(
    queries: Float[np.ndarray, "b d"],
    references: Float[np.ndarray, "r d"],
    i: Int64[np.ndarray, " p"],
    j: Int64[np.ndarray, " p"],
) -> Float64[np.ndarray, " p"]:
    """||queries[i] - references[j]|| for pairs of indices."""
    distances = np.empty(len(i))
    step = max(1, 2**18 // queries.shape[1])  # differences that stay in cache
    for start in range(0, len(i), step):
        part = slice(start, start + step)
        difference = queries[i[part]].astype(np.float64)
        difference -= references[j[part]]
        distances[part] = np.sqrt(np.einsum("ij,ij->i", difference, difference))
    return distances


def _settle(
    queries: Float[np.ndarray, "b d"],
    placed: Float32[np.ndarray, "b d"],
    limit: Float64[np.ndarray, " b"],
    references: Float[Images, "n d"],
    k: int,
    own: Int64[np.ndarray, " b"] | None,
    frame: _Frame,
) -> Neighbors:
    """The k nearest of doubtful queries: measures every reference whose score does not exceed `limit`."""
    best = np.empty((len(queries), 0), dtype=np.int64)
    best_distances = np.empty((len(queries), 0))
    for rows in blocks(references):
        block = np.asarray(references[rows])
        scores, _ = _scores(placed, block, frame, rows, own)
        i, j = np.nonzero(scores <= limit[:, None])
        distances = np.full(scores.shape, np.inf)
        distances[i, j] = _distances(queries, block, i, j)
        indices = np.broadcast_to(np.arange(rows.start, rows.stop), scores.shape)
        merged = _first(np.concatenate([best, indices], axis=1), np.concatenate([best_distances, distances], axis=1), k)
        best, best_distances = merged.indices, merged.distances
    return Neighbors(best, best_distances)
