"""Claim 3: while the denoising gap grows, samples do not follow: neither copies of training images nor bias to them."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from diffbench.data.raw_images import Facts
from diffbench.files.estimates import Estimate, undefined
from diffbench.study.grid import Cell
from diffbench.study.study import Study
from diffbench.summary.claims.cells import Place, alone, center_words, controls, notes, overfits, sizes
from diffbench.summary.claims.seeds import difference, known, logarithm, number, over_seeds, text, with_error
from diffbench.summary.lookup import Lookup, center_cells
from diffbench.summary.verdicts import ClaimTest

GROWTH, COPYING = "peak_gap_growth", "copying"
"""Names of tests up to their places, beside those of BIASES."""


class Bias(NamedTuple):
    """A measure of how far samples lie on the side of the training images.

    Where what it is without bias is known to some precision, growth counts from there at least: MemAUC lies far below
    its floor while samples are poor, and grows to it as they become better. The floor of the inference-side gap is as
    uncertain as itself, and stands beside it.
    """

    name: str
    measure: str
    floor: str  # measure of its floor, or "" where it is 1/2
    words: str
    threshold: str
    least: str  # the floor in words, if growth counts from it at least
    shared_error: str = ""  # measure of the standard error that seeds share; "": all of the interval, conservatively

    def read(self, lookup: Lookup, cells: Sequence[Cell]) -> list[Estimate]:
        """The measure of each cell, with an interval of what seeds share."""
        values = [known(lookup.of_cell(cell, self.measure)) for cell in cells]
        if not self.shared_error:
            return values
        errors = [known(lookup.of_cell(cell, self.shared_error)) for cell in cells]
        return [
            undefined(value.reason or error.reason, value.n)
            if value.reason or error.reason
            else with_error(value.value, value.n, error.value)
            for value, error in zip(values, errors, strict=True)
        ]


BIASES = (
    Bias("nearest_side", "nearest_side_rate", "", "nearest-side rate", "bias", "1/2"),
    Bias("mem_auc", "mem_auc", "mem_auc_floor", "MemAUC", "bias", "its floor"),
    Bias("fd_gap", "fd_gap", "fd_gap_floor", "inference-side gap", "frechet_bias", "", "fd_gap_shared_error"),
)


def following_tests(study: Study, lookup: Lookup, facts: Facts) -> Iterator[ClaimTest]:
    """At every n: growth of the gap, copies, and the growth of bias; copies alone where they are certain by design."""
    places = [*sizes(study, facts)]
    ends = {place.key: _Ends.of(study, place) for place in places}
    for place in places:
        yield _growth(study, lookup, place, ends[place.key])
    for place in places:
        yield _copying(study, lookup, place, control=False)
    for bias in BIASES:
        for place in places:
            yield _bias(study, lookup, place, ends[place.key], bias)
    for place in controls(study, facts):
        yield _copying(study, lookup, place, control=True)


class _Ends(NamedTuple):
    """Cells of the first milestone and of the last, by seed."""

    first: list[Cell]
    last: list[Cell]

    @classmethod
    def of(cls, study: Study, place: Place) -> "_Ends":
        size = place.cells[0].checkpoint.run.train_size
        cells = center_cells(study, train_size=size)
        start = min(cell.checkpoint.step for cell in cells)
        return cls([cell for cell in cells if cell.checkpoint.step == start], place.cells)

    @property
    def single(self) -> bool:
        return self.first == self.last


SINGLE = undefined("the study has a single milestone", 0)


def _growth(study: Study, lookup: Lookup, place: Place, ends: _Ends) -> ClaimTest:
    """ln(peak gap at the last milestone / at the first)."""
    first, last = (
        [known(lookup.of_checkpoint(cell.checkpoint, "peak_gap")) for cell in cells]
        for cells in (ends.first, ends.last)
    )
    grown = [difference(logarithm(b), logarithm(a)) for a, b in zip(first, last, strict=True)]
    return ClaimTest(
        f"{GROWTH}_{place.key}",
        f"ln of the peak gap, last milestone over first, {center_words(study)}",
        SINGLE if ends.single else over_seeds(grown),
        "growth",
        above=True,
        place=place.words,
        note=notes(_path(first, last), overfits(lookup, {"": place.cells})),
    )


def _path(first: Sequence[Estimate], last: Sequence[Estimate]) -> str:
    """From where to where a measure went, if it is known at both milestones."""
    ends = [over_seeds(each) for each in (first, last)]
    return " to ".join(map(text, ends)) if all(math.isfinite(end.value) for end in ends) else ""


def _copying(study: Study, lookup: Lookup, place: Place, control: bool) -> ClaimTest:
    """Memorized fraction at the last milestone minus that of held-out images as samples.

    The interval over seeds is widened to the mean of the cells' own exact intervals: where no sample of any seed is
    memorized, seeds do not differ, and that is no proof of a rate of 0.
    """
    fractions, floors = (
        [known(lookup.of_cell(cell, measure)) for cell in place.cells]
        for measure in ("memorized_fraction", "memorized_floor")
    )
    own = [
        Estimate(f.value - floor.value, f.low - floor.high, f.high - floor.low, f.n, f.reason or floor.reason)
        for f, floor in zip(fractions, floors, strict=True)
    ]
    values = [with_error(each.value, each.n) if not each.reason else each for each in own]
    excess = over_seeds(values, alone=control)
    if not excess.reason:
        low, high = np.mean([(each.low, each.high) for each in own], axis=0)
        excess = Estimate(excess.value, min(excess.low, float(low)), max(excess.high, float(high)), excess.n)
    return ClaimTest(
        f"{COPYING}_{place.key}",
        f"memorized fraction above its floor, last milestone, {center_words(study)}",
        excess,
        "memorized_excess",
        above=False,
        place=place.words,
        note=notes(
            f"{number(over_seeds(fractions).value)}, of held-out images {text(floors[0])}" if not excess.reason else "",
            alone(place.cells) if control else "",
        ),
        control=control,
    )


def _bias(study: Study, lookup: Lookup, place: Place, ends: _Ends, bias: Bias) -> ClaimTest:
    """The measure at the last milestone minus that at the first, or its floor if that is larger: see Bias."""
    first, last = (bias.read(lookup, cells) for cells in ends)
    references = min(place.cells[0].checkpoint.run.train_size, study.data.validation)
    half = with_error(0.5, references, _chance(references))
    floors = [known(lookup.of_cell(cell, bias.floor)) if bias.floor else half for cell in ends.last]
    grown = [
        difference(end, floor if bias.least and floor.value > start.value else start)
        for start, end, floor in zip(first, last, floors, strict=True)
    ]
    least = f", from {bias.least} at least" if bias.least else ""
    return ClaimTest(
        f"{bias.name}_growth_{place.key}",
        f"growth of the {bias.words}, first milestone to last{least}, {center_words(study)}",
        SINGLE if ends.single else over_seeds(grown),
        bias.threshold,
        above=False,
        place=place.words,
        note=notes(_path(first, last), f"unbiased {text(over_seeds(floors))}"),
    )


def _chance(references: int) -> float:
    """Standard error of a nearest-side rate of 1/2 by the choice of k references on either side, which seeds share.

    If each of them is the nearest of a share m of unbiased samples, the rate's variance is (sum of m^2 - 1 / 2k) / 4;
    where shares vary as much as exponential ones do, that is 1 / 8k. Among digits they vary less: 0.032 for k = 64,
    against 0.044. Where the first milestone stands above 1/2, the choice has its part in both and cancels.
    """
    return 0.5 / math.sqrt(2 * references)
