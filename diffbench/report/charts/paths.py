"""Sampling trajectories in the plane, among training and unseen points, at a slider of the noise level."""

import altair as alt
import numpy as np
import pandas as pd

from diffbench.data.pictured import KINDS
from diffbench.data.training_set import TrainingSet
from diffbench.files.estimates import curve
from diffbench.files.store import StageFile
from diffbench.report.charts.figure import Chart, Figure
from diffbench.report.charts.plane import MAXIMUM_POINTS
from diffbench.report.charts.theme import NEUTRAL, OKABE_ITO
from diffbench.report.charts.toolkit import level_slider, rounded
from diffbench.report.tables.format import level

FIRST_LEVEL = 0.5
"""Noise level that the page opens with, or the nearest to it."""

BEYOND = 1.6
"""How far the picture reaches beyond the points."""

MARKS = {
    "training": (OKABE_ITO[0], "circle"),
    "unseen": (NEUTRAL, "square"),
    "state": (OKABE_ITO[1], "cross"),
    "noised training point nearest to it": (OKABE_ITO[2], "triangle-up"),
}
"""Colour and shape of points by what they are."""

NUMBERS = ("radius", "beyond_train", "beyond_validation", "ratio")


def paths_figure(file: StageFile, images: TrainingSet, name: str, index: int, width: int) -> Figure:
    """Trajectories down to a level, their states there with what the denoiser makes of them, and of the neighbours'."""
    table = rows_of(file)
    points = _points(images)
    sigmas = file["pictured_sigma"]
    reach = BEYOND * float(points[["x", "y"]].abs().to_numpy().max())
    start = int(np.abs(np.log(sigmas / FIRST_LEVEL)).argmin())
    slider = level_slider([level(sigma) for sigma in sigmas.tolist()], start, "from noise to sample")
    side = round(0.9 * width)
    states = rounded(table)
    passed = _in_plane(states, "state_x", "state_y", reach).transform_filter("datum.level <= level")
    trail = passed.mark_line(color=OKABE_ITO[1], strokeWidth=1, opacity=0.6, clip=True).encode(
        detail="trajectory:N", order="level:O"
    )
    chart = (
        alt.layer(_marks(points, reach), trail, *_arrows(states, reach), *_heads(states, reach))
        .add_params(*slider)
        .properties(
            width=side,
            height=side,
            title=alt.Title(alt.expr("'Trajectories from noise down to σ = ' + now")),
            description=f"Paths of sampling trajectories of {name} in the plane, down to a noise level that a slider"
            " chooses, among training and unseen points. Lines lead from each state, and from the noised training point"
            " nearest to it, to what the denoiser makes of it.",
        )
    )
    caption = (
        f"{len(file['pictured'])} trajectories, at equally spaced ranks of d1/d2 of their samples. Lines lead from"
        " states, and from noised training points beside them, to what the denoiser makes of them. Hover a state for"
        " its shell radius, the shares of noised points that lie as far out, and d1/d2 of its denoised point. At most"
        f" {MAXIMUM_POINTS} points of either kind, scaled to the standard deviation of the training pool = 0.5; what"
        " lies further out is cut."
    )
    return Figure(f"paths-{index + 1}", caption, chart, table)


def rows_of(file: StageFile) -> pd.DataFrame:
    """A row per trajectory and level: sigma, the nearest points, NUMBERS, and x and y of what is pictured."""
    levels, trajectories = file["pictured_ratio"].shape
    at, of = (index.ravel() for index in np.indices((levels, trajectories)))
    columns: dict[str, np.ndarray] = {
        "trajectory": file["pictured"][of],
        "level": at,
        "sigma": file["pictured_sigma"][at],
        "nearest_train": file["neighbor_train"].ravel(),
        "nearest_validation": file["neighbor_validation"].ravel(),
    }
    columns |= {number: file[f"pictured_{number}"].ravel() for number in NUMBERS}
    likeness = curve(file, "train_likeness", file["pictured_sigma"].tolist())
    columns["train_likeness"] = np.array([each.value for each in likeness])[at]
    for place, kind in enumerate(KINDS):
        for axis, letter in enumerate("xy"):
            columns[f"{kind}_{letter}"] = file["pictures"][:, :, place, axis].ravel().astype(float)
    return pd.DataFrame(columns)


def _points(images: TrainingSet) -> pd.DataFrame:
    kinds = {"training": images.train, "unseen": images.validation}
    parts = [
        pd.DataFrame(points[:MAXIMUM_POINTS], columns=["x", "y"]).assign(kind=kind) for kind, points in kinds.items()
    ]
    return rounded(pd.concat(parts).astype({"x": float, "y": float}))


def _in_plane(table: pd.DataFrame, x: str, y: str, reach: float) -> alt.Chart:
    axis = {"scale": alt.Scale(domain=[-reach, reach]), "axis": alt.Axis(title=None, tickCount=5)}
    return alt.Chart(table).encode(x=alt.X(f"{x}:Q", **axis), y=alt.Y(f"{y}:Q", **axis))


def _marks(points: pd.DataFrame, reach: float) -> Chart:
    legend = alt.Legend(title=None, orient="bottom", columns=2)
    names = list(MARKS)
    colors = alt.Scale(domain=names, range=[color for color, _ in MARKS.values()])
    shapes = alt.Scale(domain=names, range=[shape for _, shape in MARKS.values()])
    drawn = _in_plane(points, "x", "y", reach).mark_point(size=30, filled=True, opacity=0.7, clip=True)
    return drawn.encode(
        color=alt.Color("kind:N", scale=colors, legend=legend),
        shape=alt.Shape("kind:N", scale=shapes, legend=legend),
        tooltip=["kind:N"],
    )


def _arrows(states: pd.DataFrame, reach: float) -> list[Chart]:
    """Lines from states, and from the noised training points beside them, to what the denoiser makes of them."""
    pairs = {("state", "denoised"): MARKS["state"][0], ("noised_train", "denoised_train"): OKABE_ITO[2]}
    return [
        _in_plane(states, f"{start}_x", f"{start}_y", reach)
        .transform_filter("datum.level == level")
        .mark_rule(color=color, strokeDash=[3, 2], clip=True)
        .encode(x2=f"{end}_x:Q", y2=f"{end}_y:Q")
        for (start, end), color in pairs.items()
    ]


def _heads(states: pd.DataFrame, reach: float) -> list[Chart]:
    tooltips = [
        alt.Tooltip("trajectory:N"),
        alt.Tooltip("sigma:Q", title="σ", format=".3~g"),
        alt.Tooltip("nearest_train:N", title="nearest training point"),
        alt.Tooltip("radius:Q", title="shell radius", format=".3~g"),
        alt.Tooltip("beyond_train:Q", title="noised training points as far out", format=".0%"),
        alt.Tooltip("beyond_validation:Q", title="noised unseen points as far out", format=".0%"),
        alt.Tooltip("ratio:Q", title="d1/d2 of D", format=".3~g"),
        alt.Tooltip("train_likeness:Q", title="train-likeness of all", format=".3~g"),
    ]
    heads = []
    for kind, name in (("noised_train", "noised training point nearest to it"), ("state", "state")):
        color, shape = MARKS[name]
        heads.append(
            _in_plane(states, f"{kind}_x", f"{kind}_y", reach)
            .transform_filter("datum.level == level")
            .mark_point(size=60, filled=True, color=color, shape=shape, opacity=1, clip=True)
            .encode(tooltip=tooltips)
        )
    return heads
