"""Claim 4: at the noise level where the gap peaks, trajectories overlap little with noised training data."""

import math
from collections.abc import Iterator
from itertools import chain

from diffbench.data.raw_images import Facts
from diffbench.files.estimates import Estimate, undefined
from diffbench.study.grid import Cell
from diffbench.study.study import Study
from diffbench.summary.claims.cells import Place, alone, center_words, controls, last_cells, notes, sizes
from diffbench.summary.claims.seeds import HALF_WIDTH, NOT_MEASURED, error, known, over_seeds, text, with_error
from diffbench.summary.lookup import Lookup
from diffbench.summary.verdicts import ClaimTest

STATISTICS = {
    "shell_likeness": ("ln(unseen / states) / ln(unseen / train) of mean shell radii", "likeness"),
    "states_inside": ("share of states inside the ball that holds 95 % of noised training images", "inside"),
}
"""Name -> words, threshold."""


def trajectory_tests(study: Study, lookup: Lookup, facts: Facts) -> Iterator[ClaimTest]:
    """Both statistics at every n; where samples are copies by design, both must say so."""
    tests, known_truth = [*sizes(study, facts)], [*controls(study, facts)]
    for name in STATISTICS:
        for place in chain(tests, known_truth):
            yield _test(study, lookup, place, name, control=place in known_truth)


def _test(study: Study, lookup: Lookup, place: Place, name: str, control: bool) -> ClaimTest:
    words, threshold = STATISTICS[name]
    levels = [_level(study, lookup, cell) for cell in place.cells]

    def read(measure: str) -> list[Estimate]:
        return [_at(cell, lookup, measure, level) for cell, level in zip(place.cells, levels, strict=True)]

    if name == "shell_likeness":
        radii = (read(f"shell_radius_{each}") for each in ("states", "train", "validation"))
        values = [shell_likeness(*of_cell) for of_cell in zip(*radii, strict=True)]
        beside = "train-likeness", "train_likeness"
    else:
        values = read("states_inside")
        beside = "noised unseen images", "validation_inside"
    measured = sorted({level for level in levels if math.isfinite(level)})
    return ClaimTest(
        f"{name}_{place.key}",
        f"{words}, at the gap's peak, {center_words(study)}",
        over_seeds(values, alone=control),
        threshold,
        above=False,
        place=place.words,
        note=notes(
            f"{beside[0]} {text(over_seeds(read(beside[1]), alone=control))}" if measured else "",
            f"at σ = {', '.join(f'{level:.2g}' for level in measured)}" if measured else "",
            alone(place.cells) if control else "",
        ),
        control=control,
    )


def _level(study: Study, lookup: Lookup, cell: Cell) -> float:
    """The sampler's level nearest to the gap's peak, in ln(sigma); nan where there is none.

    Where the cell's own gap has no peak, as the optimum's, that of the centre's cells.
    """
    own = known(lookup.of_checkpoint(cell.checkpoint, "sigma_at_peak")).value
    others = [known(lookup.of_checkpoint(each.checkpoint, "sigma_at_peak")).value for each in last_cells(study)]
    finite = [math.log(peak) for peak in ([own] if math.isfinite(own) else others) if math.isfinite(peak)]
    levels = lookup.curve_of_cell(cell, "shell_radius_states")
    if not finite or not levels:
        return math.nan
    peak = sum(finite) / len(finite)
    return min(levels, key=lambda sigma: abs(math.log(sigma) - peak))


def _at(cell: Cell, lookup: Lookup, measure: str, level: float) -> Estimate:
    if math.isnan(level):
        return undefined("not measured, or the gap has no peak", 0)
    return lookup.curve_of_cell(cell, measure).get(level, NOT_MEASURED)


def shell_likeness(states: Estimate, train: Estimate, unseen: Estimate) -> Estimate:
    """L = ln(unseen / states) / ln(unseen / train) of mean radii: 1 = like noised training data, 0 = like unseen data.

    It goes on where all states lie beyond all noised training images and train-likeness saturates at 0. Standard error
    by the delta method: dL = ((1 - L) d ln unseen - d ln states + L d ln train) / ln(unseen / train). Undefined where
    the two populations cannot be told apart.
    """
    n = min(states.n, train.n, unseen.n)
    if reason := states.reason or train.reason or unseen.reason:
        return undefined(reason, n)
    if not min(states.value, train.value, unseen.value) > 0:
        return undefined("a shell radius is 0", n)
    of_states, of_train, of_unseen = (error(each) / each.value for each in (states, train, unseen))
    apart = math.log(unseen.value / train.value)
    if apart <= HALF_WIDTH * math.hypot(of_train, of_unseen):
        return undefined("noised training and unseen images cannot be told apart here", n)
    likeness = math.log(unseen.value / states.value) / apart
    errors = ((1 - likeness) * of_unseen / apart, of_states / apart, likeness * of_train / apart)
    return with_error(likeness, n, *errors)
