"""Claim 1: the denoising gap is a bump over the noise level, and about 0 at both ends."""

import math
from collections.abc import Iterator

from diffbench.data.raw_images import Facts
from diffbench.files.estimates import Estimate, undefined
from diffbench.study.grid import Cell
from diffbench.study.study import Study
from diffbench.summary.claims.cells import Place, alone, center_words, every_size, labels, notes, optima, overfits
from diffbench.summary.claims.seeds import (
    NOT_MEASURED,
    error,
    known,
    larger_magnitude,
    number,
    over_seeds,
    text,
    with_error,
)
from diffbench.summary.lookup import Lookup
from diffbench.summary.verdicts import ClaimTest


def bump_tests(study: Study, lookup: Lookup, facts: Facts) -> Iterator[ClaimTest]:
    """Whether the peak stands above both ends, and whether these are small, at every n; the optimum's ends are not."""
    places = [*every_size(study)]
    for place in places:
        yield ClaimTest(
            f"peak_above_ends_{place.key}",
            f"largest gap between the ends of the noise range, minus the larger gap at an end, {center_words(study)}",
            over_seeds([_peak_above_ends(cell, lookup) for cell in place.cells]),
            "peak",
            above=True,
            place=place.words,
            note=overfits(lookup, {"": place.cells}),
        )
    for place in places:
        yield _ends(study, lookup, facts, place, control=False)
    for place in optima(study):
        yield _ends(study, lookup, facts, place, control=True)


def _curve(cell: Cell, lookup: Lookup) -> list[tuple[float, Estimate]]:
    """The gap by noise level, rising; at least three levels, else nothing."""
    curve = sorted(lookup.curve_of_checkpoint(cell.checkpoint, "gap").items())
    return curve if len(curve) > 2 else []


def _peak_above_ends(cell: Cell, lookup: Lookup) -> Estimate:
    """Largest gap strictly between the ends, minus the larger |gap| of both ends: negative where the gap has no bump.

    The upper end of the largest gap's interval is the highest of all levels, the lower one that of `peak_gap`, a band
    that holds the whole curve: see measures.intervals.largest.
    """
    curve = [estimate for _, estimate in _curve(cell, lookup)]
    if not curve:
        return NOT_MEASURED
    if fault := next((each for each in curve if each.reason), None):
        return undefined(f"the gap is undefined at some level: {fault.reason}", fault.n)
    inner, end = curve[1:-1], max(curve[0], curve[-1], key=lambda each: abs(each.value))
    value, low, high = (max(getattr(each, name) for each in inner) for name in ("value", "low", "high"))
    peak = Estimate(value, min(low, known(lookup.of_checkpoint(cell.checkpoint, "peak_gap")).low), high, end.n)
    return with_error(value - abs(end.value), end.n, error(peak), error(end))


def _ends(study: Study, lookup: Lookup, facts: Facts, place: Place, control: bool) -> ClaimTest:
    """The larger of |gap at the lowest level| and |gap at the highest - plateau|."""
    curves = [_curve(cell, lookup) for cell in place.cells]
    low, high = (
        over_seeds([curve[end][1] if curve else NOT_MEASURED for curve in curves], alone=control) for end in (0, -1)
    )
    plateau = _plateau(facts, place)
    beyond = _beyond(high, plateau)
    estimate = larger_magnitude(low, beyond)
    if all(curves) and any(math.isinf(curve[0][1].value) for curve in curves):
        estimate = Estimate(math.inf, math.inf, math.inf, len(curves))
    said = ""
    if all(curves) and curves:
        lowest = "unbounded" if math.isinf(estimate.value) else text(low)
        said = f"at σ = {curves[0][0][0]:g}: {lowest}; at σ = {curves[0][-1][0]:g}: {text(high)}"
        said += f", of which {number(plateau)} is the plateau: {text(beyond)} beyond it" if plateau > 0 else ""
    return ClaimTest(
        f"ends_{place.key}",
        f"larger gap at an end of the noise range, at the upper one beyond the plateau, {center_words(study)}",
        estimate,
        "ends",
        above=False,
        place=place.words,
        note=notes(said, alone(place.cells) if control else ""),
        control=control,
    )


def _plateau(facts: Facts, place: Place) -> float:
    """The gap expected at large noise, 2 / (n_c - 1) with n_c images per label.

    nan where a label has one image, and where it is a vector: how many images share one is not looked up.
    There D is the mean of the label's n_c training images, which differs from an image among them by (n_c - 1) / n_c
    of the data's variance, and from an unseen one by (n_c + 1) / n_c.
    """
    if not place.cells:
        return math.nan
    run = place.cells[0].checkpoint.run
    per_label = run.train_size / labels(facts, run.granularity, run.train_size)
    return 2 / (per_label - 1) if per_label > 1 else math.nan


def _beyond(end: Estimate, plateau: float) -> Estimate:
    if math.isnan(plateau):
        unknown = "where a label has a single image, or is a vector"
        return undefined(f"the plateau at large noise is not known {unknown}", end.n)
    return Estimate(end.value - plateau, end.low - plateau, end.high - plateau, end.n, end.reason)
