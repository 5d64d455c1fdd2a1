"""The page of the 2D laboratory: closed forms in the plane in pictures and numbers, and networks held against them."""

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from diffbench.report.charts.figure import Figure
from diffbench.report.charts.lab_closed import collapse_figure, discretization_figure, profile_figure, recall_figure
from diffbench.report.charts.lab_flow import flow_figure
from diffbench.report.charts.lab_gap import check_figure, gap_figure
from diffbench.report.charts.lab_learned import learned_figure
from diffbench.report.pages.page import write_study_page
from diffbench.report.tables.lab import Laboratory, closed_form_gaps, equivalents, load_laboratory
from diffbench.report.tables.lab_answers import lab_answers
from diffbench.report.tables.results import Results
from diffbench.settings.report import ReportSettings


class Section(NamedTuple):
    """A part of the page."""

    anchor: str
    heading: str
    figures: tuple[str, ...]
    topics: tuple[str, ...]  # that its figures are made of


SECTIONS = (
    Section("flow", "Where does the flow lead?", ("flow",), ("flow",)),
    Section("gap", "At which noise level? The gap without noise", ("lab-gap", "lab-profile"), ("gap", "profile")),
    Section("recall", "What suppresses exact recall?", ("lab-recall",), ("recall",)),
    Section("learned", "Learned against ideal", ("lab-equivalent",), ()),
    Section("checks", "Can the numbers be trusted?", ("lab-check", "lab-discretization"), ("gap", "discretization")),
    Section("collapse", "From the plane to many dimensions", ("lab-collapse",), ("collapse",)),
)


def write_laboratory(results: Results, settings: ReportSettings) -> None:
    """Write the page and its tables inside the study's results."""
    laboratory = load_laboratory(results)
    learned = equivalents(results)
    write_study_page(
        results,
        "lab",
        list(_figures(results, laboratory, learned, settings.chart_width)),
        sections=SECTIONS,
        answers=list(lab_answers(laboratory, learned)),
        missing=laboratory.missing,
    )


def _figures(results: Results, laboratory: Laboratory, learned: pd.DataFrame, width: int) -> Iterator[Figure]:
    topics, settings = laboratory.topics, laboratory.settings
    if "flow" in topics:
        yield flow_figure(topics["flow"], settings.flow)
    if "gap" in topics:
        yield gap_figure(topics["gap"], settings.gap, width)
        yield check_figure(topics["gap"], settings.gap, closed_form_gaps(results, topics["gap"]), width)
    if "profile" in topics:
        yield profile_figure(topics["profile"], width)
    if "recall" in topics:
        yield recall_figure(topics["recall"], settings.recall, width)
    if figure := learned_figure(learned, width):
        yield figure
    if "discretization" in topics:
        yield discretization_figure(topics["discretization"], width)
    if "collapse" in topics:
        yield collapse_figure(topics["collapse"], width)
