"""Chart of what attacks tell over the noise level: whether an image was trained on."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from diffbench.measures.attacks import ATTACKS
from diffbench.report.charts.figure import MAXIMUM_ROWS, Chart, Figure
from diffbench.report.charts.gap import CHECKPOINT, RUN, runs_by_gap
from diffbench.report.charts.linked import SAME_AT_ALL, UNTRAINED, at_every_step, lacking, offered_steps
from diffbench.report.charts.theme import OKABE_ITO
from diffbench.report.charts.toolkit import (
    MEAN_TOOLTIPS,
    SIGMA_TOOLTIP,
    VALUE_TOOLTIPS,
    chosen,
    heading,
    line_legend,
    reference_line,
    rounded,
    same_axis,
    select_box,
    sigma_axis,
    undefined_marks,
    value_domain,
)
from diffbench.report.tables.privacy import NAMES
from diffbench.report.tables.results import Results
from diffbench.report.tables.seeds import curves_over_seeds
from diffbench.report.tables.slices import short_name
from diffbench.summary.rows import FACTORS

HEIGHT = 230
LOSS = "denoising loss at each level"
MEASURES = {"auc": ("AUC", 0.5), "tpr_at_1_percent": ("TPR at 1 % FPR", 0.01)}
"""What is told of attacks: title, and its value by chance."""
SERIES = [LOSS, *NAMES.values()]
SHAPES = ["circle", "circle", "square", "diamond", "triangle-up"]
COLORS = [OKABE_ITO[0], *OKABE_ITO[: len(NAMES)]]
FIELDS = ["run", "step", "seed", "series", "measure", "sigma", "value", "low", "high", "n", "seeds", "reason"]


def attacks_over_noise(results: Results, width: int) -> Figure | None:
    """AUC and TPR of attacks over sigma of the run and step that the reader chooses; nothing if none was attacked."""
    steps = offered_steps(results.study)[::-1]
    levels = results.study.measures.gap.levels
    rows_of_run = len(MEASURES) * len(steps) * (levels + len(ATTACKS) * len(results.study.seeds))
    runs = runs_by_gap(results)
    kept = runs[: max(1, (MAXIMUM_ROWS - len(MEASURES)) // rows_of_run)]
    settings = [run | {"step": step} for run in kept for step in (*steps, UNTRAINED)]
    table = pd.concat([_curves(results, settings), _points(results, settings)], ignore_index=True)
    if not table["value"].notna().any():
        return None
    table["run"] = table[RUN].apply(short_name, axis=1)
    data = rounded(at_every_step(table, steps)[FIELDS])
    offered: dict[str, list[Any]] = {
        "run": [short_name(run) for run in kept],
        "step": [step for step in steps if step in set(data["step"])],
    }
    chart = alt.hconcat(
        *(
            _panel(data[data["measure"] == title], title, chance, offered, round(0.92 * width))
            for title, chance in MEASURES.values()
        ),
        params=[
            select_box("run", offered["run"], "Run: "),
            select_box("step", offered["step"], "Training step: "),
        ],
        title="Attacks over the noise level, of one run",
        description="Area under the curve and true positive rate at one percent false positives of membership attacks "
        "against the noise level: a line for the denoising loss at each level, a point for each attack and seed at the "
        "level that the attack chose. The select boxes choose run and training step.",
    )
    left_out = f" The first {len(kept)} of {len(runs)} runs can be chosen." if len(kept) < len(runs) else ""
    caption = (
        "Line: the loss at each level as an attack, mean over seeds, on all images; band: spans the seeds' own 95 % "
        "intervals, which do not know that the best level was looked for. Points: each attack and seed at the one "
        "level that it chose on half of the images, judged on the other half, with its 95 % interval. Attacks other "
        f"than the loss are kept at that level alone. {SAME_AT_ALL} Crosses: undefined, hover for why.{left_out}"
    )
    return Figure("attacks-over-noise", caption, chart, table)


def _curves(results: Results, settings: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Of the loss at each level, mean over seeds."""
    measures = {f"membership_{end}": title for end, (title, _) in MEASURES.items()}
    means = curves_over_seeds(results.estimates.of(measures, settings), [*measures], CHECKPOINT)
    return means.assign(measure=means["measure"].map(measures), series=LOSS)


def _points(results: Results, settings: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Of each attack and seed at its level; none where no level was chosen."""
    tables = []
    for attack in ATTACKS:
        of = {f"attack_{attack}_{end}": title for end, (title, _) in MEASURES.items()}
        rows = results.estimates.of([*of, f"attack_{attack}_sigma"], settings).drop(columns="sigma")
        levels = rows[rows["measure"] == f"attack_{attack}_sigma"].set_index(FACTORS[:-1])["value"]
        told = rows[rows["measure"].isin(of)].join(levels.rename("sigma"), on=FACTORS[:-1])
        tables.append(told.assign(measure=told["measure"].map(of), series=NAMES[attack]))
    return pd.concat(tables).dropna(subset=["sigma"]).drop(columns="guidance")


def _panel(
    data: pd.DataFrame, title: str, chance: float, offered: Mapping[str, Sequence[str | int]], width: int
) -> Chart:
    y = alt.Y(
        "value:Q",
        title=title,
        scale=alt.Scale(domain=value_domain(data, chance - 0.01, chance + 0.1, (0, 1)), nice=False),
    )
    legend = line_legend("attack", 3)
    color = alt.Color("series:N", scale=alt.Scale(domain=SERIES, range=COLORS), legend=legend)
    shape = alt.Shape("series:N", scale=alt.Scale(domain=SERIES, range=SHAPES), legend=legend)
    is_curve = data["series"] == LOSS
    base = alt.Chart(data[is_curve]).encode(x=sigma_axis(), color=color)
    tooltips = [alt.Tooltip("series:N", title="attack"), SIGMA_TOOLTIP]
    defined = base.transform_filter("isValid(datum.value)")
    layers = [
        base.mark_area(opacity=0.16, line=False).encode(y=same_axis(y, "low"), y2="high:Q"),
        base.mark_line(strokeWidth=2).encode(y=y),
        defined.mark_circle(size=22, opacity=0.9).encode(y=y, tooltip=[*tooltips, *MEAN_TOOLTIPS]),
        undefined_marks(base, HEIGHT, tooltips),
    ]
    attacks = alt.Chart(data[~is_curve]).encode(x=sigma_axis(), color=color)
    of_seed = [*tooltips, alt.Tooltip("seed:N"), *VALUE_TOOLTIPS]
    points = [
        undefined_marks(attacks, HEIGHT, [*tooltips, "seed:N"]),
        attacks.mark_rule(strokeWidth=1.5, opacity=0.7).encode(y=same_axis(y, "low"), y2="high:Q"),
        attacks.transform_filter("isValid(datum.value)")
        .mark_point(size=60, filled=True, opacity=1)
        .encode(y=y, shape=shape, tooltip=of_seed),
    ]
    # Each has the choice for itself: a layer's transforms reach only what shares its data.
    choices = [chosen("run"), chosen("step")]
    return alt.layer(
        *reference_line(data.head(1)[["sigma"]], chance, "chance", width),
        alt.layer(*layers, transform=choices),
        alt.layer(*points, transform=choices),
        *lacking(offered, data, width, HEIGHT),
        width=width,
        height=HEIGHT,
        title=heading(title),
    )
