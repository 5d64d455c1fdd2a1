"""Claim 2: the gap's peak grows with training time, model size and finer conditions, and falls with dataset size."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from diffbench.data.raw_images import Facts
from diffbench.files.estimates import Estimate, undefined
from diffbench.settings.granularity import GIVEN, Granularity
from diffbench.study.grid import Cell
from diffbench.study.study import Study
from diffbench.summary.claims.cells import UNIQUE, at_one_step, labels, notes, overfits
from diffbench.summary.claims.seeds import difference, error, known, logarithm, number, over_seeds, text, with_error
from diffbench.summary.lookup import Lookup, center_cells, values_at_center
from diffbench.summary.verdicts import ClaimTest

PEAKS = {
    "": ("peak_gap", "relative peak gap, (validation − train) / train"),
    "_absolute": ("peak_absolute_gap", "absolute peak gap, validation − train"),
}
"""Ending of a test's name -> measure, words."""

APART = (UNIQUE, "random", GIVEN)
"""Kinds of granularity that are no finer condition: unique hands unseen images a wrong label by construction, random is
a control, and how many vectors are given is no measure of how much they tell."""


class Trend(NamedTuple):
    """A factor, and the values of it that can be ordered by a size."""

    factor: str
    words: str
    sizes: Mapping[Any, float]
    grows: bool
    beside: str = ""  # what is to be said of the values

    @property
    def values(self) -> list[Any]:
        """Smallest first."""
        return sorted(self.sizes, key=lambda value: self.sizes[value])


def trend_tests(study: Study, lookup: Lookup, parameters: Mapping[str, int], facts: Facts) -> Iterator[ClaimTest]:
    """Elasticities: slopes of ln(peak) on ln(factor), the other factors at the centre; of both kinds of peak."""
    trends = [*_trends(study, parameters, facts)]
    for ending, (measure, words) in PEAKS.items():
        for trend in trends:
            cells = _compared(study, trend)
            by_value = {
                str(value): [cell for cell in cells if cell.factors[trend.factor] == value] for value in trend.values
            }
            estimate, said = _elasticity(cells, lookup, trend, measure)
            yield ClaimTest(
                f"elasticity_{trend.factor}{ending}",
                f"elasticity of the {words}",
                estimate,
                "elasticity",
                trend.grows,
                sign=1.0 if trend.grows else -1.0,
                place=f"to the {trend.words}",
                note=notes(said, trend.beside, _unique(study, lookup, trend, measure), overfits(lookup, by_value)),
            )


def _trends(study: Study, parameters: Mapping[str, int], facts: Facts) -> Iterator[Trend]:
    center = study.center

    def alike(model: str) -> bool:
        """Numbers of weights compare models of one kind, trained alike: else more than size differs."""
        same = study.definition(model).kind == study.definition(center.model).kind
        return same and study.training_of(model) == study.training_of(center.model)

    def named(factor: str) -> list[Any]:
        return values_at_center(study, factor)

    models = {model: parameters[model] for model in named("model") if alike(model) and parameters.get(model)}
    finer = {
        name: labels(facts, name, center.train_size)
        for name in named("granularity")
        if Granularity.parse(name).kind not in APART
    }
    kind = study.definition(center.model).kind
    yield Trend("step", "training steps", {step: step for step in named("step") if step}, True)
    yield Trend("model", "number of weights", models, True, f"models of kind {kind} trained alike")
    yield Trend("granularity", "number of condition labels", finer, True)
    yield Trend("train_size", "number of training images", {size: size for size in named("train_size")}, False)


def _compared(study: Study, trend: Trend) -> list[Cell]:
    """Cells of the values, all at the last step that all of them have: a sweep may name some of the steps."""
    if trend.factor == "step":
        return center_cells(study)
    return at_one_step([center_cells(study, **{trend.factor: value}) for value in trend.values])


def _elasticity(cells: Sequence[Cell], lookup: Lookup, trend: Trend, measure: str) -> tuple[Estimate, str]:
    """The slope over seeds, and the values that it compares, with the slopes between neighbours."""
    if len(set(trend.sizes.values())) < 2:
        return undefined(f"{trend.factor} was not varied around the centre", 0), ""
    if not cells:
        return undefined(f"the values of {trend.factor} share no training step", 0), ""
    slopes, steps = [], []
    for seed in sorted({cell.checkpoint.run.seed for cell in cells}):
        own = sorted(
            (cell for cell in cells if cell.checkpoint.run.seed == seed),
            key=lambda cell: trend.sizes[cell.factors[trend.factor]],
        )
        peaks = [logarithm(known(lookup.of_checkpoint(cell.checkpoint, measure))) for cell in own]
        at = np.log([trend.sizes[cell.factors[trend.factor]] for cell in own])
        slopes.append(_slope(at, peaks))
        steps.append([_slope(at[i : i + 2], peaks[i : i + 2]) for i in range(len(own) - 1)])
    estimate = over_seeds(slopes)
    said = f"compares {', '.join(map(str, trend.values))}"
    if not math.isnan(estimate.value):
        between = [number(over_seeds(of_step).value) for of_step in zip(*steps, strict=True)]
        said += f"; slopes between neighbours {', '.join(between)}"
    return estimate, said


def _slope(at: np.ndarray, values: Sequence[Estimate]) -> Estimate:
    """Least-squares slope, with the error that it takes over from the values."""
    if reason := next((each.reason for each in values if each.reason), ""):
        return undefined(f"a peak gap is undefined: {reason}", 0)
    if np.ptp(at) == 0:
        return undefined("no difference in size", 0)
    weights = (at - at.mean()) / np.square(at - at.mean()).sum()
    slope = float(weights @ [each.value for each in values])
    return with_error(slope, min(each.n for each in values), *(weights * [error(each) for each in values]))


def _unique(study: Study, lookup: Lookup, trend: Trend, measure: str) -> str:
    """A label for every image beside the centre's labels: no finer condition, hence apart from the slope."""
    names = (study.center.granularity, UNIQUE)
    if trend.factor != "granularity" or names[0] == UNIQUE or UNIQUE not in values_at_center(study, "granularity"):
        return ""
    cells = at_one_step([center_cells(study, granularity=name) for name in names])
    plain, unique = (
        [
            logarithm(known(lookup.of_checkpoint(cell.checkpoint, measure)))
            for cell in cells
            if cell.checkpoint.run.granularity == name
        ]
        for name in names
    )
    ratio = over_seeds([difference(b, a) for a, b in zip(plain, unique, strict=True)])
    return f"apart, unique labels, which are wrong for unseen images: ln(peak over that of {names[0]}) {text(ratio)}"
