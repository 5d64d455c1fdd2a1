"""The leaderboard: every setting by every measure, and quality against memorization."""

from collections.abc import Sequence

from markupsafe import Markup

from diffbench.report.charts.pareto import pareto_figure
from diffbench.report.charts.ranking import ranking_figure
from diffbench.report.pages.page import write_study_page, write_table
from diffbench.report.tables import ranks
from diffbench.report.tables.board import Board
from diffbench.report.tables.board import table as table_of
from diffbench.report.tables.catalog import Measure
from diffbench.report.tables.findings import Findings
from diffbench.report.tables.packed import EXACT, LONGEST, compressed, digits_of, holds_cells, pack
from diffbench.report.tables.shown import Shown, show
from diffbench.report.tables.slices import SETTING, TITLES, value_text
from diffbench.settings.report import ReportSettings
from diffbench.study.layout import CHART_DATA

TABLE = "leaderboard"
"""Table of all settings."""

WITHOUT_SCRIPTS = 50
"""Settings that the page holds as plain markup, for readers without scripts."""


def write_leaderboard(findings: Findings, board: Board, settings: ReportSettings) -> None:
    """Write the page, and the table of all settings by all measures."""
    results = findings.results
    width = settings.chart_width
    figures = [ranking_figure(board, findings.ranks, width), pareto_figure(findings.means, width)]
    write_study_page(
        results,
        "leaderboard",
        [figure for figure in figures if figure],
        packed=Markup(compressed(pack(board, results.study, findings.means, findings.ranks))),  # base64  # nosec B704
        groups=_groups(board),
        undefined=board.undefined,
        factors={name: TITLES[name] for name in SETTING},
        plain=_plain(board),
        shown=[column.measure for column in board.columns if column.measure.shown],
        settings=len(board.settings),
        longest=LONGEST,
        exact=digits_of(board) == EXACT,
        cells=holds_cells(board),
        ranked=bool(findings.ranks),
        table=CHART_DATA.format(name=TABLE),
    )
    write_table(results, TABLE, table_of(board, ranks.columns(findings.ranks)))


def _groups(board: Board) -> dict[str, list[Measure]]:
    """Measures with a value, by group in the order of pages."""
    groups: dict[str, list[Measure]] = {}
    for column in board.columns:
        groups.setdefault(column.measure.group, []).append(column.measure)
    return groups


def _plain(board: Board) -> list[tuple[Sequence[str], list[Shown]]]:
    """The first settings: factors as text, and the measures that are shown at first."""
    shown = [column for column in board.columns if column.measure.shown]
    rows = board.settings.head(WITHOUT_SCRIPTS)
    return [
        ([value_text(value) for value in setting], [show(column.settings.iloc[place]) for column in shown])
        for place, setting in enumerate(rows.itertuples(index=False, name=None))
    ]
