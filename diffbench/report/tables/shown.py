"""A value as pages show it: text, interval, and what else is to be known of it."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from diffbench.report.tables.format import count, interval, level, number


@dataclass(frozen=True)
class Shown:
    """A value as pages show it."""

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


def show(row: pd.Series) -> Shown:
    """A row with the fields of an estimate, such as one of `outcomes` or `settings`."""
    value, low, high = float(row["value"]), float(row["low"]), float(row["high"])
    notes = [row["reason"]] if row["reason"] else []
    if np.isfinite(row.get("sigma", np.nan)):
        notes.append(f"read at σ = {level(row['sigma'])}")
    notes.append(f"n = {count(row['n'])}")
    if "of" in row:
        notes.append(f"{row['seeds']} of {row['of']} seeds have a value")
    return Shown(value, low, high, number(value), interval(low, high), "; ".join(notes))


def show_count(row: pd.Series) -> Shown:
    """The same for a row whose value and interval are whole numbers, such as steps."""
    shown = show(row)
    if not shown.drawable:
        return shown
    ends = "" if math.isnan(shown.low + shown.high) else f"[{count(shown.low)}, {count(shown.high)}]"
    return replace(shown, text=count(shown.value), interval=ends)
