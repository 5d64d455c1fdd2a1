"""The five claims of Kaiser & Kollmann (arXiv 2603.13419), judged from a study's tables."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from diffbench.files.estimates import Estimate, undefined
from diffbench.settings.granularity import Granularity
from diffbench.study.grid import Cell
from diffbench.study.study import Study
from diffbench.summary.lookup import Lookup, center_cells, values_at_center
from diffbench.summary.verdicts import Claim, ClaimTest, t_interval


def judge(
    study: Study,
    lookup: Lookup,
    parameters: Mapping[str, int],
    classes: int,
    laboratory: Sequence[ClaimTest] = (),
) -> tuple[Claim, ...]:
    """The five claims.

    parameters: number of weights of each model, which orders models by size; classes: of the data; laboratory: the
    tests of the 2D laboratory, if the study has one.
    """
    return (
        Claim(
            1,
            "The train/validation denoising gap is a bump at intermediate noise levels and about 0 at both ends.",
            (_bump(study, lookup),),
        ),
        Claim(
            2,
            "The gap's peak grows with training time, model size and finer conditions, and falls with dataset size.",
            tuple(_trends(study, lookup, parameters, classes)),
        ),
        Claim(
            3,
            "Samples do not follow: at the largest training set they stay new while the denoising gap grows.",
            tuple(_samples_do_not_follow(study, lookup)),
        ),
        Claim(
            4,
            "Where the gap peaks, sampling trajectories overlap little with noised training data.",
            tuple(_trajectories_stay_away(study, lookup)),
        ),
        Claim(
            5,
            "In 2D the optimal flow localizes around training points; model error or dense data suppress exact recall.",
            tuple(laboratory) or (_no_laboratory(),),
        ),
    )


def _no_laboratory() -> ClaimTest:
    missing = undefined("the study has no 2D laboratory", 0)
    return ClaimTest("laboratory", "exact recall in the 2D laboratory", missing, "recall_lost", above=True)


def _last(study: Study, **changes: Any) -> list[Cell]:
    """Cells at the centre but for changes, at the last milestone, one per seed."""
    cells = center_cells(study, **changes)
    final = max((cell.checkpoint.step for cell in cells), default=0)
    return [cell for cell in cells if cell.checkpoint.step == final]


def _value(estimate: Estimate | None) -> float:
    return math.nan if estimate is None else estimate.value


def _bump(study: Study, lookup: Lookup) -> ClaimTest:
    """The larger of the gaps at the two ends of the noise range, over the peak."""

    def ends_to_peak(cell: Cell) -> float:
        curve = [estimate.value for _, estimate in sorted(lookup.curve_of_checkpoint(cell.checkpoint, "gap").items())]
        return max(curve[0], curve[-1]) / max(curve) if curve else math.nan

    return ClaimTest(
        "ends_to_peak",
        f"gap at the ends of the noise range over its peak, {_where(_last(study))}",
        t_interval([ends_to_peak(cell) for cell in _last(study)]),
        "ends_to_peak",
        above=False,
    )


def _where(cells: list[Cell]) -> str:
    if not cells:
        return "of no cell"
    factors = cells[0].factors
    return f"{factors['model']}, n = {factors['train_size']}, {factors['granularity']}, step {factors['step']}"


def _trends(study: Study, lookup: Lookup, parameters: Mapping[str, int], classes: int) -> Iterator[ClaimTest]:
    """Elasticities of the peak gap: slopes of ln(peak gap) on ln(factor) while the other factors are at the centre."""

    def labels(name: str) -> int:
        granularity = Granularity.parse(name)
        fixed = {"none": 1, "classes": classes, "unique": study.center.train_size}
        return fixed.get(granularity.kind, granularity.count)

    alike = f"number of weights among models of kind {study.definition(study.center.model).kind} trained alike"
    factors: list[tuple[str, str, Callable[[Any], float], bool]] = [
        ("step", "training steps", float, True),
        ("model", alike, lambda model: parameters.get(model, 0), True),
        ("granularity", "number of condition labels", labels, True),
        ("train_size", "number of training images", float, False),
    ]
    for factor, words, size, grows in factors:
        sizes = {v: size(v) for v in values_at_center(study, factor) if size(v) > 0 and _ordered(study, factor, v)}
        estimate = (
            _elasticity(study, lookup, factor, sizes)
            if len(set(sizes.values())) > 1
            else undefined(f"{factor} was not varied around the centre", 0)
        )
        name = f"elasticity_{factor}"
        statement = f"elasticity of the peak gap to the {words}"
        yield ClaimTest(name, statement, estimate, "elasticity", grows, sign=1.0 if grows else -1.0)


def _ordered(study: Study, factor: str, value: Any) -> bool:
    """Whether a value has a place in the order of its factor.

    Random labels are a control: more of them are not a finer condition. Numbers of weights compare models of the
    centre's kind alone, trained as it is: between a U-Net and a transformer more than size differs.
    """
    if factor == "model":
        center = study.center.model
        alike = study.definition(value).kind == study.definition(center).kind
        return alike and study.training_of(value) == study.training_of(center)
    return factor != "granularity" or not str(value).startswith("random")


def _elasticity(study: Study, lookup: Lookup, factor: str, sizes: Mapping[Any, float]) -> Estimate:
    cells = center_cells(study) if factor == "step" else _at_one_step(study, factor, sizes)
    if not cells:
        return undefined(f"the values of {factor} share no training step", 0)
    slopes = []
    for seed in study.seeds_of(study.center.model):  # one alone where models are not trained
        own = [cell for cell in cells if cell.checkpoint.run.seed == seed]
        gaps = np.array([_value(lookup.of_checkpoint(cell.checkpoint, "peak_gap")) for cell in own])
        if not (np.isfinite(gaps) & (gaps > 0)).all():
            return undefined("a peak gap is missing, unbounded or not above 0", 0)
        slopes.append(float(np.polyfit(np.log([sizes[cell.factors[factor]] for cell in own]), np.log(gaps), 1)[0]))
    return t_interval(slopes)


def _at_one_step(study: Study, factor: str, values: Iterable[Any]) -> list[Cell]:
    """Cells of a factor's values, all at the last step that all of them have: a sweep may name some of the steps."""
    of_values = [center_cells(study, **{factor: value}) for value in values]
    shared = set.intersection(*({cell.checkpoint.step for cell in cells} for cells in of_values))
    return [cell for cells in of_values for cell in cells if cell.checkpoint.step == max(shared, default=-1)]


