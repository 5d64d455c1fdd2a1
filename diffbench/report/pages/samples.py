"""The page of samples: pictures beside their nearest training images."""

from diffbench.report.charts.pictures import sheets
from diffbench.report.pages.page import write_study_page
from diffbench.report.tables.findings import Findings
from diffbench.settings.report import ReportSettings


def write_samples(findings: Findings, settings: ReportSettings) -> None:
    """Write the page; the results remember files that it lacks."""
    results = findings.results
    pictured = sheets(results, findings.means, settings.chart_width, settings.pictured_samples)
    figures = [sheet.figure for sheet in pictured if sheet.figure]
    write_study_page(results, "samples", figures, sheets=pictured)
