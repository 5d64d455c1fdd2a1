"""Every measure of the only setting of a report, by group: what an inspection lists."""

from typing import NamedTuple

import pandas as pd

from diffbench.report.tables.board import Board, Column
from diffbench.report.tables.catalog import GROUPS, Measure
from diffbench.report.tables.shown import Shown, show


class Measured(NamedTuple):
    """A measure of the setting, beside its floor where it has one."""

    measure: Measure
    shown: Shown
    floor: Shown | None
    n: int


def measured(board: Board) -> dict[str, list[Measured]]:
    """By group in the order of pages; floors stand beside what they are of, not in rows of their own."""
    columns = {each.measure.name: each for each in board.columns}
    floors = {each.measure.floor for each in board.columns}
    groups: dict[str, list[Measured]] = {}
    for name, column in columns.items():
        if name not in floors:
            row, floor = _first(column), columns.get(column.measure.floor)
            own = Measured(column.measure, show(row), show(_first(floor)) if floor else None, int(row["n"]))
            groups.setdefault(column.measure.group, []).append(own)
    for measure, reason in board.undefined:
        shown = show(
            pd.Series({"value": float("nan"), "low": float("nan"), "high": float("nan"), "n": 0, "reason": reason})
        )
        groups.setdefault(measure.group, []).append(Measured(measure, shown, None, 0))
    return {group: groups[group] for group in GROUPS if group in groups}


def _first(column: Column) -> pd.Series:
    return column.cells.iloc[0]
