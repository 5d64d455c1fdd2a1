"""The first page of a study: what was run, what it found in words, what the claims come to, and what is wanting."""

from collections import Counter
from pathlib import Path

import pandas as pd

from diffbench.report.pages.page import write_study_page, write_table
from diffbench.report.tables import answers, duplicates
from diffbench.report.tables.board import Board
from diffbench.report.tables.findings import Findings
from diffbench.report.tables.key_numbers import key_numbers
from diffbench.report.tables.measured import measured
from diffbench.report.tables.results import Results, load_claims, load_laws, tested
from diffbench.report.tables.slices import TITLES, ordered, value_text
from diffbench.study.layout import CHART_DATA, UNFINISHED
from diffbench.summary.reading import BROKEN, MISSING, STALE, UNREADABLE
from diffbench.summary.rows import FACTORS

LISTED = 200
"""Files that the page names, the gravest first: their table has all."""

MEANINGS = {
    BROKEN: "damaged; a result is marked by NAME.broken beside it, and the next run makes it anew",
    STALE: "whole, but made with other settings, factors or inputs than the study has; the next run makes it anew",
    UNREADABLE: "could not be read when the report was made; nothing was changed",
    MISSING: "not there: the reason is the last line of the log that tells why, if there is one",
}
"""States of files, the gravest first."""


def write_index(findings: Findings, board: Board) -> None:
    """Write the page, and the table of files that the report lacks."""
    results = findings.results
    lacking = unfinished(results)
    write_study_page(
        results,
        "index",
        claims=load_claims(results),
        laws=[law for law in load_laws(results) if tested(law)],
        answers=answers.answers(results, findings.means, findings.effects),
        notes=duplicates.notes(results, findings.means),
        board=measured(board) if results.inspects else {},
        numbers=[] if results.inspects else key_numbers(board, results.study),
        settings=len(board.settings),
        titles=TITLES,
        varied=_factors(results),
        unfinished=lacking[:LISTED],
        lacking=len(lacking),
        unfinished_table=CHART_DATA.format(name=Path(UNFINISHED).stem),
        states=dict(Counter(fault.state for fault in results.faults.values())),
        meanings=MEANINGS,
    )
    write_table(results, Path(UNFINISHED).stem, pd.DataFrame(lacking, columns=["file", "state", "reason"]))


def _factors(results: Results) -> dict[str, list[str]]:
    """The values that cells have of each factor."""
    values = {name: results.cells[name].unique().tolist() for name in FACTORS}
    seeds = sorted(values.pop("seed"))
    told = {name: [value_text(each) for each in ordered(results.study, name, own)] for name, own in values.items()}
    return told | {"seed": [str(seed) for seed in seeds]}


def unfinished(results: Results) -> list[dict[str, str]]:
    """Files that measures, figures or pictures lack: file, state and reason; the gravest states first."""
    faults = sorted(results.faults.items(), key=lambda entry: list(MEANINGS).index(entry[1].state))
    return [{"file": file, "state": fault.state, "reason": fault.reason} for file, fault in faults]
