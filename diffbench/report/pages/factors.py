"""The page of factors: what made models memorize, one factor at a time, and two where both were varied together."""

from diffbench.report.charts.heat_maps import heat_maps, without_maps
from diffbench.report.charts.measures import measures_by_factor
from diffbench.report.charts.outcomes import gap_against_memorized, outcomes_by_factor
from diffbench.report.pages.page import write_study_page
from diffbench.report.tables.board import Board
from diffbench.report.tables.findings import Findings
from diffbench.report.tables.products import products
from diffbench.report.tables.selectable import selectable
from diffbench.report.tables.slices import TITLES, slices
from diffbench.settings.report import ReportSettings


def write_factors(findings: Findings, board: Board, settings: ReportSettings) -> None:
    """Write the page and the tables of its charts."""
    results, width = findings.results, settings.chart_width
    measures, together = selectable(board), products(results.study)
    charts = [
        outcomes_by_factor(results, findings.cells, findings.means, width),
        measures_by_factor(slices(results.study), measures, width),
        heat_maps(together, measures, width),
        gap_against_memorized(findings.means, width),
    ]
    figures = [chart for chart in charts if chart]
    told = without_maps(together)
    write_study_page(results, "factors", figures, effects=findings.effects, titles=TITLES, without_maps=told)
