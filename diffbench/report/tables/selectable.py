"""Measures that the charts of factors offer to choose from."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from diffbench.report.tables.board import Board, Column
from diffbench.report.tables.catalog import Measure

ALSO = frozenset(
    {
        *("mem_auc", "calibrated_fraction", "c_t", "nearest_side_rate", "peak_absolute_gap", "r2_crossing"),
        *("overlap_coefficient_at_peak", "states_inside_at_peak", "fd_gap", "extracted_images_matched"),
        *("attack_loss_auc", "attack_pia_auc", "attack_secmi_auc", "jacobian_auc", "pair_consistency"),
    }
)
"""Measures beside those that the leaderboard shows at first. All others would make as many drawings of each chart."""


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
    """Outcomes and main measures of quality and membership: those that the leaderboard shows at first, then ALSO."""
    columns = {column.measure.name: column for column in board.columns}
    offered = [
        Selectable(column, columns.get(column.measure.floor))
        for name, column in columns.items()
        if column.measure.shown or name in ALSO
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
