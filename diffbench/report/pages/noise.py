"""The page of noise levels: gap, skill and closed forms over sigma, and where sampling trajectories go."""

from diffbench.report.charts.closed_forms import closed_forms
from diffbench.report.charts.gap import (
    absolute_gap_by_factor,
    gap_by_factor,
    gap_by_step,
    share_by_factor,
    skill_by_factor,
)
from diffbench.report.charts.linked import linked, offered_steps
from diffbench.report.charts.membership import attacks_over_noise
from diffbench.report.charts.overlap import PREDICTIONS, RADIUS, WEIGHT, likeness_by_factor, trajectories
from diffbench.report.charts.toolkit import SIGMAS
from diffbench.report.pages.page import inline_json, write_study_page
from diffbench.report.tables.closed_forms import crossings
from diffbench.report.tables.findings import Findings
from diffbench.settings.report import ReportSettings

CURVE_TITLES = {
    "gap": "relative gap",
    "mse_train": "loss on training images",
    "mse_validation": "loss on unseen images",
    "mse_wiener_validation": "loss of the linear filter on unseen images",
    "mse_optimum_validation": "loss of the optimum on unseen images",
    **dict.fromkeys(RADIUS, "shell radius"),
    **dict.fromkeys(WEIGHT, "largest posterior weight"),
    **dict.fromkeys(PREDICTIONS, "RMS distance of D(x)"),
}
"""Measures of charts that have several, in words."""


def write_noise(findings: Findings, settings: ReportSettings) -> None:
    """Write the page and the tables of its charts."""
    results, width = findings.results, settings.chart_width
    charts = [
        gap_by_factor(results, width),
        gap_by_step(results, width),
        absolute_gap_by_factor(results, width),
        share_by_factor(results, width),
        skill_by_factor(results, width),
        attacks_over_noise(results, width),
        closed_forms(results, width),
        likeness_by_factor(results, width),
        trajectories(results, findings.means, width),
    ]
    write_study_page(
        results,
        "noise",
        [linked(chart) for chart in charts if chart],
        crossings=crossings(results),
        steps=offered_steps(results.study),
        sigmas=SIGMAS,
        titles=inline_json(CURVE_TITLES),
    )
