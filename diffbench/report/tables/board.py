"""The leaderboard's table: every measure that the study computed, of every setting and of every cell."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from diffbench.report.tables.catalog import MEASURES, Measure, in_order
from diffbench.report.tables.expenses import expenses
from diffbench.report.tables.findings import Findings
from diffbench.report.tables.outcomes import of_every_cell, ranked
from diffbench.report.tables.results import TABLES, Results
from diffbench.report.tables.seeds import aggregate_seeds
from diffbench.report.tables.slices import SETTING


@dataclass(frozen=True)
class Column:
    """A measure: value, low, high, n and reason of every setting, with seeds and of, and of every cell."""

    measure: Measure
    settings: pd.DataFrame  # in the order of the board's settings
    cells: pd.DataFrame  # in that of its cells


@dataclass(frozen=True)
class Board:
    """Columns in the order of pages; those without a value anywhere are named alone, with a reason."""

    settings: pd.DataFrame  # SETTING, most memorizing first
    cells: pd.DataFrame  # FACTORS, in the order of the study
    columns: tuple[Column, ...]
    undefined: tuple[tuple[Measure, str], ...]


def board(findings: Findings) -> Board:
    """The table of a study."""
    settings = ranked(findings.means)
    tables = dict(_tables(findings))
    columns, undefined = [], []
    for measure in in_order(list(tables)):
        cells = tables[measure.name]
        if cells["value"].notna().any():
            means = aggregate_seeds(cells, [*SETTING, "measure"])
            means = settings.merge(means, how="left", on=SETTING)
            columns.append(Column(measure, means, cells.reset_index(drop=True)))
        else:
            undefined.append((measure, _commonest(cells["reason"])))
    undefined += [
        (each, "not measured in these results") for each in MEASURES.values() if each.shown and each.name not in tables
    ]
    return Board(settings, findings.results.cells, tuple(columns), tuple(undefined))


def _commonest(reasons: pd.Series) -> str:
    given = reasons[reasons != ""]
    return str(given.mode().iloc[0]) if len(given) else "no value"


def _tables(findings: Findings) -> Iterator[tuple[str, pd.DataFrame]]:
    """Rows of every cell by measure: outcomes first, since they also hold what is read at the gap's peak."""
    for rows in (findings.cells, expenses(findings.results)):
        yield from ((str(name), own) for name, own in rows.groupby("measure", sort=False))
    known = set(findings.cells["measure"])
    for kind in TABLES.values():
        names = [name for name, own in findings.results.scalars.items() if own is kind and name not in known]
        if names:
            yield from _of_kind(findings.results, names)


def _of_kind(results: Results, names: list[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Further scalars of one table, which is read once."""
    kinds = results.scalars
    estimates = results.estimates.of(names)
    for name, rows in estimates.groupby("measure", sort=False):
        measure = str(name)
        yield measure, of_every_cell(results, measure, rows, kinds[measure])


def table(board: Board, ranks: pd.DataFrame) -> pd.DataFrame:
    """A row per setting in the order of the leaderboard: SETTING, then value, low, high and seeds of each measure.

    ranks: further columns, beside those of SETTING; without a row, they are left out.
    """
    fields = {
        column.measure.name if field == "value" else f"{column.measure.name}_{field}": column.settings[field].to_numpy()
        for column in board.columns
        for field in ("value", "low", "high", "seeds")
    }
    rows = pd.concat([board.settings, pd.DataFrame(fields, index=board.settings.index)], axis=1)
    return rows.merge(ranks, on=SETTING) if len(ranks) else rows
