"""The pages of a report and the one navigation among them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from diffbench.report.tables.results import Results


def _always(results: Results) -> bool:
    return True


def _compares(results: Results) -> bool:
    """An inspection has one model and judges no claim."""
    return not results.inspects


@dataclass(frozen=True)
class SitePage:
    """A page: its template's name without suffix, what the navigation calls it, and what it answers."""

    name: str
    title: str
    answers: str
    has: Callable[[Results], bool] = _always


SITE = (
    SitePage("index", "Overview", "What was run, and what it found"),
    SitePage("leaderboard", "Leaderboard", "Every setting by every measure: sort, filter, compare, export", _compares),
    SitePage("noise", "Noise levels", "Where the gap lies, which closed form explains it, where samplers go"),
    SitePage("factors", "Factors", "What made models memorize, one factor at a time", _compares),
    SitePage(
        "training", "Training", "Loss over steps, when memorization sets in, and how long one may train", _compares
    ),
    SitePage("samples", "Samples", "Samples beside their nearest training and unseen images"),
    SitePage("claims", "Claims", "Five claims and laws of the field, with their tests", _compares),
    SitePage("risk", "Risk", "Which training images samples give away, and what attacks tell"),
    SitePage("privacy", "Privacy", "One model's privacy report, to hand on", lambda results: results.inspects),
    SitePage(
        "controls",
        "Controls",
        "What measures say where the truth is known",
        lambda results: results.study.has_controls,
    ),
    SitePage(
        "lab",
        "2D laboratory",
        "Closed forms in the plane, and networks beside them",
        lambda results: results.study.lab is not None,
    ),
    SitePage("costs", "Costs", "What it took, and what a better outcome costs"),
    SitePage("methods", "Methods", "Definitions, protocol, versions, how to reproduce and to cite"),
)
"""All pages in the order of the navigation."""


class Link(NamedTuple):
    """A page in the navigation."""

    title: str
    file: str
    answers: str
    current: bool


def navigation(results: Results, current: str) -> list[Link]:
    """Links to the pages that a report has. That of privacy, which is written first, may have failed."""
    present = [page for page in SITE if page.has(results)]
    return [
        Link(page.title, f"{page.name}.html", page.answers, page.name == current)
        for page in present
        if page.name != "privacy" or current == "privacy" or (results.pages / "privacy.html").exists()
    ]
