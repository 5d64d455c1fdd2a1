"""Chart of how many training images so many samples extract, setting by setting, beside held-out images as samples."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from diffbench.report.charts.figure import Chart, Figure
from diffbench.report.charts.theme import DASHES, NEUTRAL, OKABE_ITO
from diffbench.report.charts.toolkit import VALUE_TOOLTIPS, heading, line_legend, rounded
from diffbench.report.tables.risk import CHAO1, Risk
from diffbench.report.tables.seeds import aggregate_seeds
from diffbench.report.tables.slices import SETTING, short_name

LINES = {"samples": "samples", "floor": "held-out images as if generated"}
MORE = "any number, at least (Chao1)"
HEIGHT = 190
SHOWN = ["size", "curve", "value", "low", "high", "n"]


def extraction_figure(risks: Sequence[Risk], means: pd.DataFrame, width: int) -> Figure | None:
    """A panel for each setting; means: scalars over seeds. Nothing where no setting extracts anything."""
    if not risks:
        return None
    tables = [_over_seeds(risk, means) for risk in risks]
    columns = min(3, len(risks))
    panel = round(width * {1: 1.3, 2: 0.92, 3: 0.58}[columns])
    chart = alt.concat(
        *(_panel(risk, table, panel) for risk, table in zip(risks, tables, strict=True)),
        columns=columns,
        title="How many training images so many samples extract",
        description="Distinct training images that are extracted, against the number of samples, one panel for each "
        "setting, beside the same of held-out images as if generated and a lower bound for any number of samples.",
    )
    caption = (
        "Line: mean over seeds of the mean number of distinct training images among all choices of so many samples. "
        "Band: spans the seeds' own 95 % intervals. Dashed grey: the floor. At the right: Chao1, a lower bound of what "
        "any number of samples would extract, at most all training images; its own upper end is that, where no image "
        "came twice. The axes reach as far as each setting's samples and images."
    )
    data = pd.concat([table.assign(**dict(risk.factors)) for risk, table in zip(risks, tables, strict=True)])
    return Figure("extraction", caption, chart, data)


def _over_seeds(risk: Risk, means: pd.DataFrame) -> pd.DataFrame:
    """curve, size, value, low, high, n, seeds: curve, floor, and Chao1 at the number of samples."""
    curves = aggregate_seeds(risk.curves.assign(measure=risk.curves["curve"]), ["curve", "size"])
    keep = means["measure"] == CHAO1
    for name in SETTING:
        keep &= means[name] == risk.factors[name]
    more = means[keep].assign(curve=MORE, size=curves["size"].max())
    return pd.concat([curves.assign(curve=curves["curve"].map(LINES)), more])[[*SHOWN, "seeds"]]


def _panel(risk: Risk, table: pd.DataFrame, width: int) -> Chart:
    data, names = rounded(table), [*LINES.values(), MORE]
    colors = alt.Scale(domain=names, range=[OKABE_ITO[1], NEUTRAL, OKABE_ITO[0]])
    color = alt.Color("curve:N", scale=colors, legend=line_legend(None, 1))
    dash = alt.StrokeDash("curve:N", scale=alt.Scale(domain=names, range=DASHES[:3]), legend=line_legend(None, 1))
    most = int(table["size"].max())
    x = alt.X(
        "size:Q",
        scale=alt.Scale(type="log", base=2, domain=[1, most], nice=False),
        axis=alt.Axis(title="samples", format="~g", tickCount=6),
    )
    y = alt.Y("value:Q", title="distinct training images", scale=alt.Scale(domainMin=0))
    base = alt.Chart(data).encode(x=x, color=color)
    curves, more = (base.transform_filter(f"datum.curve {sign} '{MORE}'") for sign in ("!==", "==="))
    tooltips = [alt.Tooltip("curve:N", title="curve"), alt.Tooltip("size:Q", title="number"), *VALUE_TOOLTIPS]
    layers = [
        curves.mark_area(opacity=0.16).encode(y=alt.Y("low:Q"), y2="high:Q", detail="curve:N"),
        curves.mark_line(strokeWidth=2).encode(y=y, strokeDash=dash),
        curves.mark_circle(size=18).encode(y=y, tooltip=tooltips),
        more.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q"), y2="high:Q"),
        more.mark_point(shape="diamond", size=70, filled=True, opacity=1).encode(y=y, tooltip=tooltips),
    ]
    title = heading(short_name(risk.factors), f"{len(risk.images)} of {risk.factors['train_size']} images by any seed")
    return alt.layer(*layers, width=width, height=HEIGHT, title=title)
