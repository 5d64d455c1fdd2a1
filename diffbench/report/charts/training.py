"""Charts of training: loss over steps of every run, and gap, memorization and quality over milestones."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from diffbench.report.charts.figure import MAXIMUM_ROWS, Chart, Figure
from diffbench.report.charts.theme import NEUTRAL
from diffbench.report.charts.toolkit import (
    banded,
    chosen,
    heading,
    log_x,
    log_y,
    number_lines,
    rounded,
    select_box,
    value_axis,
    value_domain,
)
from diffbench.report.tables.results import Results
from diffbench.report.tables.slices import TITLES, VALUES, short_name, spread_over_ranks
from diffbench.report.tables.training import LOSSES, RUN, losses_of_milestones, losses_over_steps

FAMILY = ["model", "granularity"]
"""What runs of one choice have in common: they differ in the training size and the seed."""
COURSE = [*FAMILY, "guidance"]
BATCHES = "batches of training"
HEIGHT = 250
OF_SIZE = alt.FilterTransform(filter="size == 'all' || toString(datum.train_size) == size")
"""The rows of the training size that the reader chooses, so that the seeds of a large study can be told apart."""
OUTCOMES = {
    "peak_gap": ("peak gap", ""),
    "memorized_fraction": ("memorized fraction", "memorized_floor"),
    "fd": ("FD to unseen images", "fd_floor"),
}
"""Outcomes over milestones: title, and floor."""


def loss_by_step(results: Results, width: int) -> Figure | None:
    """Loss over steps of every run of the family that the reader chooses; nothing where no loss is known."""
    told, silent = losses_over_steps(results)
    sizes = [family for family, _ in results.cells.groupby(FAMILY, sort=False)]
    families = sizes[: max(1, MAXIMUM_ROWS // 400)]
    settings = [dict(zip(FAMILY, family, strict=True)) for family in families]
    milestones = losses_of_milestones(results, settings).dropna(subset=["loss"])
    if told.empty and milestones.empty:
        return None
    told = told.merge(pd.DataFrame(families, columns=FAMILY), on=FAMILY).assign(on=BATCHES)
    runs = max(1, len(told[RUN].drop_duplicates()))
    lines = _thinned(told, max(2, (MAXIMUM_ROWS - len(milestones)) // runs))
    data = pd.concat([lines, milestones], ignore_index=True)
    data = data.assign(family=[short_name(row) for _, row in data[FAMILY].iterrows()])
    names = list(dict.fromkeys(short_name(setting) for setting in settings))
    chart = _losses(data, [name for name in names if name in set(data["family"])], width)
    return Figure("loss-by-step", _caption(silent, len(sizes), len(families)), chart, pd.concat([told, milestones]))


def _caption(silent: int, families: int, shown: int) -> str:
    words = (
        "Lines: mean loss of the batches of a run, of the weights as they are, with dropout of labels; a line per "
        "seed. Points: the same mean over noise levels at milestones, of the EMA weights that are measured, on "
        "training (filled) and unseen images (open): where they part, the run overfits. Loss: squared error per pixel "
        "times the weight of EDM, averaged over its noise levels."
    )
    if silent:
        words += f" {silent} runs have no lines: they were trained by an earlier version, or brought without losses."
    return words + (f" The first {shown} of {families} families of runs can be chosen." if shown < families else "")


def _thinned(told: pd.DataFrame, most: int) -> pd.DataFrame:
    """Of each run's windows as many as may be shown, evenly, the last among them."""
    place = told.groupby(RUN, sort=False).cumcount(ascending=False)
    longest = int(place.max()) + 1 if len(told) else 0
    return told[place % -(-max(longest, 1) // most) == 0]


def _losses(data: pd.DataFrame, names: Sequence[str], width: int) -> Chart:
    sizes = sorted(data["train_size"].unique().tolist())
    shown = rounded(data[["family", "train_size", "seed", "step", "on", "loss"]].astype({"step": float}))
    color, _ = number_lines("train_size", TITLES["train_size"], sizes)
    x, y = log_x("step", TITLES["step"]), log_y("loss", "weighted loss per pixel")
    tooltips = [
        alt.Tooltip("train_size:Q", title="n"),
        alt.Tooltip("seed:N"),
        alt.Tooltip("step:Q", format=".0f"),
        alt.Tooltip("on:N"),
        alt.Tooltip("loss:Q", format=".4~g"),
    ]
    legend = alt.Legend(title="at milestones, on", orient="bottom")
    shape = alt.Shape("on:N", scale=alt.Scale(domain=list(LOSSES.values()), range=["circle", "square"]), legend=legend)
    fill = alt.condition(f"datum.on === '{LOSSES['mse_train']}'", color, alt.value("transparent"))
    of_batches = shown["on"] == BATCHES
    lines = alt.Chart(shown[of_batches]).mark_line(strokeWidth=1.3, opacity=0.8)
    points = alt.Chart(shown[~of_batches]).mark_point(size=52, opacity=1)
    layers = [
        lines.encode(x=x, y=y, color=color, detail="seed:N", tooltip=tooltips),
        points.encode(x=x, y=y, color=color, fill=fill, shape=shape, tooltip=tooltips),
    ]
    drawn = [layer for layer, there in zip(layers, (of_batches.any(), not of_batches.all()), strict=True) if there]
    return alt.layer(
        # Each has the choice for itself: a layer's transforms reach only what shares its data.
        *(alt.layer(layer, transform=[chosen("family"), OF_SIZE]) for layer in drawn),
        params=[select_box("family", names, "Runs: "), select_box("size", ["all", *map(str, sizes)], "n: ")],
        width=round(1.6 * width),
        height=HEIGHT + 70,
        title="How the loss falls: training loss over steps, and the loss at milestones",
        description="Weighted denoising loss against the training step on log axes: lines of the batches of every run, "
        "points at milestones on training and on unseen images, coloured by training-set size. The boxes choose.",
    )


def outcomes_by_step(means: pd.DataFrame, width: int) -> Figure | None:
    """Outcomes over milestones, a line per training size, of the runs that the reader chooses."""
    measures = [*OUTCOMES, *(floor for _, floor in OUTCOMES.values() if floor)]
    rows = means[means["measure"].isin(measures)]
    all_sizes = sorted(rows["train_size"].unique().tolist())
    lines = [all_sizes[rank] for rank in spread_over_ranks(len(all_sizes), VALUES)]
    rows = rows[rows["train_size"].isin(lines)]
    steps = rows.groupby(COURSE, sort=False)["step"].nunique()
    courses = [tuple(course) for course in steps[steps > 1].index]
    if not courses or not rows["value"].notna().any():
        return None
    of_course = rows.groupby(COURSE, sort=False).size()
    keep = courses[: max(1, MAXIMUM_ROWS // int(of_course.max()))]
    data = rows.merge(pd.DataFrame(keep, columns=COURSE), on=COURSE)
    names = {course: short_name(dict(zip(COURSE, course, strict=True))) for course in keep}
    data = data.assign(course=[names[course] for course in data[COURSE].itertuples(index=False, name=None)])
    panel = round(0.6 * width)
    sizes = sorted(data["train_size"].unique().tolist())
    chart = alt.hconcat(
        *(_course(data, measure, sizes, panel) for measure in OUTCOMES),
        params=[select_box("course", list(names.values()), "Runs: ")],
        spacing=26,
        title="What becomes of them: gap, memorization and quality over milestones",
        description="Peak gap, memorized fraction and Frechet distance to unseen images against the training step, a "
        "line for each training-set size. The select box chooses model, granularity and guidance.",
    )
    left_out = f" The first {len(keep)} of {len(courses)} can be chosen." if len(keep) < len(courses) else ""
    left_out += (
        f" {len(lines)} of {len(all_sizes)} training-set sizes are drawn." if len(lines) < len(all_sizes) else ""
    )
    caption = (
        "Line: mean over seeds. Band: spans the seeds' own 95 % intervals. Grey: floors, the same of held-out images "
        f"as if generated. Crosses: undefined, hover for why.{left_out}"
    )
    return Figure("outcomes-by-step", caption, chart, data.drop(columns=["course"]))


def _course(data: pd.DataFrame, measure: str, sizes: Sequence[int], width: int) -> Chart:
    title, floor = OUTCOMES[measure]
    fields = ["course", "train_size", "step", "value", "low", "high", "n", "seeds", "reason"]
    rows = rounded(data.loc[data["measure"] == measure, fields])
    color, dash = number_lines("train_size", TITLES["train_size"], sizes)
    steps = sorted(data["step"].unique().tolist())
    x = log_x("step", TITLES["step"], [max(steps[0], 1) / 1.1, steps[-1] * 1.1])
    x["axis"]["values"] = steps
    y = _upright(rows, measure)
    tooltips = [alt.Tooltip("train_size:Q", title="n"), alt.Tooltip("step:Q", title="step")]
    base = alt.Chart(rows).encode(x=x, color=color)
    layers = banded(base, y, dash, HEIGHT, tooltips)
    if floor:
        floors = alt.Chart(rounded(data.loc[data["measure"] == floor, fields])).encode(x=x, detail="train_size:N")
        layers.insert(0, floors.mark_line(color=NEUTRAL, strokeWidth=1.4, strokeDash=[4, 3]).encode(y=y))
    named = heading(title)
    # Each layer has the choice for itself: a layer's transforms reach only what shares its data.
    parts = [alt.layer(layer, transform=[chosen("course")]) for layer in layers]
    return alt.layer(*parts, width=width, height=HEIGHT, title=named)


def _upright(rows: pd.DataFrame, measure: str) -> alt.Y:
    """Gaps may differ by orders of magnitude, shares lie between 0 and 1."""
    if measure == "peak_gap":
        return value_axis("", value_domain(rows, 0.0, 0.1))
    domain = [0.0, 1.0] if measure == "memorized_fraction" else value_domain(rows, 0.0, 0.1)
    return alt.Y("value:Q", title="", scale=alt.Scale(domain=domain, nice=False))
