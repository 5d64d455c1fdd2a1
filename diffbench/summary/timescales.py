"""Time scales of a study: when it starts to memorize, when its samples are best, up to which training size it recalls.

Each needs several cells: all milestones of a run, or all training sizes beside which the other factors are held; how a
time grows with the training size needs both.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import ALPHA
from diffbench.measures.power_law import LEAST_SIZES, exponent
from diffbench.measures.timescales import (
    effective_memorization,
    last_step_at_floor,
    least_size_at_floor,
    tau_gen,
    tau_half,
    tau_mem,
)
from diffbench.study.grid import Cell
from diffbench.study.study import Study
from diffbench.summary.lookup import Lookup
from diffbench.summary.verdicts import t_interval

QUALITY = "fd"
"""The quality by which the best step is chosen: lower is better, against validation images."""

GROUP: tuple[str, ...] = ("model", "granularity", "guidance")
NUMBERS = ("value", "low", "high", "n", "reason")
TAUS = ("tau_mem", "tau_half", "tau_gen")
"""Times whose growth with the training size is fitted, as NAME_exponent."""


def timescales(study: Study, lookup: Lookup, onsets: Iterable[dict[str, Any]] = ()) -> pd.DataFrame:
    """Tidy rows; factors that a time scale runs over (step, train_size, guidance, of some rows the seed) are empty.

    onsets: further rows, of `onsets.onsets`.
    """
    of_runs = list(_rows_of_runs(study, lookup))
    table = pd.DataFrame([*of_runs, *_rows_of_exponents(of_runs), *_rows_of_sizes(study, lookup), *onsets])
    return table.astype({name: "Int64" for name in ("train_size", "seed", "step") if name in table})  # 16, not 16.0


def _row(factors: dict[str, Any], measure: str, estimate: Estimate) -> dict[str, Any]:
    return factors | {"measure": measure} | {name: getattr(estimate, name) for name in NUMBERS}


def _grouped(cells: Sequence[Cell], over: str) -> Iterator[tuple[dict[str, Any], list[Cell]]]:
    """Cells that differ in one factor alone, in its order, with the factors that they share."""
    groups: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[tuple(value for name, value in cell.factors.items() if name != over)].append(cell)
    for members in groups.values():
        ordered = sorted(members, key=lambda cell: cell.factors[over])
        yield {name: value for name, value in ordered[0].factors.items() if name != over}, ordered


def _measured(cells: Sequence[Cell], lookup: Lookup, *measures: str) -> tuple[list[Cell], list[list[Estimate]]]:
    """The cells that have all these measures, and the estimates of each measure."""
    found = [(cell, [lookup.of_cell(cell, measure) for measure in measures]) for cell in cells]
    whole = [(cell, [e for e in estimates if e is not None]) for cell, estimates in found if None not in estimates]
    return [cell for cell, _ in whole], [[estimates[i] for _, estimates in whole] for i in range(len(measures))]


def _rows_of_runs(study: Study, lookup: Lookup) -> Iterator[dict[str, Any]]:
    for factors, cells in _grouped(study.cells, "step"):
        known, (fractions, floors) = _measured(cells, lookup, "memorized_fraction", "memorized_floor")
        if len(known) > 1:
            steps = [cell.checkpoint.step for cell in known]
            yield _row(factors, "tau_mem", tau_mem(steps, fractions, floors))
            yield _row(factors, "tau_half", tau_half(steps, fractions))
            yield _row(factors, "last_step_at_floor", last_step_at_floor(steps, fractions, floors))
        known, (quality,) = _measured(cells, lookup, QUALITY)
        if len(known) > 1:
            yield _row(factors, "tau_gen", tau_gen([cell.checkpoint.step for cell in known], quality))


def _rows_of_exponents(of_runs: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Of the rows of runs, with one guidance, that differ in training size and seed alone: per seed, and over seeds."""
    groups: dict[tuple[Any, ...], dict[Any, dict[int, Estimate]]] = defaultdict(lambda: defaultdict(dict))
    for row in of_runs:
        if row["measure"] in TAUS:
            key = tuple(row[name] for name in (*GROUP, "measure"))
            groups[key][row["seed"]][row["train_size"]] = Estimate(*(row[name] for name in NUMBERS))
    for (*values, measure), times in groups.items():
        if len(set().union(*times.values())) > 1:
            factors, name = dict(zip(GROUP, values, strict=True)), f"{measure}_exponent"
            of_seeds = _exponents(times, measure)
            for seed, estimate in of_seeds.items():
                yield _row(factors | {"seed": seed}, name, estimate)
            if len(of_seeds) > 1:
                yield _row(factors, name, exponent_over_seeds(list(of_seeds.values())))


def _exponents(times: dict[Any, dict[int, Estimate]], measure: str) -> dict[Any, Estimate]:
    """By seed, over the training sizes at which every seed has a time: none is to be judged by its quick seeds."""
    sizes = sorted(set().union(*times.values()))
    common = [n for n in sizes if all(n in of_seed and np.isfinite(of_seed[n].value) for of_seed in times.values())]
    if len(common) < LEAST_SIZES:
        reason = f"{len(common)} of {len(sizes)} training sizes have a {measure} in every seed; it takes {LEAST_SIZES}"
        return dict.fromkeys(times, undefined(reason, len(common)))
    return {seed: exponent(common, [of_seed[n] for n in common]) for seed, of_seed in times.items()}


def exponent_over_seeds(exponents: Sequence[Estimate]) -> Estimate:
    """Mean of the seeds' exponents, with Student's interval, widened by what the seeds share.

    They share images, milestones and the noise of their samples. How much of a seed's own error comes from these is not
    known, so all of it is taken.
    """
    if exponents[0].reason:
        return exponents[0]
    normal = special.ndtri(1 - ALPHA / 2)
    return t_interval([e.value for e in exponents], [(e.high - e.low) / (2 * normal) for e in exponents])


def _rows_of_sizes(study: Study, lookup: Lookup) -> Iterator[dict[str, Any]]:
    for factors, cells in _grouped(study.cells, "train_size"):
        known, (fractions, floors) = _measured(cells, lookup, "memorized_fraction", "memorized_floor")
        if len(known) > 1:
            sizes = [cell.checkpoint.run.train_size for cell in known]
            yield _row(factors, "effective_memorization", effective_memorization(sizes, fractions))
            yield _row(factors, "least_size_at_floor", least_size_at_floor(sizes, fractions, floors))
