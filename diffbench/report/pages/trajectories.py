"""The page of trajectories: a few samples from noise to image, level by level."""

from diffbench.report.charts.journeys import journeys
from diffbench.report.pages.page import write_study_page
from diffbench.report.tables.choice import choices
from diffbench.report.tables.findings import Findings
from diffbench.settings.report import ReportSettings


def write_trajectories(findings: Findings, settings: ReportSettings) -> None:
    """Write the page; the results remember files that it lacks."""
    found = journeys(findings.results, findings.means, settings.chart_width)
    figures = [sheet.figure for sheet in found.sheets if sheet.figure]
    chosen = choices(findings.results, [sheet.factors for sheet in found.sheets])
    most = max((len(sheet.journeys) for sheet in found.sheets), default=0)
    views = [(str(rank), _named(rank, most)) for rank in range(1, most + 1)]
    write_study_page(findings.results, "trajectories", figures, found=found, choices=chosen, views=views)


def _named(rank: int, most: int) -> str:
    """What a trajectory is called among those of its cell, by its rank."""
    end = {1: ", most like a copy", most: ", least like one"}.get(rank, "") if most > 1 else ""
    return f"trajectory {rank} of {most}{end}"
