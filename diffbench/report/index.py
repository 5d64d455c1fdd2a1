"""The main page of a study: which models memorize, at which noise level, and what made them."""

from collections.abc import Hashable
from typing import Any

import pandas as pd

from diffbench.report import answers, cells, leaderboard, pictures
from diffbench.report.charts_gap import gap_by_factor, gap_by_step
from diffbench.report.charts_outcomes import gap_against_memorized, outcomes_by_factor
from diffbench.report.charts_overlap import likeness_by_factor, trajectories
from diffbench.report.claims import load_claims
from diffbench.report.page import write_page
from diffbench.report.results import Results
from diffbench.report.slices import TITLES
from diffbench.settings.report import ReportSettings
from diffbench.study.layout import stage_of_job


def write_index(results: Results, settings: ReportSettings) -> None:
    """Write report/index.html and report/data/*.csv inside the study's results."""
    width = settings.chart_width
    rows = cells.outcomes(results)
    means = cells.settings(rows)
    charts = [
        gap_by_factor(results, width),
        gap_by_step(results, width),
        outcomes_by_factor(results, rows, means, width),
        gap_against_memorized(means, width),
        likeness_by_factor(results, width),
        trajectories(results, means, width),
    ]
    sheets = pictures.sheets(results, means, width, settings.pictured_samples)
    figures = [chart for chart in charts if chart] + [sheet.figure for sheet in sheets if sheet.figure]
    found = answers.effects(results, means)
    entries = leaderboard.leaderboard(rows, means)
    write_page(
        results.folder / "report" / "index.html",
        "index.html",
        figures,
        study=results.study,
        manifest=results.manifest,
        claims=load_claims(results),
        controls=results.study.has_controls,
        answers=answers.answers(results, means, found),
        effects=found,
        titles=TITLES,
        entries=entries,
        choices=leaderboard.choices(results.study, entries),
        guidance_places={each.text: place for place, each in enumerate(results.study.guidances.values())},
        gap_scale=leaderboard.gap_scale(entries),
        sheets=sheets,
        unfinished=unfinished(results),
        costs=stage_costs(results.costs),
    )


def unfinished(results: Results) -> list[dict[Hashable, Any]]:
    """Files of the study that are missing or broken, with the reason."""
    rows = results.status[results.status["state"] != "done"]
    return rows[["file", "stage", "state", "reason"]].to_dict("records")


def stage_costs(costs: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """Jobs, seconds and memory by stage, dearest first."""
    if costs.empty:
        return []
    grouped = costs.groupby(costs["job"].map(stage_of_job))
    table = grouped.agg(
        jobs=("job", "size"),
        seconds=("seconds", "sum"),
        cpu_seconds=("cpu_seconds", "sum"),
        max_rss_mb=("max_rss_mb", "max"),
    )
    return table.sort_values("seconds", ascending=False).rename_axis("stage").reset_index().to_dict("records")
