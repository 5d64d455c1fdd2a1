"""The page of the 2D laboratory: closed forms in the plane in pictures and numbers, and networks held against them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffbench.report.format import number
from diffbench.report.lab_closed import collapse_figure, discretization_figure, profile_figure, recall_figure
from diffbench.report.lab_data import Laboratory, closed_form_gaps, equivalents, load_laboratory
from diffbench.report.lab_flow import flow_figure
from diffbench.report.lab_gap import agreement, check_figure, gap_figure
from diffbench.report.lab_learned import learned_figure
from diffbench.report.page import Figure, write_page
from diffbench.report.results import Results
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


class Card(NamedTuple):
    """A question, its answer in a few words, and the numbers behind it."""

    question: str
    short: str
    sentences: tuple[str, ...]


def write_laboratory(results: Results, settings: ReportSettings) -> None:
    """Write report/lab.html and its tables inside the study's results."""
    laboratory = load_laboratory(results)
    learned = equivalents(results)
    write_page(
        results.folder / "report" / "lab.html",
        "lab.html",
        list(_figures(results, laboratory, learned, settings.chart_width)),
        study=results.study,
        manifest=results.manifest,
        sections=SECTIONS,
        cards=list(_cards(laboratory, learned)),
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


def _cards(laboratory: Laboratory, learned: pd.DataFrame) -> Iterator[Card]:
    topics = laboratory.topics
    if "gap" in topics:
        yield _gap_card(laboratory)
    if "recall" in topics:
        yield _recall_card(laboratory)
    if card := _learned_card(learned):
        yield card
    if "discretization" in topics:
        yield _discretization_card(laboratory)
    if "collapse" in topics:
        yield _collapse_card(laboratory)


def _gap_card(laboratory: Laboratory) -> Card:
    gap, topic = laboratory.topics["gap"], laboratory.settings.gap
    plain = gap["guidance"] == 0
    few, central = gap["points"] == topic.points, np.isclose(gap["delta"], topic.delta)
    peaks, at = gap["peak_gap"], int(np.flatnonzero(plain & few & central)[0])
    sentences = []
    for wanted, values, name in (
        (plain & few, gap["delta"], "δ"),
        (plain & central, gap["points"] // 2, "training points"),
        (few & central, gap["guidance"], "guidance weight"),
    ):
        rows = np.flatnonzero(wanted)
        low, high = rows[values[rows].argmin()], rows[values[rows].argmax()]
        sentences.append(
            f"Peak from {number(float(peaks[low]))} to {number(float(peaks[high]))}"
            f" as {name} goes from {values[low]:g} to {values[high]:g}."
        )
    inside, checked = agreement(gap)
    sentences.append(f"The Monte-Carlo interval holds the exact gap at {inside} of {checked} noise levels.")
    return Card(
        "Where does the optimum tell training points from others?",
        f"Peak gap {number(peaks[at])} at σ = {number(gap['sigma_at_peak'][at])}"
        f" (δ {topic.delta:g}, {topic.points // 2} training points)",
        tuple(sentences),
    )


def _recall_card(laboratory: Laboratory) -> Card:
    recall, topic = laboratory.topics["recall"], laboratory.settings.recall
    share = recall["delta"][None, :] / recall["spacing"][:, None]
    halves = np.array(
        [np.interp(0.5, row[::-1], of[::-1], np.nan, np.nan) for row, of in zip(recall["recall"], share, strict=True)]
    )
    short = "Recall does not pass one half"
    if not np.isnan(halves).all():
        short = f"Recall halves at δ of {number(np.nanmin(halves))} to {number(np.nanmax(halves))} spacings"
    (least, most), deltas = (recall["recall"][:, 0], recall["recall"][:, -1]), recall["delta"]
    ends = tuple(
        f"{points // 2} training points: {number(first)} at δ {deltas[0]:g}, {number(last)} at δ {deltas[-1]:g}."
        for points, first, last in zip(recall["points"], least, most, strict=True)
    )
    text = f"Recall: a generated point within {topic.radius:g} spacings of a training point."
    return Card("What suppresses exact recall?", short, (text, ends[0], ends[-1]))


def _learned_card(learned: pd.DataFrame) -> Card | None:
    """The equivalent delta at the noise level nearest to 1, at the first and the last milestone."""
    if learned.empty:
        return None
    size = int(learned["train_size"].to_numpy().min())
    levels = learned["sigma"].to_numpy(float)
    sigma = float(levels[np.abs(np.log(levels)).argmin()])
    rows = learned.loc[(learned["train_size"] == size) & (learned["sigma"] == sigma)]
    steps = sorted(int(step) for step in rows["step"].unique())
    first, last = (float(rows.loc[rows["step"] == step, "value"].mean()) for step in (steps[0], steps[-1]))
    return Card(
        "How ideal is a trained network?",
        f"Equivalent δ from {number(first)} to {number(last)} in training",
        (
            f"At σ = {number(sigma)}, {size} training points, steps {steps[0]} to {steps[-1]}, mean over seeds.",
            "The smaller it is, the closer the network comes to the optimum that memorizes.",
        ),
    )


def _discretization_card(laboratory: Laboratory) -> Card:
    found = laboratory.topics["discretization"]
    solver, steps, best = (found[name] for name in ("solver", "steps", "best_delta"))
    least = float(found["delta"].min())
    exact = float(best[solver == "exact"][0])
    text = "none: the smallest" if np.isclose(exact, least) else f"δ {number(exact)}"
    sentences = []
    for name in ("euler", "heun"):
        runs = [f"{n} steps: δ {number(d)}" for n, d in zip(steps[solver == name], best[solver == name], strict=True)]
        sentences += [f"{name.capitalize()}, {'; '.join(runs)}."] if runs else []
    largest = float(best.max())
    faked = f"; a solver makes it seem {number(largest)}" if largest > 2 * exact else ""
    return Card("Which δ seems best by Fréchet distance?", f"Exactly, {text}{faked}", tuple(sentences))


def _collapse_card(laboratory: Laboratory) -> Card:
    collapse = laboratory.topics["collapse"]
    ratio = np.nanmean(collapse["measured"], axis=2) / collapse["theory"]
    low, high = np.nanmin(ratio), np.nanmax(ratio)
    return Card(
        "Does theory know where the posterior collapses?",
        f"Measured at {number(low)} to {number(high)} of σ_C",
        (
            f"Gaussian data in d = {collapse['dimension'].min()} to {collapse['dimension'].max()},"
            f" n = {collapse['train_size'].min()} to {collapse['train_size'].max()}.",
        ),
    )
