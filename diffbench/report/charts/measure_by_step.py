"""Any measure over milestones of training, at the centre of the study."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from diffbench.report.charts.figure import MAXIMUM_ROWS, Figure
from diffbench.report.charts.theme import NEUTRAL
from diffbench.report.charts.toolkit import banded, chosen, log_x, number_lines, rounded, select_box
from diffbench.report.tables.selectable import Selectable
from diffbench.report.tables.slices import TITLES, short_name
from diffbench.study.study import Study

COURSE = ["model", "granularity", "guidance"]
FIELDS = ["measure", "train_size", "step", "value", "low", "high", "n", "seeds", "reason"]
HEIGHT = 230


def measure_by_step(study: Study, measures: Sequence[Selectable], width: int) -> Figure | None:
    """The measure that the reader chooses, a line per training size; nothing where the centre has one milestone."""
    center = {"model": study.center.model, "granularity": study.center.granularity}
    center["guidance"] = study.center.guidance.text
    tables = [_at(each.column.settings, center, each.measure.title) for each in measures]
    known = [place for place, table in enumerate(tables) if table["value"].notna().any()]
    if not known or tables[known[0]]["step"].nunique() < 2:
        return None
    offered = known[: max(1, MAXIMUM_ROWS // (2 * len(tables[known[0]])))]
    data = pd.concat([tables[place] for place in offered], ignore_index=True)
    floors = [(each.floor, each.measure.title) for each in (measures[place] for place in offered)]
    beneath = [_at(floor.settings, center, title) for floor, title in floors if floor]
    steps = sorted(data["step"].unique().tolist())
    x = log_x("step", TITLES["step"], [max(steps[0], 1) / 1.1, steps[-1] * 1.1])
    x["axis"]["values"] = steps
    y = alt.Y("value:Q", title="", scale=alt.Scale(zero=False))
    color, dash = number_lines("train_size", TITLES["train_size"], sorted(data["train_size"].unique().tolist()))
    tooltips = [alt.Tooltip("train_size:Q", title="n"), alt.Tooltip("step:Q", title="step")]
    layers = banded(alt.Chart(rounded(data)).encode(x=x, color=color), y, dash, HEIGHT, tooltips)
    if beneath:
        grey = alt.Chart(rounded(pd.concat(beneath, ignore_index=True))).encode(x=x, y=y, detail="train_size:N")
        layers.insert(0, grey.mark_line(color=NEUTRAL, strokeWidth=1.4, strokeDash=[4, 3]))
    chart = alt.layer(
        # Each has the choice for itself: a layer's transforms reach only what shares its data.
        *(alt.layer(layer, transform=[chosen("measure")]) for layer in layers),
        params=[select_box("measure", list(dict.fromkeys(data["measure"])), "Measure: ")],
        width=round(1.2 * width),
        height=HEIGHT,
        title="Any measure over milestones, at the centre of the study",
        description="The measure that the select box chooses against the training step, a line for each training-set "
        "size, of the model, conditions and guidance of the study's centre.",
    )
    caption = (
        f"Of {short_name(center)}. Line: mean over seeds. Band: spans the seeds' own 95 % intervals. Grey: floor, the "
        "same of held-out images as if generated, where the measure has one. Crosses: undefined, hover for why."
    )
    left_out = f" The first {len(offered)} of {len(known)} measures." if len(offered) < len(known) else ""
    return Figure("measure-by-step", caption + left_out, chart, data)


def _at(settings: pd.DataFrame, center: dict[str, str], measure: str) -> pd.DataFrame:
    own = settings[(settings[COURSE] == pd.Series(center)[COURSE]).all(axis=1)]
    return own.assign(measure=measure)[FIELDS]
