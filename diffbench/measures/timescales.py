"""When a model memorizes, when it is best, and up to which training size it recalls; each from estimates in order.

Between two milestones, or sizes, a memorized fraction is read by interpolation: a link of it, such as the logit, as a
straight line over the logarithm of the step or size, so that it may rise from 0 to 1 within few doublings. How it rises
in between is not known: values are read by the logit, ends of intervals by that of three links which is outermost.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise, takewhile

import numpy as np
from scipy import special

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate, undefined
from diffbench.shapes import Float64

Link = Callable[[Float64[np.ndarray, " k"]], Float64[np.ndarray, " k"]]

HALF = 0.5
RECALL = 0.9
LEAST = 1.0
"""Lower end where an interval is open below: no step or size is less."""
LINKS: tuple[Link, ...] = (special.logit, lambda p: -np.log(-np.log(p)), lambda p: np.log(-np.log1p(-p)))
"""Logit, log-log, complementary log-log: symmetric, slow above, slow below (McCullagh and Nelder 1989, section 4.3)."""


def tau_mem(steps: Sequence[int], fractions: Sequence[Estimate], floors: Sequence[Estimate]) -> Estimate:
    """Training step at which the memorized fraction rises through its floor's upper bound.

    Bonnaire et al. (arXiv 2505.17638): onset of memorization. Interval and undefined cases: see `tau_half`.
    """
    _check(steps, fractions)
    _check(steps, floors)
    return _rise(steps, fractions, [floor.high for floor in floors], "its floor")


def tau_half(steps: Sequence[int], fractions: Sequence[Estimate]) -> Estimate:
    """Training step at which the memorized fraction rises through 1/2, where its course is steepest.

    The interval holds the steps at which the fraction's own interval holds the level: from where its upper bound rises
    through it, or 1 if the bound was above already at the first step, to where its lower bound does. Undefined where
    no step lies clearly above, with its lower bound, and where all do.
    """
    _check(steps, fractions)
    return _rise(steps, fractions, [HALF] * len(steps), f"{HALF}")


def _rise(steps: Sequence[int], fractions: Sequence[Estimate], levels: Sequence[float], name: str) -> Estimate:
    return _crossing(
        steps,
        fractions,
        levels,
        early=f"memorized fraction above {name} already at step {steps[0]}: the crossing lies before, if not there",
        late=f"memorized fraction not clearly above {name} up to step {steps[-1]}: the crossing lies later, if at all",
    )


def effective_memorization(sizes: Sequence[int], fractions: Sequence[Estimate]) -> Estimate:
    """EMM: the training size at which the memorized fraction falls through 0.9 (Gu et al., arXiv 2310.02664).

    The interval holds the sizes at which the fraction's own interval holds 0.9. Undefined where all sizes, or none, are
    memorized: the answer then lies beyond the sizes studied.
    """
    _check(sizes, fractions)
    return _crossing(
        sizes,
        [Estimate(1 - f.value, 1 - f.high, 1 - f.low, f.n, f.reason) for f in fractions],
        [1 - RECALL] * len(sizes),
        early=f"memorized fraction below {RECALL} already at {sizes[0]} images",
        late=f"memorized fraction not clearly below {RECALL} up to {sizes[-1]} images",
    )


def _crossing(
    order: Sequence[int], fractions: Sequence[Estimate], levels: Sequence[float], early: str, late: str
) -> Estimate:
    """Where fractions first rise through their levels to stay until they are clearly above, with the lower bound.

    early: why there is no such place if all are above; late: if none is clearly above.
    """
    parts = zip(order, fractions, levels, strict=True)
    known = [part for part in parts if not np.isnan([part[1].value, part[2]]).any()]
    if len(known) < 2:
        return undefined(f"only {len(known)} of {len(order)} memorized fractions and floors are defined", len(known))
    places, level = np.array([place for place, _, _ in known], float), np.array([level for _, _, level in known])
    low, high = (np.array([getattr(f, end) for _, f, _ in known]) for end in ("low", "high"))
    value = np.array([(f.value * f.n + 0.5) / (f.n + 1) for _, f, _ in known])  # Cox's empirical logit is finite
    if not (low > level).any():
        return undefined(late, len(known))
    clear = int((low > level).argmax())
    if not (value[:clear] <= level[:clear]).any():
        return undefined(early, len(known))
    first = LEAST
    if (high[:clear] <= level[:clear]).any():
        first = min(_last_rise(places, high, level, clear, link) for link in LINKS)
    last = max(_last_rise(places, low, level, clear, link) for link in LINKS)
    return Estimate(_last_rise(places, value, level, clear, LINKS[0]), first, last, len(known))


def _last_rise(
    places: Float64[np.ndarray, " k"],
    heights: Float64[np.ndarray, " k"],
    levels: Float64[np.ndarray, " k"],
    before: int,
    link: Link,
) -> float:
    """Where heights last rise through their levels until index `before`, of which they must be below one.

    A lower bound of no hits is linked to minus infinity, an upper bound of all hits to infinity: the line is then as
    steep as can be, and crosses at the later, or the earlier, of two places.
    """
    below = int(np.flatnonzero(heights[:before] <= levels[:before])[-1])
    pair = slice(below, below + 2)
    with np.errstate(divide="ignore"):
        start, end = link(heights[pair]) - link(levels[pair])
    share = 1.0 if np.isneginf(start) else 0.0 if np.isposinf(end) else start / (start - end)
    return float(places[below] * (places[below + 1] / places[below]) ** share)


def tau_gen(steps: Sequence[int], quality: Sequence[Estimate]) -> Estimate:
    """Training step of best quality, where lower is better: FD (Bonnaire et al., arXiv 2505.17638), KID or FLD.

    The steps whose quality the best step's interval does not exclude are alike. The interval reaches from the step
    before them, or 1, to the step after them, as the quality in between is not known. Undefined while quality still
    improves at the last step, or where no step has a defined quality.
    """
    _check(steps, quality)
    defined = [(step, q) for step, q in zip(steps, quality, strict=True) if not np.isnan(q.value)]
    if not defined:
        return undefined("quality is undefined at every step", len(steps))
    best = min(range(len(defined)), key=lambda index: defined[index][1].value)
    if best == len(defined) - 1:
        return undefined(f"quality still improves at the last step, {defined[-1][0]}", len(steps))
    alike = [index for index, (_, q) in enumerate(defined) if q.value <= defined[best][1].high]
    bounds = [LEAST, *(step for step, _ in defined), defined[-1][0]]
    return Estimate(defined[best][0], bounds[alike[0]], bounds[alike[-1] + 2], len(steps))


def last_step_at_floor(steps: Sequence[int], fractions: Sequence[Estimate], floors: Sequence[Estimate]) -> Estimate:
    """Last training step up to which no memorized fraction exceeds its floor's upper bound.

    The interval's ends are the last steps up to which no fraction's upper, and lower, bound exceeds it; 0, the
    untrained network, where the first upper bound does. Undefined where the first fraction does.
    """
    _check(steps, fractions)
    _check(steps, floors)
    value, low, high = (_last_quiet(steps, fractions, floors, part) for part in ("value", "high", "low"))
    if value is None:
        return undefined(f"memorized fraction above its floor already at step {steps[0]}", len(steps))
    return Estimate(value, 0 if low is None else low, high or value, len(steps))


def least_size_at_floor(sizes: Sequence[int], fractions: Sequence[Estimate], floors: Sequence[Estimate]) -> Estimate:
    """Least training size from which on no memorized fraction exceeds its floor's upper bound.

    The interval's ends are the least sizes from which on no fraction's lower, and upper, bound exceeds it; infinity
    where the last upper bound does. Undefined where the last fraction does.
    """
    _check(sizes, fractions)
    _check(sizes, floors)
    falling = sizes[::-1], fractions[::-1], floors[::-1]
    value, low, high = (_last_quiet(*falling, part) for part in ("value", "low", "high"))
    if value is None:
        return undefined(f"memorized fraction above its floor still at {sizes[-1]} images", len(sizes))
    return Estimate(value, low or value, np.inf if high is None else high, len(sizes))


def _last_quiet(
    order: Sequence[int], fractions: Sequence[Estimate], floors: Sequence[Estimate], part: str
) -> int | None:
    """The last place up to which this part of the fractions is at most their floors' upper bounds; None if none is."""
    triples = zip(order, fractions, floors, strict=True)
    quiet = [place for place, _, _ in takewhile(lambda triple: getattr(triple[1], part) <= triple[2].high, triples)]
    return quiet[-1] if quiet else None


def _check(order: Sequence[int], estimates: Sequence[Estimate]) -> None:
    rising = all(later > earlier for earlier, later in pairwise(order))
    if len(order) != len(estimates) or not order or not rising:
        raise DiffbenchError(
            f"time scales: {len(order)} steps or sizes for {len(estimates)} estimates; give one each, rising"
        )
