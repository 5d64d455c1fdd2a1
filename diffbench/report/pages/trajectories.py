"""The page of trajectories: a few samples from noise to image, level by level."""

from diffbench.report.charts.journeys import journeys
from diffbench.report.pages.page import write_study_page
from diffbench.report.tables.findings import Findings
from diffbench.settings.report import ReportSettings


def write_trajectories(findings: Findings, settings: ReportSettings) -> None:
    """Write the page; the results remember files that it lacks."""
    found = journeys(findings.results, findings.means, settings.chart_width)
    figures = [sheet.figure for sheet in found.sheets if sheet.figure]
    write_study_page(findings.results, "trajectories", figures, found=found)
