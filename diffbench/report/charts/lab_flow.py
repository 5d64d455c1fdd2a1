"""The picture of the flow: arrows, noised training density and trajectories in four scenes, at a slider of sigma."""

from collections.abc import Mapping

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffbench.files.store import StageFile
from diffbench.report.charts.figure import MAXIMUM_ROWS, Chart, Figure
from diffbench.report.charts.theme import AREAS, NEUTRAL, OKABE_ITO, SEQUENCE
from diffbench.report.charts.toolkit import heading, level_slider
from diffbench.settings.lab import FlowTopic

PANEL = 262
"""Side of a panel in pixels: four stand beside each other."""

FAINTEST = -8.0
"""Log-densities below the highest of a picture are cut here."""

SHOWN_LEVELS = 18
"""States of a trajectory that are drawn, beside those at the slider's levels."""

STILL = -1.5
"""log10 of the speed below which the flow has no direction to draw, as in the centre of a circle."""

FIRST_LEVEL = 1.2
"""Noise level that the page opens with, or the nearest to it."""


def flow_figure(flow: StageFile, topic: FlowTopic) -> Figure:
    """Upper row: flow field; lower row: trajectories over the density; one column per scene."""
    sigmas = flow["sigma"]
    names = [str(name) for name in flow["scene"]]
    titles = _titles(topic)
    arrows, tiles, points = _arrows(flow, names), _tiles(flow, names), _points(flow, names)
    paths = _paths(flow, names, MAXIMUM_ROWS - 1 - len(arrows) - len(tiles) - len(points))
    reach = float(np.abs(flow["positions"]).max())
    start = int(np.abs(np.log(sigmas / FIRST_LEVEL)).argmin())
    slider = level_slider([float(sigma) for sigma in sigmas], start, "low to high")
    fields = alt.hconcat(*(_field(arrows, points, name, reach, titles[name]) for name in names), spacing=14)
    journeys = alt.hconcat(*(_journey(tiles, paths, points, name, reach) for name in names), spacing=14)
    chart = (
        alt.vconcat(fields, journeys, spacing=10)
        .resolve_scale(color="independent", fill="independent")
        .add_params(*slider)
        .properties(
            title=alt.Title(alt.expr("'The optimal flow at noise level σ = ' + now + ', and samples that follow it'")),
            description="Four scenes of the plane at a noise level that a slider chooses. Upper row: arrows of the"
            " probability flow, coloured by speed, with training and validation points. Lower row: the density of the"
            " noised training points, and sampling trajectories from high noise down to the chosen level.",
        )
    )
    caption = (
        "Move the slider to lower σ and see the arrows turn from a common centre to single training points: the flow"
        " localizes. Model error (second column) and dense support (third) keep it smooth where the optimum has already"
        " chosen; the last column shows both at once, a dense upper and a sparse lower half. Arrows point the"
        " way that sampling goes and have one length; colour is speed. Filled circles: training points; open squares:"
        " validation points. Lower row: lighter = denser (log scale); white: trajectories from higher"
        " noise to here, which come close to the centre before they turn back to the ring."
    )
    return Figure("flow", caption, chart, _table(flow, names))


def _titles(topic: FlowTopic) -> Mapping[str, tuple[str, str]]:
    few, many = topic.points // 2, topic.dense_points // 2
    return {
        "optimum": ("optimum", f"{few} training points"),
        "error": (f"model error δ = {topic.delta:g}", f"the same {few} training points"),
        "dense": ("dense support", f"optimum, {many} training points"),
        "uneven": ("dense and sparse half", "optimum, random points"),
    }


def _arrows(flow: StageFile, names: list[str]) -> pd.DataFrame:
    """One row per position; per scene the angles (degrees clockwise from up) and log10 of the speeds at all levels."""
    positions, velocity = flow["positions"], -flow["velocity"].astype(float)  # sampling goes down in sigma
    angle = np.degrees(np.arctan2(velocity[..., 0], velocity[..., 1])).round().astype(int)
    speed = np.log10(np.maximum(np.hypot(velocity[..., 0], velocity[..., 1]), 1e-3)).round(2)
    columns: dict[str, object] = {"x": positions[:, 0].round(2), "y": positions[:, 1].round(2)}
    for index, name in enumerate(names):
        columns[f"angle_{name}"] = angle[index].T.tolist()
        columns[f"speed_{name}"] = speed[index].T.tolist()
    return pd.DataFrame(columns)


def _tiles(flow: StageFile, names: list[str]) -> pd.DataFrame:
    """One row per tile of the density's grid; per scene the log-densities at all levels below the highest of each."""
    density = flow["log_density"] - flow["log_density"].max(axis=2, keepdims=True)
    shown = np.maximum(density, FAINTEST).astype(float).round(1)
    centers = flow["cells"]
    half = _half_side(centers)
    columns = {
        "x": (centers[:, 0] - half).round(3),
        "x2": (centers[:, 0] + half).round(3),
        "y": (centers[:, 1] - half).round(3),
        "y2": (centers[:, 1] + half).round(3),
    }
    return pd.DataFrame(columns | {name: shown[index].T.tolist() for index, name in enumerate(names)})


def _half_side(centers: NDArray[np.float64]) -> float:
    axis = np.unique(centers[:, 0])
    return float(axis[1] - axis[0]) / 2


