"""Two factors at a time: the settings that a study has of every combination of their values, all else held."""

from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from diffbench.report.tables.estimates import agreeing
from diffbench.report.tables.results import shown_factors
from diffbench.report.tables.slices import SETTING, ordered, short_name, value_text
from diffbench.study.study import Study


@dataclass(frozen=True)
class Product:
    """Settings of each value of one factor with each of another."""

    factors: tuple[str, str]
    values: tuple[tuple[Any, ...], tuple[Any, ...]]  # two or more of each factor, in the order of `ordered`
    fixed: dict[str, Any]  # the other factors but the seed

    @property
    def size(self) -> int:
        """Number of combinations."""
        return len(self.values[0]) * len(self.values[1])

    @property
    def held(self) -> str:
        """The factors that are held, in short."""
        return short_name(self.fixed)

    def texts(self, which: int) -> list[str]:
        """Values of the first (0) or second (1) factor as text."""
        return [value_text(value) for value in self.values[which]]

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that lie on the product, with both values as text in the columns `first` and `second`."""
        keep = agreeing(table, self.fixed)
        for factor, values in zip(self.factors, self.values, strict=True):
            keep &= table[factor].isin(values)
        first, second = (table.loc[keep, factor].map(value_text) for factor in self.factors)
        return table[keep].assign(first=first, second=second)


def products(study: Study) -> list[Product]:
    """For each pair of factors that were varied together its largest product; of equals that nearest to the centre."""
    settings = [shown_factors(cell) for cell in study.cells]
    found = (_largest_product(study, settings, pair) for pair in combinations(SETTING, 2))
    return [product for product in found if product]


def _largest_product(study: Study, settings: list[dict[str, Any]], pair: tuple[str, str]) -> Product | None:
    others = [name for name in SETTING if name not in pair]
    pairs: dict[tuple[Any, ...], dict[tuple[Any, Any], None]] = {}
    for own in settings:
        pairs.setdefault(tuple(own[name] for name in others), {})[own[pair[0]], own[pair[1]]] = None
    center = dict(study.center) | {"guidance": study.center.guidance.text}
    best: Product | None = None
    preferred = (0, 0, 0)
    for fixed, present in sorted(pairs.items()):
        named = dict(zip(others, fixed, strict=True))
        near = sum(named[name] == value for name, value in center.items() if name in named)
        for first, second in _grids(present):
            preference = (len(first) * len(second), near, named.get("step", 0))
            if preference > preferred:
                values = tuple(ordered(study, pair[0], first)), tuple(ordered(study, pair[1], second))
                best, preferred = Product(pair, values, named), preference
    return best


Values = Collection[Hashable]


def _grids(present: Collection[tuple[Hashable, Hashable]]) -> Iterator[tuple[Values, Values]]:
    """Sets of two values and more of either side of which every combination is present: those that no value extends."""
    partners: dict[Hashable, set[Hashable]] = {}
    for first, second in present:
        partners.setdefault(first, set()).add(second)
    sides = {frozenset(own) for own in partners.values()}
    sides |= {one & other for one, other in combinations(sides, 2)}
    for second in sides:
        first = [value for value, own in partners.items() if second <= own]
        if len(first) > 1 and len(second) > 1:
            yield first, second
