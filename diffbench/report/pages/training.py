"""The page of training: loss over steps, outcomes over milestones, time scales, and advice in words."""

from diffbench.report.charts.measure_by_step import measure_by_step
from diffbench.report.charts.onset import onset_figure
from diffbench.report.charts.power_law import power_law_figure
from diffbench.report.charts.training import loss_by_step, outcomes_by_step
from diffbench.report.pages.page import write_study_page
from diffbench.report.tables.advice import advice
from diffbench.report.tables.board import Board
from diffbench.report.tables.findings import Findings
from diffbench.report.tables.selectable import selectable
from diffbench.report.tables.timescales import exponent_table, recall_table, run_table
from diffbench.settings.report import ReportSettings


def write_training(findings: Findings, board: Board, settings: ReportSettings) -> None:
    """Write the page and the tables of its charts."""
    results, width = findings.results, settings.chart_width
    scales = results.table("timescales")
    charts = [
        loss_by_step(results, width),
        outcomes_by_step(findings.means, width),
        measure_by_step(results.study, selectable(board), width),
        power_law_figure(scales, results.study, width),
        onset_figure(scales, results.study, width),
    ]
    write_study_page(
        results,
        "training",
        [chart for chart in charts if chart],
        advice=advice(scales),
        runs=run_table(scales, results.study),
        exponents=exponent_table(scales, results.study),
        recall=recall_table(scales, results.study),
    )
