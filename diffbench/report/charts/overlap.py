"""Charts of where sampling trajectories run, against noised training and validation images."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from diffbench.data.pictured import spread_over_ranks
from diffbench.report.charts.by_factor import CurvesByFactor
from diffbench.report.charts.figure import MAXIMUM_ROWS, Chart, Figure
from diffbench.report.charts.linked import SAME_AT_ALL, UNTRAINED, at_every_step, lacking, offered_steps
from diffbench.report.charts.theme import DASHES, NEUTRAL, OKABE_ITO
from diffbench.report.charts.toolkit import (
    OWN_LEGENDS,
    SEEDS,
    SIGMA_TOOLTIP,
    chosen,
    curves,
    line_legend,
    rounded,
    select_box,
    value_domain,
)
from diffbench.report.tables.outcomes import ranked
from diffbench.report.tables.results import Results
from diffbench.report.tables.seeds import curves_over_seeds
from diffbench.report.tables.slices import SETTING, short_name, slices

POPULATIONS = {
    "sampling trajectories": OKABE_ITO[1],
    "noised training images": OKABE_ITO[0],
    "noised validation images": OKABE_ITO[2],
}

RADIUS = {
    "shell_radius_states": "sampling trajectories",
    "shell_radius_train": "noised training images",
    "shell_radius_validation": "noised validation images",
}
WEIGHT = {
    "largest_weight_states": "sampling trajectories",
    "largest_weight_train": "noised training images",
    "largest_weight_validation": "noised validation images",
}
PREDICTIONS = {
    "x_t_to_train": "trajectory → nearest training",
    "x_t_to_validation": "trajectory → nearest validation",
    "x_r_train_to_train": "noised training → nearest training",
    "x_r_validation_to_validation": "noised validation → nearest validation",
}
COURSE = [factor for factor in SETTING if factor != "step"]
RADIUS_TICKS = [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
PREDICTION_COLORS = dict(
    zip(PREDICTIONS.values(), [OKABE_ITO[1], OKABE_ITO[4], OKABE_ITO[0], OKABE_ITO[2]], strict=True)
)


HEIGHT = 210

LIKENESS_BY_FACTOR = CurvesByFactor(
    name="likeness-by-factor",
    heading="Where samples are made: train-likeness of sampling trajectories over the noise level",
    description="Train-likeness of the sampler's states against the noise level, one panel per factor: 1 means "
    "that the states lie among noised training images, 0 like noised validation images, below 0 further out.",
    caption=f"{SEEDS} It is (AUC(val, train) − AUC(states, train)) / (AUC(val, train) − 0.5) of the shell radius, "
    "undefined where noised training and validation images cannot be told apart. Where both AUCs reach 1 it is 0 "
    "however far out the states lie: see their shell radius below. The axis ends at −2 and 2, values beyond lie on "
    "its edge.",
    y_title="train-likeness",
    holds=(-0.2, 1.2),
    limits=(-2.0, 2.0),
    references=((1, "like training"), (0, "like unseen")),
)


def likeness_by_factor(results: Results, width: int) -> Figure | None:
    """Train-likeness over sigma, one panel per factor."""
    return LIKENESS_BY_FACTOR.of(results, slices(results.study), "train_likeness", SETTING, width)


def trajectories(results: Results, means: pd.DataFrame, width: int) -> Figure | None:
    """Shell radius, posterior weight and one-shot predictions over sigma of the setting that the reader chooses."""
    measures = {**RADIUS, **WEIGHT, **PREDICTIONS}
    there = results.estimates.groups(measures, [*SETTING, "measure", "sigma"]).dropna(subset=["sigma"])
    if there.empty:
        return None
    known = set(there[COURSE].itertuples(index=False, name=None))
    ranks = dict.fromkeys(ranked(means)[COURSE].itertuples(index=False, name=None))
    settings = [dict(zip(COURSE, course, strict=True)) for course in ranks if course in known]
    steps = [step for step in offered_steps(results.study)[::-1] if step in set(there["step"])] or [max(there["step"])]
    rows_of_setting = len(there) // len(there[SETTING].drop_duplicates()) + 1
    limit = max(1, MAXIMUM_ROWS // (rows_of_setting * len(steps)))
    chosen_settings = [settings[rank] for rank in spread_over_ranks(len(settings), limit)]
    shown = [short_name(each) for each in chosen_settings]
    own_steps = dict.fromkeys([*steps, UNTRAINED])
    rows = results.estimates.of(measures, [each | {"step": step} for each in chosen_settings for step in own_steps])
    table = curves_over_seeds(rows, list(measures), SETTING)
    table = table.assign(setting=table[COURSE].apply(short_name, axis=1), series=table["measure"].map(measures))
    fields = ["setting", "step", "measure", "sigma", "series", "value", "low", "high", "n", "seeds", "reason"]
    data, panel = rounded(at_every_step(table, steps)[fields]), round(0.58 * width)
    offered: dict[str, list[Any]] = {"setting": shown, "step": steps}
    chart = alt.hconcat(
        _panel(data, RADIUS, "shell radius (log)", POPULATIONS, offered, panel, log=True),
        _panel(data, WEIGHT, "largest posterior weight", POPULATIONS, offered, panel),
        _panel(data, PREDICTIONS, "RMS distance of D(x) per pixel", PREDICTION_COLORS, offered, panel),
        spacing=26,
        params=[select_box("setting", shown, "Setting: "), select_box("step", steps, "Training step: ")],
        resolve=OWN_LEGENDS,
        title="How trajectories differ from noised data, in one setting",
        description="Three panels against the noise level for one setting: distance to the nearest training image in "
        "units of the noise, largest weight of the optimal denoiser's posterior, and distance of one-shot predictions "
        "to the nearest images. The select boxes choose setting and training step.",
    )
    some = (
        f" {len(shown)} of {len(settings)} settings can be chosen, evenly spaced over the ranks."
        if len(shown) < len(settings)
        else ""
    )
    caption = (
        f"{SEEDS} Left: min‖x − xᵢ‖ / (σ√d), about 1 for noised training images. Middle: how sure the optimal "
        f"denoiser is of one training image. Right: one-shot predictions D(x) at matched σ, equal numbers "
        f"of references searched. {SAME_AT_ALL}{some}"
    )
    return Figure("trajectories", caption, chart, table.drop(columns=["series"]))


def _panel(
    data: pd.DataFrame,
    measures: Mapping[str, str],
    title: str,
    colors: Mapping[str, str],
    offered: Mapping[str, Sequence[str | int]],
    width: int,
    log: bool = False,
) -> Chart:
    names = list(measures.values())
    legend = line_legend(None, columns=1)
    color = alt.Color("series:N", scale=alt.Scale(domain=names, range=_of(names, colors)), legend=legend)
    dash = alt.StrokeDash("series:N", scale=alt.Scale(domain=names, range=DASHES[: len(names)]), legend=legend)
    rows = data[data["measure"].isin(measures)]
    if log:
        scale = alt.Scale(type="log", nice=False, domain=_log_domain(rows))
        axis = alt.Axis(title=title, format="~g", values=RADIUS_TICKS)
    else:
        scale = alt.Scale(domain=value_domain(rows, 0.0, 0.1), nice=False)
        axis = alt.Axis(title=title, format="~g", tickCount=5)
    y = alt.Y("value:Q", scale=scale, axis=axis)
    tooltips = [alt.Tooltip("series:N", title="population"), SIGMA_TOOLTIP]
    layers = curves(rows, y, color, dash, HEIGHT, tooltips)
    own = alt.layer(*layers, transform=[chosen("setting"), chosen("step")])
    return alt.layer(own, *lacking(offered, rows, width, HEIGHT), width=width, height=HEIGHT)


def _log_domain(rows: pd.DataFrame) -> list[float]:
    ends = rows[["value", "low", "high"]].to_numpy(float)
    ends = ends[np.isfinite(ends) & (ends > 0)]
    return [float(ends.min()) / 1.1, float(ends.max()) * 1.1] if len(ends) else [0.5, 2.0]


def _of(names: Sequence[str], colors: Mapping[str, str]) -> list[str]:
    return [colors.get(name, NEUTRAL) for name in names]