def _samples_do_not_follow(study: Study, lookup: Lookup) -> Iterator[ClaimTest]:
    largest = max(values_at_center(study, "train_size"))
    last = _last(study, train_size=largest)
    yield ClaimTest(
        "memorized_excess",
        f"memorized fraction above its floor, {_where(last)}",
        _excess(last, lookup),
        "memorized_excess",
        above=False,
    )
    yield ClaimTest(
        "inference_gap",
        f"relative gap of the Frechet distances to unseen and to training images, {_where(last)}",
        t_interval([_value(lookup.of_cell(cell, "fd_gap")) for cell in last]),
        "inference_gap",
        above=False,
    )
    yield ClaimTest(
        "peak_gap_growth",
        f"growth of the peak gap from the first to the last milestone, n = {largest}",
        _growth(study, lookup, largest),
        "growth",
        above=True,
    )


def _excess(cells: list[Cell], lookup: Lookup) -> Estimate:
    """Memorized fraction minus floor.

    The interval over seeds is widened to the mean of the cells' own exact intervals: where no sample of any seed is
    memorized, seeds do not differ, and that is no proof of a rate of 0.
    """
    pairs = [(lookup.of_cell(c, "memorized_fraction"), lookup.of_cell(c, "memorized_floor")) for c in cells]
    excess = t_interval([_value(fraction) - _value(floor) for fraction, floor in pairs])
    own = [(f.low - floor.high, f.high - floor.low) for f, floor in pairs if f is not None and floor is not None]
    if excess.reason or not own:
        return excess
    low, high = np.mean(own, axis=0)
    return Estimate(excess.value, min(excess.low, float(low)), max(excess.high, float(high)), excess.n)


def _growth(study: Study, lookup: Lookup, train_size: int) -> Estimate:
    """ln(peak gap at the last milestone / at the first)."""
    cells = center_cells(study, train_size=train_size)
    steps = sorted({cell.checkpoint.step for cell in cells})
    if len(steps) < 2:
        return undefined("the study has a single milestone", 0)
    grown = []
    for seed in study.seeds:
        peaks = {
            cell.checkpoint.step: _value(lookup.of_checkpoint(cell.checkpoint, "peak_gap"))
            for cell in cells
            if cell.checkpoint.run.seed == seed
        }
        first, last = peaks[steps[0]], peaks[steps[-1]]
        grown.append(math.log(last / first) if min(first, last) > 0 else math.nan)
    return t_interval(grown)


def _trajectories_stay_away(study: Study, lookup: Lookup) -> Iterator[ClaimTest]:
    """Where the sampler's states lie at its level nearest to the gap's peak, in ln(sigma)."""
    last = _last(study, train_size=max(values_at_center(study, "train_size")))

    def at_peak(cell: Cell, measure: str) -> float:
        peak = _value(lookup.of_checkpoint(cell.checkpoint, "sigma_at_peak"))
        curve = lookup.curve_of_cell(cell, measure)
        if not curve or not math.isfinite(peak):
            return math.nan
        return curve[min(curve, key=lambda sigma: abs(math.log(sigma / peak)))].value

    def shell_likeness(cell: Cell) -> float:
        states, train, unseen = (at_peak(cell, f"shell_radius_{name}") for name in ("states", "train", "validation"))
        return math.log(unseen / states) / math.log(unseen / train) if min(states, train, unseen) > 0 else math.nan

    yield ClaimTest(
        "train_likeness",
        f"train-likeness of trajectory states at the gap's peak, {_where(last)}",
        t_interval([at_peak(cell, "train_likeness") for cell in last]),
        "likeness",
        above=False,
    )
    # Where all states lie beyond all noised training images, train-likeness is 0 however far: the radius still tells.
    yield ClaimTest(
        "shell_likeness",
        f"the same from mean shell radii, ln(unseen / states) / ln(unseen / train), {_where(last)}",
        t_interval([shell_likeness(cell) for cell in last]),
        "likeness",
        above=False,
    )
