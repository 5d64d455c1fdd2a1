"""Measures that the charts of factors offer to choose from."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from diffbench.report.tables.board import Board, Column
from diffbench.report.tables.catalog import COST, Measure


@dataclass(frozen=True)
class Selectable:
    """A measure with its floor, both as means over seeds and of every cell."""

    column: Column
    floor: Column | None

    @property
    def measure(self) -> Measure:
        """What the catalogue says of it."""
        return self.column.measure


def selectable(board: Board) -> list[Selectable]:
    """All measures but costs and floors: those that the leaderboard shows at first, then the others."""
    columns = {column.measure.name: column for column in board.columns}
    floors = {column.measure.floor for column in board.columns}
    offered = [
        Selectable(column, columns.get(column.measure.floor))
        for name, column in columns.items()
        if name not in floors and column.measure.group != COST
    ]
    return sorted(offered, key=lambda each: not each.measure.shown)


def against_floor(rows: pd.DataFrame, floors: pd.DataFrame | None) -> pd.Series:
    """In words, where each row's interval lies against that of the floor in the same place of `floors`."""
    if floors is None:
        return pd.Series("this measure has none", index=rows.index)
    known = rows["low"].notna() & rows["high"].notna() & floors["low"].notna() & floors["high"].notna()
    conditions: Mapping[str, pd.Series] = {
        "cannot be told: an interval is undefined": ~known,
        "above it, with intervals apart": rows["low"] > floors["high"],
        "below it, with intervals apart": rows["high"] < floors["low"],
    }
    words = np.select([each.to_numpy(bool) for each in conditions.values()], list(conditions), "intervals overlap")
    return pd.Series(words, index=rows.index)
