"""The page of noise levels: gap, skill and closed forms over sigma, and where sampling trajectories go."""

from diffbench.report.charts.closed_forms import closed_forms
from diffbench.report.charts.gap import gap_by_factor, gap_by_step, share_by_factor, skill_by_factor
from diffbench.report.charts.overlap import likeness_by_factor, trajectories
from diffbench.report.pages.page import write_study_page
from diffbench.report.tables.closed_forms import crossings
from diffbench.report.tables.findings import Findings
from diffbench.settings.report import ReportSettings


def write_noise(findings: Findings, settings: ReportSettings) -> None:
    """Write the page and the tables of its charts."""
    results, width = findings.results, settings.chart_width
    charts = [
        gap_by_factor(results, width),
        gap_by_step(results, width),
        share_by_factor(results, width),
        skill_by_factor(results, width),
        closed_forms(results, width),
        likeness_by_factor(results, width),
        trajectories(results, findings.means, width),
    ]
    write_study_page(results, "noise", [chart for chart in charts if chart], crossings=crossings(results))
