"""One factor at a time: the settings that differ in one factor only."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from diffbench.report.tables.estimates import agreeing
from diffbench.report.tables.results import shown_factors
from diffbench.study.study import Study
from diffbench.summary.rows import FACTORS

SETTING = [factor for factor in FACTORS if factor != "seed"]
"""What tells cells apart that are not repeats of each other with other seeds."""

TITLES = {
    "model": "model",
    "train_size": "training-set size",
    "granularity": "condition granularity",
    "seed": "seed",
    "step": "training step",
    "guidance": "guidance",
}
SIGNS = {"model": "", "train_size": "n ", "granularity": "", "step": "step ", "guidance": "w "}
NUMERIC = ("train_size", "step")
VALUES = 12
"""Of a factor, that charts show beside each other: readers tell no more lines apart, and browsers stay quick."""


@dataclass(frozen=True)
class Slice:
    """Settings that differ in `factor` only."""

    factor: str
    values: tuple[Any, ...]  # two or more, in the order of `ordered`
    numbers: bool  # whether the values are numbers
    fixed: dict[str, Any]  # the other factors but the seed
    among: int = 0  # values that the study has there, where `values` are some of them

    @property
    def over_steps(self) -> "Slice":
        """The same settings at any training step."""
        return replace(self, fixed={name: value for name, value in self.fixed.items() if name != "step"})

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that lie on the slice; factors that the table lacks, or leaves open, hold for all."""
        rows = table[agreeing(table, self.fixed)]
        return rows[rows[self.factor].isin(self.values)] if self.among else rows

    def with_values(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that lie on the slice, with the factor's value as text in the column `factor_value`."""
        rows = self.rows(table)
        return rows.assign(factor_value=rows[self.factor].map(value_text))

    @property
    def texts(self) -> list[str]:
        """The factor's values as text, in order."""
        return [value_text(value) for value in self.values]

    @property
    def held(self) -> str:
        """The factors that are held, in short, and how many values are left out."""
        return short_name(self.fixed) + (f" · {len(self.values)} of {self.among} values" if self.among else "")


def spread_over_ranks(count: int, limit: int) -> list[int]:
    """At most `limit` ranks out of `count`, evenly spaced, with the first and the last."""
    return sorted({round(rank) for rank in np.linspace(0, count - 1, min(count, limit))})


def short_name(factors: Mapping[str, Any] | pd.Series) -> str:
    """Factors in one line, such as "mlp-small · n 32 · classes · step 60 · w 0"."""
    return " · ".join(f"{SIGNS[name]}{value_text(factors[name])}" for name in SETTING if name in factors)


def value_text(value: object) -> str:
    """A factor's value as text."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def slices(study: Study, most: int | None = VALUES) -> list[Slice]:
    """For each factor that is varied, the slice with most values; of equals that nearest to the centre, and late.

    most: of more values, so many that are evenly spaced, with the first and the last.
    """
    factors = map(shown_factors, study.cells)
    settings = dict.fromkeys(tuple(own[name] for name in SETTING) for own in factors)
    best = (_best_slice(study, settings, factor) for factor in SETTING)
    return [_thinned(slice_, most or len(slice_.values)) for slice_ in best if slice_]


def _thinned(cut: Slice, most: int) -> Slice:
    count = len(cut.values)
    if count <= most:
        return cut
    return replace(cut, values=tuple(cut.values[rank] for rank in spread_over_ranks(count, most)), among=count)


def _best_slice(study: Study, settings: Iterable[tuple[Any, ...]], factor: str) -> Slice | None:
    place = SETTING.index(factor)
    others = [name for name in SETTING if name != factor]
    center = dict(study.center) | {"guidance": study.center.guidance.text}
    values_by_fixed: dict[tuple[Any, ...], list[Any]] = {}
    for setting in settings:
        values_by_fixed.setdefault(setting[:place] + setting[place + 1 :], []).append(setting[place])

    def preference(fixed: tuple[Any, ...]) -> tuple[int, int, int]:
        named = dict(zip(others, fixed, strict=True))
        agreeing = sum(named[name] == value for name, value in center.items() if name in named)
        return len(values_by_fixed[fixed]), agreeing, named.get("step", 0)

    fixed = max(sorted(values_by_fixed), key=preference)
    values = values_by_fixed[fixed]
    if len(values) < 2:
        return None
    present = ordered(study, factor, values)
    numbers = factor in NUMERIC or (factor == "guidance" and _weights_alone(study, present))
    return Slice(factor, tuple(present), numbers, dict(zip(others, fixed, strict=True)))


def _weights_alone(study: Study, texts: list[str]) -> bool:
    return all(each.plain for each in study.guidances.values() if each.text in texts)


def ordered(study: Study, factor: str, values: Collection[Any]) -> list[Any]:
    """Values of a factor: numbers rising, guidance by kind and weight, names in the order of the study file."""
    if factor in NUMERIC:
        return sorted(values)
    if factor == "guidance":
        return [each.text for each in study.guidances.values() if each.text in values]
    named = dict.fromkeys(_named(study, factor))
    return [value for value in named if value in values]


def _named(study: Study, factor: str) -> Iterator[Any]:
    for sweep in study.sweeps:
        yield from sweep.varied.get(factor, [])
    yield getattr(study.center, factor)
