"""The leaderboard: settings ranked by memorized fraction, each with its seeds beneath."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from diffbench.measures.rank_groups import Rank
from diffbench.report.tables.outcomes import above_floor, overfitted, ranked
from diffbench.report.tables.ranks import Setting
from diffbench.report.tables.shown import Shown, show
from diffbench.report.tables.slices import SETTING, ordered, short_name
from diffbench.study.study import Study


@dataclass(frozen=True)
class Entry:
    """A setting of the leaderboard, or one of its seeds."""

    name: str
    factors: Mapping[str, object]
    values: dict[str, Shown]
    memorizes: bool  # above the floor with intervals apart
    overfitted: bool  # worse than a linear filter on unseen images at the peak, by the whole interval
    ranks: Mapping[str, Rank] = field(default_factory=dict)  # by outcome; of a setting among all
    seeds: tuple["Entry", ...] = ()


LONGEST = 1200
"""Rows on the page, of settings and their seeds: each takes 2.5 kB, and browsers sort and filter so many at once."""


def leaderboard(cells: pd.DataFrame, means: pd.DataFrame, ranks: Mapping[str, Mapping[Setting, Rank]]) -> list[Entry]:
    """Settings of the study, most memorizing first, as many as LONGEST allows; those without a value last.

    ranks: of each outcome that settings are ranked by, as `ranks.ranks` makes them.
    """
    above, worse = above_floor(means), overfitted(means)
    first = ranked(means).head(max(1, LONGEST // (1 + cells["seed"].nunique())))
    by_setting = dict(iter(means.merge(first, on=SETTING).groupby(SETTING, sort=False)))
    by_cell = dict(iter(cells.merge(first, on=SETTING).groupby(SETTING, sort=False)))
    entries = []
    for _, setting in first.iterrows():
        key = tuple(setting[SETTING])
        factors = dict(zip(SETTING, key, strict=True))
        seeds = tuple(
            Entry(f"seed {seed}", {**factors, "seed": seed}, _values(rows), False, False)
            for seed, rows in by_cell[key].groupby("seed")
        )
        marks = bool(above[key]), bool(worse[key])
        own = {measure: by_key[key] for measure, by_key in ranks.items()}
        entries.append(Entry(short_name(setting), factors, _values(by_setting[key]), *marks, own, seeds))
    return entries


def _values(rows: pd.DataFrame) -> dict[str, Shown]:
    return {str(measure): show(row) for measure, row in rows.set_index("measure").iterrows()}


def choices(study: Study, entries: list[Entry]) -> dict[str, list[object]]:
    """For each factor with more than one value, its values: what the table can be filtered by."""
    values = {name: ordered(study, name, {entry.factors[name] for entry in entries}) for name in SETTING}
    return {name: several for name, several in values.items() if len(several) > 1}


def gap_scale(entries: list[Entry]) -> float:
    """The largest finite end of a gap: the full width of its bar."""
    ends = [end for entry in entries for end in (entry.values["peak_gap"].high, entry.values["peak_gap"].value)]
    return max((end for end in ends if math.isfinite(end)), default=1.0) or 1.0
