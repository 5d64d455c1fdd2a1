"""The page of factors: what made models memorize, one factor at a time."""

from diffbench.report.charts.outcomes import gap_against_memorized, outcomes_by_factor
from diffbench.report.pages.page import write_study_page
from diffbench.report.tables.findings import Findings
from diffbench.report.tables.slices import TITLES
from diffbench.settings.report import ReportSettings


def write_factors(findings: Findings, settings: ReportSettings) -> None:
    """Write the page and the tables of its charts."""
    results, width = findings.results, settings.chart_width
    charts = [
        outcomes_by_factor(results, findings.cells, findings.means, width),
        gap_against_memorized(findings.means, width),
    ]
    figures = [chart for chart in charts if chart]
    write_study_page(results, "factors", figures, effects=findings.effects, titles=TITLES)
