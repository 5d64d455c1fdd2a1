"""Charts of a comparison: sides over the noise level and over training steps, and their differences."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from diffbench.comparison.paired import CURVES, Pair
from diffbench.comparison.sides import STUDY, Side
from diffbench.report.charts.figure import MAXIMUM_ROWS, Chart, Figure
from diffbench.report.charts.theme import DASHES, OKABE_ITO
from diffbench.report.charts.toolkit import (
    GAP_TITLE,
    REASON_TOOLTIP,
    SEEDS,
    SIGMA_TOOLTIP,
    VALUE_TOOLTIPS,
    banded,
    chosen,
    curves,
    heading,
    line_legend,
    log_x,
    reference_line,
    rounded,
    select_box,
    sigma_axis,
    value_axis,
    value_domain,
)
from diffbench.report.tables.board import Board
from diffbench.report.tables.seeds import curves_over_seeds
from diffbench.report.tables.slices import SETTING, short_name

HEIGHT = 210
OVER_NOISE = {
    "gap": (GAP_TITLE, (0.0, 0.1)),
    "skill_validation": ("skill on unseen images", (-0.2, 0.6)),
    "memorized_share": ("share of the optimum's gap", (0.0, 1.0)),
    "train_likeness": ("train-likeness", (-0.2, 1.2)),
}
"""Curves of either side: title, and what the axis holds at least."""
BY_STEP = {"memorized_fraction": "memorized fraction", "peak_gap": "peak gap", "fd": "FD to unseen images"}
COURSE = [name for name in SETTING if name != "step"]


def side_curves(pairs: Sequence[Pair]) -> pd.DataFrame:
    """Curves over the noise level of both sides of each pair, as means over seeds: pair, STUDY and their rows."""
    parts = []
    for pair in pairs:
        for side, setting in zip((pair.first, pair.other), pair.settings, strict=True):
            rows = _curves(side, setting)
            parts.append(rows.assign(pair=pair.name, **{STUDY: side.name}))
    if not parts:
        return pd.DataFrame()
    return pd.concat(parts, ignore_index=True).drop_duplicates(["pair", STUDY, "measure", "sigma"])


def _curves(side: Side, setting: Sequence[object]) -> pd.DataFrame:
    named = dict(zip(SETTING, setting, strict=True))
    rows = side.results.estimates.of(OVER_NOISE, [named])
    seeds = [cell.checkpoint.run.seed for cell in side.of(setting)]
    return curves_over_seeds(rows[rows["seed"].isin(seeds)], list(OVER_NOISE), [])


def sides_over_noise(data: pd.DataFrame, names: Sequence[str], width: int) -> Figure | None:
    """A panel for each curve, a line for each side, of the pair of settings that the reader chooses."""
    if data.empty or not data["value"].notna().any():
        return None
    kept, left_out = _kept(data)
    fields = ["pair", STUDY, "measure", "sigma", "value", "low", "high", "n", "seeds", "reason"]
    shown = rounded(kept[fields])
    color, dash = _lines(names)
    tooltips = [alt.Tooltip(f"{STUDY}:N"), SIGMA_TOOLTIP]
    panels = []
    for measure, (title, holds) in OVER_NOISE.items():
        rows = shown[shown["measure"] == measure]
        if rows["value"].notna().any():
            y = value_axis("", value_domain(rows, *holds))
            panels.append(_panel(curves(rows, y, color, dash, HEIGHT, tooltips), title, round(0.92 * width)))
    chart = alt.concat(
        *panels,
        columns=2,
        params=[select_box("pair", list(dict.fromkeys(kept["pair"])), "Setting: ")],
        title="Side by side: curves over the noise level",
        description="Denoising gap, skill on unseen images, share of the optimum and train-likeness against the noise "
        "level sigma, one line for each side of the comparison. The select box chooses the setting.",
    )
    return Figure("sides-over-noise", f"{SEEDS}{left_out}", chart, data)


def differences_over_noise(rows: pd.DataFrame, names: Sequence[str], width: int) -> Figure | None:
    """Paired differences to the first side at each noise level; nothing where none was paired."""
    data = rows[rows["measure"].isin(CURVES) & rows["sigma"].notna()] if len(rows) else rows
    if data.empty or not data["value"].notna().any():
        return None
    kept, left_out = _kept(data)
    shown = rounded(kept[["pair", STUDY, "measure", "sigma", "value", "low", "high", "n", "reason", "units"]])
    color, dash = _lines(names)
    tooltips = [alt.Tooltip(f"{STUDY}:N"), SIGMA_TOOLTIP]
    told = [*VALUE_TOOLTIPS, alt.Tooltip("units:N"), REASON_TOOLTIP]
    panels = []
    for measure, title in CURVES.items():
        own = shown[shown["measure"] == measure]
        base = alt.Chart(own).encode(x=sigma_axis(), color=color)
        y = value_axis("", value_domain(own, -0.05, 0.05))
        zero = reference_line(own.head(1)[["sigma"]], 0, "no difference", round(0.58 * width))
        lines = banded(base, y, dash, HEIGHT, tooltips, told)
        panels.append(_panel(lines, title, round(0.58 * width), beneath=zero))
    chart = alt.concat(
        *panels,
        columns=3,
        params=[select_box("pair", list(dict.fromkeys(kept["pair"])), "Setting: ")],
        title="How they differ: paired differences over the noise level",
        description="Differences of the gap, and of the losses on unseen and on training images, against the noise "
        "level sigma, over the images that both sides share. The select box chooses the setting.",
    )
    caption = (
        "Line: other side minus, or over, the first on the images that both data files hold. Band: 95 % interval, "
        f"bootstrap over these images, of the trained networks as they are. Crosses: undefined.{left_out}"
    )
    return Figure("differences-over-noise", caption, chart, data)


def sides_by_step(board: Board, names: Sequence[str], width: int) -> Figure | None:
    """Outcomes over milestones, a line for each side; nothing where no side has several."""
    rows = pd.concat([each.settings for each in board.columns if each.measure.name in BY_STEP] or [pd.DataFrame()])
    if rows.empty:
        return None
    shared = [name for name in COURSE if not _apart(board, name)]
    rows = rows.assign(course=[short_name(row) or "all" for _, row in rows[shared].iterrows()])
    steps = rows.groupby("course", sort=False)["step"].nunique()
    rows = rows[rows["course"].isin(steps[steps > 1].index)]
    if not rows["value"].notna().any():
        return None
    fields = ["course", STUDY, "measure", "step", "value", "low", "high", "n", "seeds", "reason"]
    kept, left_out = _kept(rows, "course")
    shown = rounded(kept[fields].astype({"step": float}))
    color, dash = _lines(names)
    tooltips = [alt.Tooltip(f"{STUDY}:N"), alt.Tooltip("step:Q")]
    milestones = sorted(shown["step"].unique().tolist())
    x = log_x("step", "training step", [max(milestones[0], 1) / 1.1, milestones[-1] * 1.1])
    x["axis"]["values"] = milestones
    panels = []
    for measure, title in BY_STEP.items():
        own = shown[shown["measure"] == measure]
        if not own["value"].notna().any():
            continue
        base = alt.Chart(own).encode(x=x, color=color)
        y = value_axis("", value_domain(own, 0.0, 0.1))
        panels.append(_panel(banded(base, y, dash, HEIGHT, tooltips), title, round(0.58 * width), "course"))
    chart = alt.concat(
        *panels,
        columns=3,
        params=[select_box("course", list(dict.fromkeys(kept["course"])), "Runs: ")],
        title="When it sets in: outcomes over training steps",
        description="Memorized fraction, peak gap and Frechet distance to unseen images against the training step, one "
        "line for each side of the comparison. The select box chooses the runs.",
    )
    caption = f"Line: mean over seeds. Band: spans the seeds' own 95 % intervals. Crosses: undefined.{left_out}"
    return Figure("sides-by-step", caption, chart, rows.drop(columns=["course"]))


def _apart(board: Board, factor: str) -> bool:
    """Whether each side has one value of a factor, and they are not all the same."""
    values = board.settings.groupby(STUDY)[factor].agg(["nunique", "first"])
    return bool((values["nunique"] == 1).all()) and values["first"].nunique() > 1


def _kept(data: pd.DataFrame, choice: str = "pair") -> tuple[pd.DataFrame, str]:
    """As many choices as there is room for, the first ones, and what is left out in words."""
    sizes = data.groupby(choice, sort=False).size()
    names = sizes.index[: max(1, int((sizes.cumsum() <= MAXIMUM_ROWS).sum()))]
    told = f" The first {len(names)} of {len(sizes)} settings can be chosen." if len(names) < len(sizes) else ""
    return data[data[choice].isin(names)], told


def _lines(names: Sequence[str]) -> tuple[alt.Color, alt.StrokeDash]:
    """Colours and dashes of sides, the same on all charts."""
    legend, domain = line_legend("side", 1), list(names)
    legend["labelLimit"] = 0  # names of cells differ at their ends
    hues = alt.Scale(domain=domain, range=[OKABE_ITO[place % len(OKABE_ITO)] for place in range(len(domain))])
    dashes = alt.Scale(domain=domain, range=[DASHES[place % len(DASHES)] for place in range(len(domain))])
    return alt.Color(f"{STUDY}:N", scale=hues, legend=legend), alt.StrokeDash(f"{STUDY}:N", scale=dashes, legend=legend)


def _panel(
    layers: Sequence[Chart], title: str, width: int, choice: str = "pair", beneath: Sequence[Chart] = ()
) -> Chart:
    """Layers that show what the reader chose, above others that stay.

    Each has the choice for itself: a layer's transforms reach only what shares its data.
    """
    parts = [*beneath, *(alt.layer(layer, transform=[chosen(choice)]) for layer in layers)]
    return alt.layer(*parts, width=width, height=HEIGHT, title=heading(title))