def _paths(flow: StageFile, names: list[str], budget: int) -> pd.DataFrame:
    """At most `budget` rows: trajectories at some of their levels, among them all levels of the slider."""
    levels = flow["level"]
    thinned = np.linspace(0, len(levels) - 1, SHOWN_LEVELS).round().astype(int)
    kept = np.union1d(thinned, np.flatnonzero(np.isin(levels, flow["sigma"])))
    starts = max(1, budget // (len(names) * len(kept)))
    states = flow["path"][:, kept, :starts]  # (scene, level, start, axis)
    scene, level, start = np.meshgrid(*(np.arange(size) for size in states.shape[:3]), indexing="ij")
    return pd.DataFrame(
        {
            "scene": np.array(names)[scene.ravel()],
            "start": start.ravel(),
            "sigma": levels[kept][level.ravel()],
            "x": states[..., 0].ravel().astype(float).round(2),
            "y": states[..., 1].ravel().astype(float).round(2),
        }
    )


def _points(flow: StageFile, names: list[str]) -> pd.DataFrame:
    roles = np.array(["training", "validation"])
    return pd.DataFrame(
        {
            "scene": np.array(names)[flow["point_scene"]],
            "role": roles[flow["point_role"]],
            "x": flow["points"][:, 0].round(3),
            "y": flow["points"][:, 1].round(3),
        }
    )


def _in_plane(data: pd.DataFrame, reach: float) -> alt.Chart:
    """A chart of the columns x and y from -`reach` to `reach`, without axes."""
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    return alt.Chart(data).encode(x=alt.X("x:Q", scale=scale, axis=None), y=alt.Y("y:Q", scale=scale, axis=None))


def _marks(points: pd.DataFrame, name: str, reach: float, unseen_color: str) -> list[alt.Chart]:
    """Training points as filled circles, validation points as open squares."""
    of_scene = _in_plane(points, reach).transform_filter(f"datum.scene == '{name}'")
    base = of_scene.encode(tooltip=["role:N", "x:Q", "y:Q"])
    unseen = base.transform_filter("datum.role == 'validation'").mark_point(
        shape="square", size=26, filled=False, stroke=unseen_color, strokeWidth=1.4
    )
    seen = base.transform_filter("datum.role == 'training'").mark_point(
        shape="circle", size=44, filled=True, fill=OKABE_ITO[1], stroke="white", strokeWidth=0.8, opacity=1
    )
    return [unseen, seen]


def _field(arrows: pd.DataFrame, points: pd.DataFrame, name: str, reach: float, title: tuple[str, str]) -> Chart:
    """Arrows of the flow at the chosen level, coloured by speed."""
    legend = alt.Legend(title="speed |dx/dσ|", orient="bottom", labelExpr="format(pow(10, datum.value), '~g')")
    speeds = alt.Scale(scheme=SEQUENCE, domain=[-1, 2], clamp=True)
    flow = (
        _in_plane(arrows, reach)
        .transform_calculate(angle=f"datum.angle_{name}[level]", speed=f"datum.speed_{name}[level]")
        .transform_filter(f"datum.speed > {STILL}")
        .mark_point(shape="arrow", size=200, filled=True, opacity=1, clip=True)
        .encode(angle=alt.Angle("angle:Q", scale=None), color=alt.Color("speed:Q", scale=speeds, legend=legend))
    )
    marks = _marks(points, name, reach, NEUTRAL)
    return alt.layer(flow, *marks, width=PANEL, height=PANEL, title=heading(*title))


def _journey(tiles: pd.DataFrame, paths: pd.DataFrame, points: pd.DataFrame, name: str, reach: float) -> Chart:
    """Trajectories from high noise to the chosen level, over the density there."""
    scale = alt.Scale(scheme=AREAS, domain=[FAINTEST, 0])
    legend = alt.Legend(title="ln density below its maximum", orient="bottom")
    density = (
        _in_plane(tiles, reach)
        .transform_calculate(density=f"datum['{name}'][level]")
        .mark_rect(clip=True, strokeWidth=0.7)
        .encode(
            x2="x2:Q",
            y2="y2:Q",
            fill=alt.Fill("density:Q", scale=scale, legend=legend),
            stroke=alt.Stroke("density:Q", scale=scale, legend=None),
        )
    )
    passed = _in_plane(paths, reach).transform_filter(f"datum.scene == '{name}' && datum.sigma >= now * 0.999")
    base = passed.encode(detail="start:N")
    trail = base.mark_line(color="white", strokeWidth=1, opacity=0.75, clip=True).encode(
        order=alt.Order("sigma:Q", sort="descending")
    )
    head = base.transform_filter("datum.sigma <= now * 1.001").mark_circle(
        color="white", size=26, opacity=1, clip=True, stroke="black", strokeWidth=0.5
    )
    return alt.layer(density, trail, *_marks(points, name, reach, "white"), head, width=PANEL, height=PANEL)


def _table(flow: StageFile, names: list[str]) -> pd.DataFrame:
    """The field as a tidy table: scene, sigma, x, y, dx/dsigma, dy/dsigma."""
    velocity = flow["velocity"]
    scene, level, position = np.meshgrid(*(np.arange(size) for size in velocity.shape[:3]), indexing="ij")
    feet = flow["positions"][position.ravel()]
    return pd.DataFrame(
        {
            "scene": np.array(names)[scene.ravel()],
            "sigma": flow["sigma"][level.ravel()],
            "x": feet[:, 0],
            "y": feet[:, 1],
            "dx_dsigma": velocity[..., 0].ravel(),
            "dy_dsigma": velocity[..., 1].ravel(),
        }
    )
