"""When a model memorizes, when it is best, and up to which training size it recalls; each from estimates in order."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate, undefined

RECALL = 0.9


def tau_mem(steps: Sequence[int], fractions: Sequence[Estimate], floors: Sequence[Estimate]) -> Estimate:
    """First training step with a memorized fraction above its floor (Bonnaire et al., arXiv 2505.17638).

    Above: the fraction's interval lies wholly above the floor's. The interval reaches down to the first step whose
    value exceeds the floor's interval, and up to the first step above. Undefined if no step is above.
    """
    _check(steps, fractions)
    _check(steps, floors)
    pairs = list(zip(steps, fractions, floors, strict=True))
    above = [step for step, fraction, floor in pairs if fraction.low > floor.high]
    if not above:
        return undefined(f"memorized fraction not above its floor up to step {steps[-1]}", len(steps))
    first = next(step for step, fraction, floor in pairs if fraction.value > floor.high)
    return Estimate(above[0], first, above[0], len(steps))


def tau_gen(steps: Sequence[int], quality: Sequence[Estimate]) -> Estimate:
    """Training step of best quality, where lower is better: FD (Bonnaire et al., arXiv 2505.17638), KID or FLD.

    The interval spans the steps whose quality the best step's interval does not exclude. Undefined while quality still
    improves at the last step, or where no step has a defined quality.
    """
    _check(steps, quality)
    defined = [(step, q) for step, q in zip(steps, quality, strict=True) if not np.isnan(q.value)]
    if not defined:
        return undefined("quality is undefined at every step", len(steps))
    best_step, best = min(defined, key=lambda pair: pair[1].value)
    if best_step == defined[-1][0]:
        return undefined(f"quality still improves at the last step, {best_step}", len(steps))
    alike = [step for step, q in defined if q.value <= best.high]
    return Estimate(best_step, min(alike), max(alike), len(steps))


def effective_memorization(sizes: Sequence[int], fractions: Sequence[Estimate]) -> Estimate:
    """EMM: the largest training size with a memorized fraction of 0.9 or more (Gu et al., arXiv 2310.02664).

    The interval's ends are the largest sizes with the fraction's lower and upper bound at 0.9 or more. Undefined where
    all sizes, or none, are memorized: the answer then lies beyond the sizes studied.
    """
    _check(sizes, fractions)
    largest = {
        part: max((s for s, f in zip(sizes, fractions, strict=True) if getattr(f, part) >= RECALL), default=0)
        for part in ("value", "low", "high")
    }
    if largest["value"] == 0:
        return undefined(f"memorized fraction below {RECALL} already at {sizes[0]} images", len(sizes))
    if largest["value"] == sizes[-1]:
        return undefined(f"memorized fraction still {RECALL} or more at {sizes[-1]} images", len(sizes))
    return Estimate(largest["value"], largest["low"], largest["high"], len(sizes))


def _check(order: Sequence[int], estimates: Sequence[Estimate]) -> None:
    rising = all(later > earlier for earlier, later in pairwise(order))
    if len(order) != len(estimates) or not order or not rising:
        raise DiffbenchError(
            f"time scales: {len(order)} steps or sizes for {len(estimates)} estimates; give one each, rising"
        )
