"""The laboratory's questions answered in words, with numbers of its topics' files."""

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.report.tables.answers import Answer
from diffbench.report.tables.format import number
from diffbench.report.tables.lab import Laboratory
from diffbench.report.tables.lab_topics import agreement, central_setting, half_dimensions


def lab_answers(laboratory: Laboratory, learned: pd.DataFrame) -> Iterator[Answer]:
    """What the topics and the trained models answer, where their files are there."""
    for topic, answer in ANSWERS.items():
        if topic in laboratory.topics:
            with suppress(DiffbenchError):  # the file lacks what the answer is made of
                yield answer(laboratory)
        if topic == "recall" and (of_learned := _of_learned(learned)):
            yield of_learned


def _of_gap(laboratory: Laboratory) -> Answer:
    gap, topic = laboratory.topics["gap"], laboratory.settings.gap
    plain = gap["guidance"] == 0
    few, central = gap["points"] == topic.points, np.isclose(gap["delta"], topic.delta)
    peaks, at = gap["peak_gap"], central_setting(gap, topic)
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
    return Answer(
        "Where does the optimum tell training points from others?",
        f"Peak gap {number(peaks[at])} at σ = {number(gap['sigma_at_peak'][at])}"
        f" (δ {topic.delta:g}, {topic.points // 2} training points)",
        tuple(sentences),
    )


def _of_recall(laboratory: Laboratory) -> Answer:
    recall = laboratory.topics["recall"]
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
    text = "Recall: a generated point three times as near to a training point as to any other."
    return Answer("What suppresses exact recall?", short, (text, ends[0], ends[-1]))


def _of_dimension(laboratory: Laboratory) -> Answer:
    dimension = laboratory.topics["dimension"]
    halves = half_dimensions(dimension)
    shares = halves / dimension["spacing"]
    short = "A training point keeps its dimension"
    if not np.isnan(shares).all():
        low, high = (number(float(end(shares))) for end in (np.nanmin, np.nanmax))
        short = f"Below σ of {low if low == high else f'{low} to {high}'} spacings a training point has no dimension"
    return Answer(
        "How many dimensions has the circle?",
        short,
        (
            "FLIPD, the local dimension that the optimum sees: 1 on the circle, 0 on a point, one half at these σ:",
            *(
                f"{points // 2} training points: σ {number(float(half))}."
                for points, half in zip(dimension["points"], halves, strict=True)
            ),
        ),
    )


def _of_learned(learned: pd.DataFrame) -> Answer | None:
    """The equivalent delta at the noise level nearest to 1, at the first and the last milestone."""
    if learned.empty:
        return None
    size = int(learned["train_size"].to_numpy().min())
    levels = learned["sigma"].to_numpy(float)
    sigma = float(levels[np.abs(np.log(levels)).argmin()])
    rows = learned.loc[(learned["train_size"] == size) & (learned["sigma"] == sigma)]
    steps = sorted(int(step) for step in rows["step"].unique())
    first, last = (float(rows.loc[rows["step"] == step, "value"].mean()) for step in (steps[0], steps[-1]))
    return Answer(
        "How ideal is a trained network?",
        f"Equivalent δ from {number(first)} to {number(last)} in training",
        (
            f"At σ = {number(sigma)}, {size} training points, steps {steps[0]} to {steps[-1]}, mean over seeds.",
            "The smaller it is, the closer the network comes to the optimum that memorizes.",
        ),
    )


def _of_discretization(laboratory: Laboratory) -> Answer:
    discretization = laboratory.topics["discretization"]
    solver, steps, best = (discretization[name] for name in ("solver", "steps", "best_delta"))
    least = float(discretization["delta"].min())
    exact = float(best[solver == "exact"][0])
    text = "none: the smallest" if np.isclose(exact, least) else f"δ {number(exact)}"
    sentences = []
    for name in ("euler", "heun"):
        runs = [f"{n} steps: δ {number(d)}" for n, d in zip(steps[solver == name], best[solver == name], strict=True)]
        sentences += [f"{name.capitalize()}, {'; '.join(runs)}."] if runs else []
    largest = float(best.max())
    faked = f"; a solver makes it seem {number(largest)}" if largest > 2 * exact else ""
    return Answer("Which δ seems best by Fréchet distance?", f"Exactly, {text}{faked}", tuple(sentences))


def _of_collapse(laboratory: Laboratory) -> Answer:
    collapse = laboratory.topics["collapse"]
    ratio = np.nanmean(collapse["measured"], axis=2) / collapse["theory"]
    low, high = np.nanmin(ratio), np.nanmax(ratio)
    return Answer(
        "Does theory know where the posterior collapses?",
        f"Measured at {number(low)} to {number(high)} of σ_C",
        (
            f"Gaussian data in d = {collapse['dimension'].min()} to {collapse['dimension'].max()},"
            f" n = {collapse['train_size'].min()} to {collapse['train_size'].max()}.",
        ),
    )


ANSWERS = {
    "gap": _of_gap,
    "recall": _of_recall,
    "dimension": _of_dimension,
    "discretization": _of_discretization,
    "collapse": _of_collapse,
}
"""By the topic whose file they are made of, in the order of the page."""
