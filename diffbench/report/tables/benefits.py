"""Cost beside benefit: what less memorization, or one unit of FD, costs from one value of a factor to the next."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.price import Gain, gain, price, told_apart
from diffbench.report.tables.format import interval, number, prefixed
from diffbench.report.tables.slices import Slice, value_text
from diffbench.shapes import Float64


@dataclass(frozen=True)
class Benefit:
    """A measure of which less is better."""

    measure: str
    title: str  # of so much less of it
    unit: str
    scale: float  # units of the gain in one of the measure


BENEFITS = (
    Benefit("memorized_fraction", "one percentage point less memorization", "pp", 100.0),
    Benefit("fd", "one unit of FD less", "FD", 1.0),
)
CURRENCIES = {
    "train_flops": ("training", "FLOP"),
    "train_seconds": ("training", "s"),
    "sample_flops": ("one sample", "FLOP"),
    "sample_seconds": ("the sampling job", "s"),
}
"""Cost -> of what, and its unit."""

TIED = "not told apart"


@dataclass(frozen=True)
class Price:
    """What one cost differs by, and what it is for each unit of the gain."""

    change: float  # of the cost, mean over seeds; nan where it is not known
    each: Estimate  # for a unit of the gain; undefined where there is none
    unit: str

    @property
    def change_text(self) -> str:
        """The difference with its sign; empty where it is not known, or there is none."""
        return (
            "" if np.isnan(self.change) or self.change == 0 else f"{'+' * (self.change > 0)}{self._text(self.change)}"
        )

    @property
    def text(self) -> str:
        """For each unit of the gain, with its interval."""
        ends = (self.each.low, self.each.high)
        if self.each.value == ends[0] == ends[1] == 0:
            return "at no further cost"
        return f"{self._text(self.each.value)} [{', '.join(map(self._text, ends))}]"

    def _text(self, value: float) -> str:
        return f"{prefixed(value)}{self.unit}" if self.unit == "FLOP" else f"{number(value)} {self.unit}"


@dataclass(frozen=True)
class Exchange:
    """From one value of a factor to the next, towards the better outcome."""

    cut: Slice
    start: str
    end: str
    gain: Gain  # in units of the benefit
    told: bool
    reason: str
    prices: Mapping[str, Price]  # of each of CURRENCIES

    @property
    def seeds(self) -> int:
        """That both settings share."""
        return len(self.gain.each)

    @property
    def gain_text(self) -> str:
        """Mean over seeds with its interval."""
        return f"{number(self.gain.value)} {interval(*self.gain.interval)}".strip()


def exchanges(cuts: Sequence[Slice], cells: pd.DataFrame, costs: pd.DataFrame, benefit: Benefit) -> list[Exchange]:
    """A row for each pair of neighbours on each slice, in its order; ties are corrected for over all of them.

    cells: rows of `outcomes`; costs: rows of `expenses`.
    """
    outcome = cells[cells["measure"] == benefit.measure]
    found = [
        _Neighbours(cut, values, own, paid, benefit)
        for cut, own, paid in ((cut, cut.rows(outcome), cut.rows(costs)) for cut in cuts)
        for values in pairwise(cut.values)
    ]
    told = told_apart([each.gain for each in found])
    return [each.exchange(bool(own)) for each, own in zip(found, told, strict=True)]


class _Neighbours:
    """Two values of a factor, of which the second is the better by the mean over the seeds that both have.

    outcome, costs: rows on the slice.
    """

    def __init__(
        self,
        cut: Slice,
        values: tuple[object, object],
        outcome: pd.DataFrame,
        costs: pd.DataFrame,
        benefit: Benefit,
    ) -> None:
        self._costs = costs
        sides = [_by_seed(cut, outcome, value) for value in values]
        finite = [set(side.index[np.isfinite(side["value"].astype(float))]) for side in sides]
        self.seeds = sorted(finite[0] & finite[1])
        self.lacking = [str(reason) for side in sides for reason in side["reason"] if reason]
        rows = [_estimates(side.loc[self.seeds], benefit.scale) for side in sides]
        forward = gain(*rows)
        turned = bool(forward.value < 0)
        self.gain = gain(*rows[::-1]) if turned else forward
        self.cut, self.values = cut, values[::-1] if turned else values

    def exchange(self, told: bool) -> Exchange:
        """With its prices, which have a value only where both are told apart."""
        start, end = map(value_text, self.values)
        prices = dict(self._prices(told))
        return Exchange(self.cut, start, end, self.gain, told, self._reason(told), prices)

    def _reason(self, told: bool) -> str:
        if not self.seeds:
            return "; ".join(dict.fromkeys(self.lacking)) or "no seed has a value of both"
        if told:
            return ""
        return TIED if not np.isnan(self.gain.p) else f"{TIED}: an interval over images is undefined"

    def _prices(self, told: bool) -> Iterator[tuple[str, Price]]:
        for name, (_, unit) in CURRENCIES.items():
            paid = self._costs[self._costs["measure"] == name]
            before, after = (
                _by_seed(self.cut, paid, value).reindex(self.seeds)["value"].to_numpy(float) for value in self.values
            )
            change = after - before
            known = bool(len(change)) and not np.isnan(change).any()
            yield name, Price(float(change.mean()) if known else np.nan, self._price(change, told, known, unit), unit)

    def _price(self, change: Float64[np.ndarray, " seeds"], told: bool, known: bool, unit: str) -> Estimate:
        if not told:
            return undefined(TIED, 0)
        if not known:
            return undefined("the cost is not known", 0)
        if unit == "s" and len(change) < 2:
            return undefined("seconds of one seed have no interval", 1)
        return price(change, self.gain)


def _by_seed(cut: Slice, rows: pd.DataFrame, value: object) -> pd.DataFrame:
    """The rows at one value of the slice's factor, by seed."""
    return rows[rows[cut.factor] == value].set_index("seed")


def _estimates(rows: pd.DataFrame, scale: float) -> list[Estimate]:
    fields = rows[["value", "low", "high"]].to_numpy(float) * scale
    return [
        Estimate(value, low, high, int(n)) for (value, low, high), n in zip(fields.tolist(), rows["n"], strict=True)
    ]


def table(found: Mapping[str, Sequence[Exchange]]) -> pd.DataFrame:
    """Of all benefits by measure, a row for each exchange at full precision."""
    rows = []
    for measure, exchanged in found.items():
        for each in exchanged:
            low, high = each.gain.interval
            row = {"measure": measure, "factor": each.cut.factor, "held": each.cut.held}
            row |= {"from": each.start, "to": each.end, "gain": each.gain.value, "gain_low": low, "gain_high": high}
            row |= {"seeds": each.seeds, "told_apart": each.told, "reason": each.reason}
            for name, own in each.prices.items():
                row |= {f"{name}_change": own.change, f"{name}_price": own.each.value}
                row |= {f"{name}_price_low": own.each.low, f"{name}_price_high": own.each.high}
            rows.append(row)
    return pd.DataFrame(rows)
