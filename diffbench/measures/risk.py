"""Which training images are at risk? How far each is from others, how often it is extracted, how well attacks see it.

Times extracted are counts of `extraction.times_extracted`; attack scores are false positive rates at which the best
attack on a model names an image.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from diffbench.files.estimates import Estimate
from diffbench.measures.intervals import ALPHA
from diffbench.measures.near_duplicates import Surroundings
from diffbench.measures.rank_correlation import spearman
from diffbench.shapes import Float64, Int64


@dataclass(frozen=True)
class Isolation:
    """Distances (L2) of some training images to their nearest other one, near duplicates included."""

    rows: Int64[np.ndarray, " u"]  # of the training images, rising
    distances: Float64[np.ndarray, " u"]

    @staticmethod
    def within(around: Surroundings) -> "Isolation":
        """That of all training images whose surroundings are known: no search of its own."""
        return Isolation(around.rows, around.neighbors.distances[:, 0])

    def at(self, rows: Int64[np.ndarray, " r"]) -> Float64[np.ndarray, " r"]:
        """The distances of training images at `rows`, all of them among `self.rows`."""
        return self.distances[np.searchsorted(self.rows, rows)]


def isolation_extraction(
    isolation: Isolation, times: Int64[np.ndarray, " n"], chosen: Int64[np.ndarray, " r"]
) -> Estimate:
    """Spearman's correlation of isolation with times extracted, over training images at `chosen`: all, or at random.

    Images that were looked at because a sample lies near them are no random choice. Undefined where all of the chosen
    are extracted equally often, as where none is.
    """
    return spearman(isolation.at(chosen), times[chosen])


def share_bounds(
    times: Int64[np.ndarray, " n"], samples: int
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Ends of the shares of samples that are copies of each of n training images, from how many of `samples` are.

    Of all n images at once (Bonferroni), so that they hold for those that were looked at because they have most copies:
    Clopper and Pearson's (1934) at 1 - 0.05 / n each. They cover all of them in at least 95 % of cases.
    """
    tail = ALPHA / (2 * len(times))
    with np.errstate(invalid="ignore"):
        low = np.where(times > 0, special.betaincinv(times, samples - times + 1, tail), 0.0)
        high = np.where(times < samples, special.betaincinv(times + 1, samples - times, 1 - tail), 1.0)
    return low, high
