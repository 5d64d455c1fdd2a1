"""A board in little room: columns of numbers with few digits, reasons once, compressed; the page's scripts read it."""

import base64
import gzip
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from diffbench.measures.rank_groups import Rank
from diffbench.report.tables.board import Board
from diffbench.report.tables.outcomes import above_floor, overfitted
from diffbench.report.tables.ranks import Setting
from diffbench.report.tables.slices import TITLES, ordered
from diffbench.study.study import Study
from diffbench.summary.rows import FACTORS

MANY = 250_000
"""Values of settings: with more, fewer digits are kept, so that the page stays below 8 MB."""

CELLS = 200_000
"""Values of single cells that the page holds at most: of more the reader finds them in the summary's tables."""

LONGEST = 10_000
"""Rows at most, the most memorizing first."""


class Digits(NamedTuple):
    """Significant digits of a value, and of how far its interval reaches to either side."""

    value: int
    reach: int


EXACT, FEW = Digits(7, 7), Digits(4, 2)


def digits_of(board: Board) -> Digits:
    """How many digits the page keeps."""
    return EXACT if len(board.settings) * len(board.columns) <= MANY else FEW


def holds_cells(board: Board) -> bool:
    """Whether the page also holds every cell, a row for each seed."""
    return len(board.cells) > len(board.settings) and len(board.cells) * len(board.columns) <= CELLS


def pack(
    board: Board, study: Study, means: pd.DataFrame, ranks: Mapping[str, Mapping[Setting, Rank]]
) -> dict[str, Any]:
    """The board as plain lists. means: outcomes over seeds."""
    packed = packed_alone(board, study.name, {name: _values(study, name, board.cells[name]) for name in FACTORS})
    keys = list(board.settings.head(LONGEST).itertuples(index=False, name=None))
    above, worse = above_floor(means), overfitted(means)
    packed["settings"] |= {
        "memorizes": [int(above[key]) for key in keys],
        "overfitted": [int(worse[key]) for key in keys],
        "ranks": {name: [_rank(own.get(key)) for key in keys] for name, own in ranks.items()},
    }
    return packed


def packed_alone(board: Board, name: str, values: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """A board without marks and ranks. values: those of each factor of its cells, in the order of lists to choose."""
    digits, settings = digits_of(board), board.settings.head(LONGEST)
    reasons: dict[str, int] = {}
    packed: dict[str, Any] = {
        "study": name,
        "factors": [{"name": name, "title": TITLES.get(name, name), "values": own} for name, own in values.items()],
        "measures": [
            {name: getattr(each.measure, name) for name in ("name", "title", "group", "floor", "unit", "better")}
            for each in board.columns
        ],
        "settings": {
            "factors": {str(name): _codes(settings[name], values[str(name)]) for name in settings},
            "columns": {
                each.measure.name: _column(each.settings.head(LONGEST), digits, reasons) for each in board.columns
            },
        },
    }
    if holds_cells(board):
        packed["cells"] = {
            "factors": {name: _codes(board.cells[name], values[name]) for name in values},
            "columns": {each.measure.name: _column(each.cells, digits, reasons) for each in board.columns},
        }
    return packed | {"reasons": list(reasons)}


def compressed(packed: Mapping[str, Any]) -> str:
    """JSON, gzip, base64."""
    text = json.dumps(packed, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()


def _values(study: Study, name: str, column: pd.Series) -> list[Any]:
    values = {value.item() if isinstance(value, np.generic) else value for value in column.unique()}
    return sorted(values) if name == "seed" else ordered(study, name, values)


def _codes(column: pd.Series, values: Sequence[Any]) -> list[int]:
    return column.map({value: place for place, value in enumerate(values)}).tolist()


def _column(rows: pd.DataFrame, digits: Digits, reasons: dict[str, int]) -> dict[str, Any]:
    """value, below and above (how far the interval reaches), n and of as one number where all agree, reasons by row."""
    value = rows["value"].to_numpy(float)
    column: dict[str, Any] = {
        "value": _numbers(value, digits.value),
        "below": _numbers(value - rows["low"].to_numpy(float), digits.reach),
        "above": _numbers(rows["high"].to_numpy(float) - value, digits.reach),
    }
    for name in ("n", "seeds", "of"):
        if name in rows:
            column[name] = _counts(rows[name])
    told = rows["reason"].fillna("").to_numpy()
    column["reasons"] = {
        int(row): reasons.setdefault(str(told[row]), len(reasons)) for row in np.flatnonzero(told != "")
    }
    return column


def _counts(column: pd.Series) -> int | list[int]:
    counts = column.fillna(0).astype(int).tolist()
    return counts[0] if counts and len(set(counts)) == 1 else counts


def _numbers(values: np.ndarray, digits: int) -> list[float | int | str | None]:
    """Rounded to significant digits; None where undefined, infinite ones as text, which JSON has no number for."""
    return [_rounded(value, digits) for value in values.tolist()]


def _rounded(value: float, digits: int) -> float | int | str | None:
    if math.isfinite(value):
        short = float(f"{value:.{digits}g}")
        return int(short) if short.is_integer() and abs(short) < 1e15 else short
    return None if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _rank(rank: Rank | None) -> list[Any]:
    """Group, least and largest rank, n and reason; empty where the setting was not compared."""
    return [] if rank is None else [rank.group, rank.low, rank.high, rank.n, rank.reason]
