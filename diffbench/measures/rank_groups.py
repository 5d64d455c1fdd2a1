"""Groups of settings that a measure cannot tell apart, and the interval of each setting's rank.

Settings are compared on paired units, such as seeds: each pair by Student's t of its differences in the units where
both have a value. Holm's correction (1979, Scand. J. Statist. 6, 65) is over all pairs, not only over those with the
best: which setting is best is seen in the same data, and the largest of k ties would stand out too often. With a
chance of CONFIDENCE at least no two settings that are tied are told apart, and all rank intervals hold at once
(Mogstad, Romano, Shaikh and Wilhelm 2024, Rev. Econ. Stud. 91, 476).

What all units share, such as validation images, is no evidence: it should vary from unit to unit, else settings are
told apart for these images only. Missing values are taken to be missing by chance, differences to be normal. Simulated,
ties stay together in 95 % of cases and more, also skewed, heavy-tailed or of few hits; in 89 % where one of two is
exponential and the other hardly varies.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special  # scipy.stats would be 0.3 s more at each stage's start-up

from diffbench.conventions import DiffbenchError
from diffbench.measures.intervals import ALPHA
from diffbench.shapes import Bool, Float64, Int64

ROUNDING = 1e-12
"""Of differences, relative to the values that they are of."""


@dataclass(frozen=True)
class Rank:
    """Where a setting stands among those that have a value: 1 is best; None where it has no value.

    group: 1 holds the best setting and all that are not separable from it, 2 likewise of the others, and so on.
    low, high: interval of the rank. n: units with a value. reason: why it has no rank, or was not told from others.
    """

    group: int | None
    low: int | None
    high: int | None
    n: int
    reason: str = ""


@dataclass(frozen=True)
class _Comparisons:
    """Of all pairs of settings; what concerns i against j stands at [i, j]."""

    ahead: Bool[np.ndarray, "k k"]
    """Where i is better in the mean of their shared units."""
    better: Bool[np.ndarray, "k k"]
    """Where it is so significantly."""
    untold: Bool[np.ndarray, "k k"]
    """Where they share too few units, or too few that all differ by the same, to be told apart."""


def rank_groups(values: Float64[np.ndarray, "k u"], higher_is_better: bool) -> list[Rank]:
    """Rank groups and rank intervals of k settings from their values in u units, nan where missing.

    A group holds the best of the settings left and all that are not significantly worse; it may skip a setting between
    two of its own whose differences from the best spread less. The best is ahead of most others left in the mean of
    their shared units (Copeland 1951): without missing values that is the best mean, and in any case no offset that
    all settings have in a unit changes it. A rank's interval is [1 + number of settings that are significantly better,
    k - number that are significantly worse].

    Raises:
        DiffbenchError: if a value is infinite.
    """
    if np.isinf(values).any():
        raise DiffbenchError("rank_groups: a value is infinite and has no mean; give nan to leave it out")
    counts = np.isfinite(values).sum(axis=1)
    ranked = np.flatnonzero(counts)
    pairs = _compared(values[ranked] if higher_is_better else -values[ranked])
    ranks = [Rank(None, None, None, 0, "no value in any unit")] * len(values)
    low, high = 1 + pairs.better.sum(axis=0), len(ranked) - pairs.better.sum(axis=1)
    columns = (each.tolist() for each in (ranked, _groups(pairs), low, high, counts[ranked], pairs.untold.sum(axis=1)))
    for index, group, lowest, highest, n, untold in zip(*columns, strict=True):
        reason = f"fewer than 2 shared units, or differences without spread: not told from {untold} of the others"
        ranks[index] = Rank(group, lowest, highest, n, reason if untold else "")
    return ranks


def holm(p: Float64[np.ndarray, " m"]) -> Float64[np.ndarray, " m"]:
    """Adjusted p-values of m tests: those below alpha hold a wrong one with a chance of alpha at most."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return adjusted


def _compared(values: Float64[np.ndarray, "k u"]) -> _Comparisons:
    """Of settings that have a value each; higher is better."""
    k = len(values)
    first, second = np.triu_indices(k, 1)
    differences = values[first] - values[second]
    n = np.isfinite(differences).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # nan where fewer than 2 units are shared
        mean = np.nansum(differences, axis=1) / n
        spread = np.sqrt(np.nansum((differences - mean[:, None]) ** 2, axis=1) / (n - 1))
        p = 2 * special.stdtr(n - 1, -np.abs(mean) * np.sqrt(n) / spread)
    largest = np.nanmax(np.abs(values), axis=1, initial=0)
    rounding = ROUNDING * np.maximum(largest[first], largest[second])
    differ = np.abs(mean) > rounding
    # Differences without spread have no t, and are no proof that they never vary (counts of few hits): a sign test.
    constant = (n >= 2) & (spread <= rounding)
    p[constant] = np.where(differ, 2.0 ** (1 - n), 1.0)[constant]
    told = np.zeros(len(p), dtype=bool)
    told[n >= 2] = holm(p[n >= 2]) < ALPHA

    ahead = _square(k, differ & (mean > 0), differ & (mean < 0))
    untold = (n < 2) | (constant & differ & ~told)
    return _Comparisons(ahead, ahead & _square(k, told, told), _square(k, untold, untold))


def _square(k: int, upper: Bool[np.ndarray, " m"], lower: Bool[np.ndarray, " m"]) -> Bool[np.ndarray, "{k} {k}"]:
    """What holds of the pairs (i, j), i < j, and of (j, i), as a matrix."""
    matrix = np.zeros((k, k), dtype=bool)
    first, second = np.triu_indices(k, 1)
    matrix[first, second], matrix[second, first] = upper, lower
    return matrix


def _groups(pairs: _Comparisons) -> Int64[np.ndarray, " k"]:
    """Number of each setting's group, from 1."""
    groups = np.zeros(len(pairs.ahead), dtype=np.int64)
    while (left := groups == 0).any():
        lead = pairs.ahead[:, left].sum(axis=1) - pairs.ahead[left].sum(axis=0)
        best = left & (lead == lead[left].max())
        worse = pairs.better[best].any(axis=0)
        groups[left & (best | ~worse)] = groups.max() + 1
    return groups
