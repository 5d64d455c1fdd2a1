"""The numbers to read first: the least and the largest value of a few measures over settings, with their floors.

Models whose truth is known stand aside: the optimum alone would be the largest of nearly all.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from diffbench.report.tables.board import Board, Column
from diffbench.report.tables.catalog import Measure
from diffbench.report.tables.shown import Shown, show
from diffbench.report.tables.slices import short_name
from diffbench.settings.models import CONTROLS
from diffbench.shapes import Bool
from diffbench.study.study import Study

FIRST = (
    *("memorized_fraction", "auth_pct", "peak_gap", "sigma_at_peak", "skill_at_peak", "memorized_share_at_peak"),
    *("shell_radius_at_peak", "fd", "attack_sima_auc"),
)
"""Measures to read first: copies, gap, where samplers go, quality, membership."""


class End(NamedTuple):
    """A value of a setting, beside its floor where the measure has one."""

    setting: str
    shown: Shown
    floor: Shown | None


class KeyNumber(NamedTuple):
    """A measure from its least to its largest value; the ends are one where all are equal."""

    measure: Measure
    least: End
    largest: End
    settings: int  # that have a value, which may be infinite
    of: int  # settings


def key_numbers(board: Board, study: Study) -> list[KeyNumber]:
    """Of FIRST those that have a value, over settings without controls; over all where there are but controls."""
    known = np.array([isinstance(study.definition(model), CONTROLS) for model in board.settings["model"]], bool)
    among = ~known | known.all()
    columns = {column.measure.name: column for column in board.columns}
    named = [columns[name] for name in FIRST if name in columns]
    return [_key_number(each, columns, among) for each in named if each.settings["value"].notna()[among].any()]


def _key_number(column: Column, columns: dict[str, Column], among: Bool[np.ndarray, " settings"]) -> KeyNumber:
    values = np.where(among, column.settings["value"].to_numpy(float), np.nan)
    floor = columns.get(column.measure.floor)
    least, largest = (_end(column, floor, int(place)) for place in (np.nanargmin(values), np.nanargmax(values)))
    return KeyNumber(column.measure, least, largest, int((~np.isnan(values)).sum()), int(among.sum()))


def _end(column: Column, floor: Column | None, place: int) -> End:
    row: pd.Series = column.settings.iloc[place]
    return End(short_name(row), show(row), show(floor.settings.iloc[place]) if floor else None)
