"""The page of the 2D laboratory: closed forms in the plane in pictures and numbers, and networks held against them."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.files.store import StageFile
from diffbench.report.charts.figure import Figure
from diffbench.report.charts.lab_closed import collapse_figure, discretization_figure, profile_figure, recall_figure
from diffbench.report.charts.lab_dimension import dimension_figure
from diffbench.report.charts.lab_flow import flow_figure
from diffbench.report.charts.lab_gap import check_figure, gap_figure
from diffbench.report.charts.lab_learned import learned_figure
from diffbench.report.pages.page import write_study_page
from diffbench.report.tables.lab import Laboratory, closed_form_gaps, equivalents, load_laboratory, topic_faults
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
    Section("dimension", "How many dimensions has the circle?", ("lab-dimension",), ("dimension",)),
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
        faults=topic_faults(results),  # once figures and answers have used the files
    )


def _figures(results: Results, laboratory: Laboratory, learned: pd.DataFrame, width: int) -> Iterator[Figure]:
    """The figures of all topics but those whose file is missing, or lacks what the figure is made of."""
    settings = laboratory.settings

    def checked(gap: StageFile) -> Figure:
        return check_figure(gap, settings.gap, closed_form_gaps(results, gap), width)

    drawings: list[tuple[str, Callable[[StageFile], Figure]]] = [
        ("flow", lambda flow: flow_figure(flow, settings.flow)),
        ("gap", lambda gap: gap_figure(gap, settings.gap, width)),
        ("gap", checked),
        ("profile", lambda profile: profile_figure(profile, width)),
        ("recall", lambda recall: recall_figure(recall, width)),
        ("dimension", lambda dimension: dimension_figure(dimension, settings.dimension, width)),
        ("discretization", lambda discretization: discretization_figure(discretization, width)),
        ("collapse", lambda collapse: collapse_figure(collapse, width)),
    ]
    for topic, draw in drawings:
        if topic in laboratory.topics:
            with suppress(DiffbenchError):
                yield draw(laboratory.topics[topic])
    if figure := learned_figure(learned, width):
        yield figure
