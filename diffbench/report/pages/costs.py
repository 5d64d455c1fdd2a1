"""The page of costs: what stages and settings took, how large models are, and what a better outcome costs."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from diffbench.report.charts.cost_benefit import cost_against_outcome
from diffbench.report.pages.page import write_study_page, write_table
from diffbench.report.tables.benefits import BENEFITS, CURRENCIES, exchanges, table
from diffbench.report.tables.board import Board, Column
from diffbench.report.tables.catalog import COST
from diffbench.report.tables.costs import costs_of
from diffbench.report.tables.expenses import SIZES
from diffbench.report.tables.findings import Findings
from diffbench.report.tables.format import prefixed
from diffbench.report.tables.shown import Shown, show
from diffbench.report.tables.slices import TITLES, short_name, slices
from diffbench.report.tables.work import Protocol
from diffbench.settings.report import ReportSettings
from diffbench.summary.rows import FACTORS

MOST = 100
"""Settings in the page's table; the leaderboard has all."""


def write_costs(findings: Findings, board: Board, settings: ReportSettings) -> None:
    """Write the page, the chart's table, and those of costs by cell and of costs beside benefits."""
    results = findings.results
    sizes = results.table("models")
    columns = [column for column in board.columns if column.measure.group == COST]
    cuts = [] if results.inspects else slices(results.study)
    by_cell, by_setting = (_stacked(columns, which) for which in ("cells", "settings"))
    found = {each.measure: exchanges(cuts, findings.cells, by_cell, each) for each in BENEFITS}
    figure = cost_against_outcome(cuts, findings.means, by_setting, settings.chart_width)
    write_table(results, "costs-by-cell", _by_cell(board.cells, columns))
    write_table(results, "cost-beside-benefit", table(found))
    taken = [column for column in columns if column.measure.name not in SIZES]
    write_study_page(
        results,
        "costs",
        [figure] if figure else [],
        costs=costs_of(results, Protocol(results).jobs),
        models=sizes.astype(object).where(pd.notna(sizes), None).to_dict("records"),
        measures=[column.measure for column in taken],
        settings=_settings(board, taken),
        more=max(0, len(board.settings) - MOST),
        benefits=[(each, found[each.measure]) for each in BENEFITS if found[each.measure]],
        currencies=CURRENCIES,
        titles=TITLES,
    )


def _stacked(columns: Sequence[Column], which: str) -> pd.DataFrame:
    """Rows of all costs that are known, of cells or of settings."""
    none = pd.DataFrame(columns=[*FACTORS, "measure", "value"])
    return pd.concat([none, *(getattr(column, which).assign(measure=column.measure.name) for column in columns)])


def _by_cell(cells: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """A row for each cell with all costs."""
    return cells.assign(**{column.measure.name: column.cells["value"].to_numpy() for column in columns})


def _settings(board: Board, columns: Sequence[Column]) -> list[tuple[str, list[Shown]]]:
    """The first settings of the leaderboard by name, with each cost as a mean over seeds."""
    rows = board.settings.head(MOST).iterrows()
    return [
        (short_name(setting), [_shown(column, place) for column in columns]) for place, (_, setting) in enumerate(rows)
    ]


def _shown(column: Column, place: int) -> Shown:
    shown = show(column.settings.iloc[place])
    return replace(shown, text=prefixed(shown.value)) if "flops" in column.measure.name and shown.drawable else shown
