"""A set of images that points are compared with again and again: what every comparison needs is computed once."""

from dataclasses import dataclass

import numpy as np

from diffbench.denoisers.posterior import half_squares
from diffbench.measures.neighbors import require_finite
from diffbench.shapes import Float, Float64, Int64

UNIT_ROUNDOFF = 2.0**-53
BLOCK_ELEMENTS = 2**22
"""Scores that are held at once (32 MB)."""
CACHED_ELEMENTS = 2**18
"""Values of differences that are held at once: they stay in cache."""


@dataclass(frozen=True)
class Centered:
    """Images (n, d) in float64 about their mean: a shift costs nothing and saves digits, as only distances matter."""

    images: Float[np.ndarray, "n d"]  # as they are
    center: Float64[np.ndarray, " d"]
    shifted: Float64[np.ndarray, "n d"]  # images - center
    half_squares: Float64[np.ndarray, " n"]  # ||shifted||^2 / 2

    @staticmethod
    def of(images: Float[np.ndarray, "n d"], name: str = "images") -> "Centered":
        """The set; DiffbenchError with this name if a value is not finite."""
        require_finite(images, name)
        values = images.astype(np.float64)
        center = values.mean(axis=0)
        shifted = values - center
        return Centered(images, center, shifted, half_squares(shifted))

    def scores(self, shifted: Float64[np.ndarray, "m d"]) -> Float64[np.ndarray, "m n"]:
        """x.y - ||y||^2 / 2 of points x and images y, both about the center: it falls as the distance rises."""
        return shifted @ self.shifted.T - self.half_squares

    def about_center(self, points: Float[np.ndarray, "m d"]) -> Float64[np.ndarray, "m d"]:
        """Points as they lie about the center."""
        return points.astype(np.float64) - self.center

    def nearest_distances(self, points: Float[np.ndarray, "m d"], name: str) -> Float64[np.ndarray, " m"]:
        """Distance (L2) of each point to the nearest image, as exactly as `neighbors.nearest` has it, in blocks.

        DiffbenchError with this name if a value is not finite.
        """
        require_finite(points, name)
        step = max(1, BLOCK_ELEMENTS // len(self.shifted))
        parts = []
        for start in range(0, len(points), step):
            block = points[start : start + step]
            shifted = self.about_center(block)
            parts.append(self.nearest_by_scores(block, shifted, self.scores(shifted)))
        return np.concatenate(parts)

    def nearest_by_scores(
        self,
        points: Float[np.ndarray, "m d"],
        shifted: Float64[np.ndarray, "m d"],
        scores: Float64[np.ndarray, "m n"],
    ) -> Float64[np.ndarray, " m"]:
        """The same of points whose scores are known.

        Scores err by no more than a sum of d products does in any order (Higham, Accuracy and Stability). So they leave
        one image or few that can be the nearest one, and those are measured by their differences from the point.
        """
        longest = np.sqrt(2 * self.half_squares.max())
        norms = np.sqrt(np.einsum("ij,ij->i", shifted, shifted))
        error = 2 * (shifted.shape[1] + 8) * UNIT_ROUNDOFF * longest * (norms + longest)
        i, j = np.nonzero(scores >= (scores.max(axis=1) - 2 * error)[:, None])
        return np.minimum.reduceat(self._distances(points, i, j), np.searchsorted(i, np.arange(len(points))))

    def _distances(
        self, points: Float[np.ndarray, "m d"], i: Int64[np.ndarray, " p"], j: Int64[np.ndarray, " p"]
    ) -> Float64[np.ndarray, " p"]:
        """||points[i] - images[j]|| for pairs of indices."""
        distances = np.empty(len(i))
        step = max(1, CACHED_ELEMENTS // points.shape[1])
        for start in range(0, len(i), step):
            pairs = slice(start, start + step)
            difference = points[i[pairs]].astype(np.float64)
            difference -= self.images[j[pairs]]
            distances[pairs] = np.sqrt(np.einsum("ij,ij->i", difference, difference))
        return distances
