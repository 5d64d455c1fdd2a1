"""The loss at a noise level as a test for having been trained on: a low loss says "member"."""

from dataclasses import dataclass

import numpy as np

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import ALPHA, auc
from diffbench.shapes import Float

DRAWS = 4000


@dataclass(frozen=True)
class Membership:
    """One estimate per noise level. AUC 0.5 = the loss tells nothing; TPR: share of members named."""

    auc: tuple[Estimate, ...]
    tpr_at_1_percent: tuple[Estimate, ...]  # at a false positive rate of 1 %
    tpr_at_01_percent: tuple[Estimate, ...]  # at 0.1 %


def membership(train: Float[np.ndarray, "L n"], validation: Float[np.ndarray, "L v"], seed: int) -> Membership:
    """Membership tests from per-image losses at each noise level."""
    if train.ndim != 2 or validation.ndim != 2 or len(train) != len(validation):
        raise DiffbenchError(f"membership: losses of shapes {train.shape} and {validation.shape} are not (L, n) each")
    if not (np.isfinite(train).all() and np.isfinite(validation).all()):
        raise DiffbenchError("membership: losses contain NaN or infinity; the model diverged or the file is damaged")
    pairs = [(v.astype(np.float64), t.astype(np.float64)) for v, t in zip(validation, train, strict=True)]
    return Membership(
        auc=tuple(auc(v, t) for v, t in pairs),
        tpr_at_1_percent=tuple(tpr_at_fpr(t, v, 0.01, seed_of("1%", seed, i)) for i, (v, t) in enumerate(pairs)),
        tpr_at_01_percent=tuple(tpr_at_fpr(t, v, 0.001, seed_of("0.1%", seed, i)) for i, (v, t) in enumerate(pairs)),
    )


def tpr_at_fpr(members: Float[np.ndarray, " m"], others: Float[np.ndarray, " n"], rate: float, seed: int) -> Estimate:
    """Share of members with a loss below the threshold that at most `rate` of the others are below.

    The interval counts the threshold's and the members' uncertainty. Of n others, Binomial(n, rate) lie below the true
    threshold, so it lies between two of them; the members below the lower (upper) one give the low (high) end, through
    the beta laws behind Clopper and Pearson's bounds. It covers in at least the nominal 95 % of cases. Undefined with
    fewer than 1 / rate others, which cannot resolve the rate.
    """
    m, n = len(members), len(others)
    allowed = int(rate * n + 1e-9)
    if allowed < 1 or m < 1:
        return undefined(f"a false positive rate of {rate:g} needs at least {round(1 / rate)} validation images", m + n)
    ends = np.concatenate([[-np.inf], np.sort(others), [np.inf]])  # ends[k + 1] has k others below it
    hits = np.searchsorted(np.sort(members), ends, side="left")  # members below each
    value = hits[allowed + 1] / m
    rng = np.random.default_rng(seed)
    below = rng.binomial(n, rate, DRAWS)
    fewest, most = hits[below], hits[below + 1]
    low = np.where(fewest > 0, rng.beta(np.maximum(fewest, 1), m - fewest + 1), 0.0)
    high = np.where(most < m, rng.beta(most + 1, np.maximum(m - most, 1)), 1.0)
    return Estimate(
        value=float(value),
        low=float(min(np.quantile(low, ALPHA / 2), value)),
        high=float(max(np.quantile(high, 1 - ALPHA / 2), value)),
        n=m + n,
    )
