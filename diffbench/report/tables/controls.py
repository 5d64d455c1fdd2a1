"""Controls as tables: measures by controls, each value beside what is expected of it."""

import math
from dataclasses import dataclass

import pandas as pd

from diffbench.report.tables.format import number
from diffbench.report.tables.shown import Shown, show
from diffbench.report.tables.slices import short_name

WHERE = ["train_size", "granularity"]
"""What controls differ in beside the model."""


@dataclass(frozen=True)
class Value:
    """What a measure says of a control, and what it must say."""

    shown: Shown
    floor: str
    expected: str  # empty where nothing is
    why: str
    verdict: str  # met, not met, undefined; empty where nothing is expected


@dataclass(frozen=True)
class Matrix:
    """Measures by controls at one training size and granularity."""

    name: str
    controls: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Value | None, ...]], ...]  # measure, noise levels, values; None: not measured


def matrices(judged: pd.DataFrame, order: list[str]) -> list[Matrix]:
    """One matrix per training size and granularity; controls in the given order, others last; judged measures first."""
    by_place = []
    for _, rows in judged.groupby(WHERE, sort=True):
        controls = sorted(dict.fromkeys(rows["model"]), key=lambda name: [*order, name].index(name))
        lines = []
        for (measure, sigmas), of_measure in rows.groupby(["measure", "sigmas"], sort=False):
            values = {row["model"]: _value(row) for _, row in of_measure.iterrows()}
            lines.append((measure, sigmas, tuple(values.get(name) for name in controls)))
        lines.sort(key=lambda line: not any(value and value.verdict for value in line[2]))
        by_place.append(Matrix(short_name(rows.iloc[0][WHERE]), tuple(controls), tuple(lines)))
    return by_place


def _value(row: pd.Series) -> Value:
    floor = "" if math.isnan(row["floor"]) else number(row["floor"])
    return Value(show(row), floor, expected_text(row["expected_low"], row["expected_high"]), row["why"], row["verdict"])


def expected_text(low: float, high: float) -> str:
    """A range in words: one value, one bound or two."""
    if math.isnan(low):
        return ""
    if low == high:
        return number(low)
    least, most = (f"{end:.3g}".replace("-", "−") for end in (low, high))
    if math.isinf(low):
        return f"≤ {most}"
    return f"≥ {least}" if math.isinf(high) else f"{least} to {most}"
