"""The main page of a study: which models memorize, at which noise level, and what made them."""

from collections import Counter
from pathlib import Path

import pandas as pd

from diffbench.report.charts import pictures
from diffbench.report.charts.closed_forms import closed_forms
from diffbench.report.charts.gap import gap_by_factor, gap_by_step, skill_by_factor
from diffbench.report.charts.outcomes import gap_against_memorized, outcomes_by_factor
from diffbench.report.charts.overlap import likeness_by_factor, trajectories
from diffbench.report.pages.page import write_study_page, write_table
from diffbench.report.tables import answers, duplicates, leaderboard, outcomes, ranks
from diffbench.report.tables.closed_forms import crossings
from diffbench.report.tables.costs import costs_of
from diffbench.report.tables.results import Results, load_claims, load_laws, tested
from diffbench.report.tables.slices import TITLES
from diffbench.settings.report import ReportSettings
from diffbench.study import layout
from diffbench.study.layout import CHART_DATA, UNFINISHED
from diffbench.summary.reading import BROKEN, MISSING, STALE, UNREADABLE

LEADERBOARD = "leaderboard"
"""Table of all settings."""

LISTED = 200
"""Files that the page names, the gravest first: their table has all."""

MEANINGS = {
    BROKEN: "damaged; a result is marked by NAME.broken beside it, and the next run makes it anew",
    STALE: "whole, but made with other settings, factors or inputs than the study has; the next run makes it anew",
    UNREADABLE: "could not be read when the report was made; nothing was changed",
    MISSING: "not there: the reason is the last line of the log that tells why, if there is one",
}
"""States of files, the gravest first."""


def write_index(results: Results, settings: ReportSettings) -> None:
    """Write the page and its tables inside the study's results."""
    width = settings.chart_width
    rows = outcomes.outcomes(results)
    means = outcomes.settings(rows)
    charts = [
        gap_by_factor(results, width),
        gap_by_step(results, width),
        skill_by_factor(results, width),
        closed_forms(results, width),
        outcomes_by_factor(results, rows, means, width),
        gap_against_memorized(means, width),
        likeness_by_factor(results, width),
        trajectories(results, means, width),
    ]
    sheets = pictures.sheets(results, means, width, settings.pictured_samples)
    figures = [chart for chart in charts if chart] + [sheet.figure for sheet in sheets if sheet.figure]
    effects = answers.effects(results, means)
    ranked = ranks.ranks(rows)
    entries = leaderboard.leaderboard(rows, means, ranked)
    leaderboard_table = outcomes.table(means, ranks.columns(ranked))
    lacking = unfinished(results)  # once pictures have used the files
    write_study_page(
        results,
        "index",
        figures,
        claims=load_claims(results),
        laws=[law for law in load_laws(results) if tested(law)],
        controls=results.study.has_controls,
        privacy=(results.pages / Path(layout.page("privacy")).name).exists(),
        answers=answers.answers(results, means, effects),
        notes=duplicates.notes(results, means),
        effects=effects,
        titles=TITLES,
        entries=entries,
        settings=len(leaderboard_table),
        ranked=bool(ranked),
        leaderboard_table=CHART_DATA.format(name=LEADERBOARD),
        choices=leaderboard.choices(results.study, entries),
        guidance_places={each.text: place for place, each in enumerate(results.study.guidances.values())},
        gap_scale=leaderboard.gap_scale(entries),
        sheets=sheets,
        decoded=bool(results.study.decoded_kinds),
        crossings=crossings(results),
        unfinished=lacking[:LISTED],
        lacking=len(lacking),
        unfinished_table=CHART_DATA.format(name=Path(UNFINISHED).stem),
        states=dict(Counter(fault.state for fault in results.faults.values())),
        meanings=MEANINGS,
        costs=costs_of(results),
    )
    write_table(results, LEADERBOARD, leaderboard_table)
    write_table(results, Path(UNFINISHED).stem, pd.DataFrame(lacking, columns=["file", "state", "reason"]))


def unfinished(results: Results) -> list[dict[str, str]]:
    """Files that measures, figures or pictures lack: file, state and reason; the gravest states first."""
    faults = sorted(results.faults.items(), key=lambda entry: list(MEANINGS).index(entry[1].state))
    return [{"file": file, "state": fault.state, "reason": fault.reason} for file, fault in faults]
