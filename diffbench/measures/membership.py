"""The loss at a noise level as a test for having been trained on: a low loss says "member"."""

from dataclasses import dataclass

import numpy as np

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import auc, share_below_quantile
from diffbench.shapes import Float


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

    Undefined with fewer than 1 / rate others, which cannot resolve the rate.
    """
    if rate * len(others) < 1 - 1e-9:
        n = len(members) + len(others)
        return undefined(f"a false positive rate of {rate:g} needs at least {round(1 / rate)} validation images", n)
    return share_below_quantile(members, others, rate, seed)
