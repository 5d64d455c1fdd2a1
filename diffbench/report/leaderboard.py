"""The leaderboard: settings ranked by memorized fraction, each with its seeds beneath."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from diffbench.report.cells import above_floor, ranked
from diffbench.report.format import count, interval, level, number
from diffbench.report.slices import SETTING, ordered, short_name
from diffbench.study.study import Study


@dataclass(frozen=True)
class Shown:
    """A value as the table shows it."""

    value: float  # nan where undefined, may be infinite
    low: float
    high: float
    text: str
    interval: str
    note: str  # n, seeds, level and reason, for the tooltip

    @property
    def drawable(self) -> bool:
        """Whether a bar can show it."""
        return math.isfinite(self.value)

    @property
    def sort(self) -> str:
        """Key to sort by; empty for undefined values, which stand last in either direction."""
        return "" if math.isnan(self.value) else f"{min(max(self.value, -1e300), 1e300):.10g}"


@dataclass(frozen=True)
class Entry:
    """A setting of the leaderboard, or one of its seeds."""

    name: str
    factors: dict[str, Any]
    values: dict[str, Shown]
    memorizes: bool  # above the floor with intervals apart
    seeds: tuple["Entry", ...] = ()


def leaderboard(cells: pd.DataFrame, means: pd.DataFrame) -> list[Entry]:
    """All settings of the study, most memorizing first; those without a value last."""
    above = above_floor(means)
    by_setting = dict(iter(means.groupby(SETTING, sort=False)))
    by_cell = dict(iter(cells.groupby(SETTING, sort=False)))
    entries = []
    for _, setting in ranked(means).iterrows():
        key = tuple(setting[SETTING])
        factors = dict(zip(SETTING, key, strict=True))
        seeds = tuple(
            Entry(f"seed {seed}", factors | {"seed": seed}, _values(rows), False)
            for seed, rows in by_cell[key].groupby("seed")
        )
        entries.append(Entry(short_name(setting), factors, _values(by_setting[key]), bool(above[key]), seeds))
    return entries


def _values(rows: pd.DataFrame) -> dict[str, Shown]:
    return {measure: show(row) for measure, row in rows.set_index("measure").iterrows()}  # pyright: ignore


def show(row: pd.Series) -> Shown:
    """A row of `outcomes`, or of `settings`, as text."""
    value, low, high = float(row["value"]), float(row["low"]), float(row["high"])
    notes = [row["reason"]] if row["reason"] else []
    if np.isfinite(row.get("sigma", np.nan)):
        notes.append(f"read at σ = {level(row['sigma'])}")
    notes.append(f"n = {count(row['n'])}")
    if "of" in row:
        notes.append(f"{row['seeds']} of {row['of']} seeds have a value")
    return Shown(value, low, high, number(value), interval(low, high), "; ".join(notes))


def choices(study: Study, entries: list[Entry]) -> dict[str, list[Any]]:
    """For each factor with more than one value, its values: what the table can be filtered by."""
    found = {name: ordered(study, name, {entry.factors[name] for entry in entries}) for name in SETTING}
    return {name: values for name, values in found.items() if len(values) > 1}


def gap_scale(entries: list[Entry]) -> float:
    """The largest finite end of a gap: the full width of its bar."""
    ends = [end for entry in entries for end in (entry.values["peak_gap"].high, entry.values["peak_gap"].value)]
    return max((end for end in ends if math.isfinite(end)), default=1.0) or 1.0
