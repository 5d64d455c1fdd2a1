"""Charts of claims: the interval of each test against its threshold."""

import math
from typing import Any

import altair as alt
import pandas as pd

from diffbench.report.charts.figure import Chart, Figure
from diffbench.report.charts.theme import NEUTRAL, OKABE_ITO
from diffbench.report.charts.toolkit import rounded
from diffbench.summary.verdicts import INCONCLUSIVE, REFUTED, SUPPORTED

VERDICTS = {SUPPORTED: (OKABE_ITO[2], "circle"), REFUTED: (OKABE_ITO[1], "square"), INCONCLUSIVE: (NEUTRAL, "diamond")}
"""Colour and shape of a verdict."""

HEIGHT = 46


def claim_figure(claim: dict[str, Any], width: int) -> Figure | None:
    """A panel per test that has a value; nothing if none has."""
    table = pd.DataFrame(claim["tests"])
    for name in ("value", "low", "high"):
        table[name] = table[name].astype(float)
    drawn = table[table["value"].notna()]
    if drawn.empty:
        return None
    panels = [_panel(drawn.iloc[[row]], round(1.5 * width)) for row in range(len(drawn))]
    chart = alt.vconcat(
        *panels,
        spacing=18,
        title=f"Claim {claim['claim']}: tests against their thresholds",
        description=f"{claim['statement']} One panel per test: mean over seeds with its 95 % interval, "
        "and the threshold as an upright line.",
    )
    undrawn = [f"{row.statement} ({row.reason})" for row in table[table["value"].isna()].itertuples()]
    caption = (
        "Point: mean over training seeds. Bar: 95 % interval of Student's t over seeds, where there are two or more. "
        "Upright line: threshold; shaded: where the claim wants the whole interval. Each panel has an axis of its own."
    )
    if undrawn:
        caption += f" Undefined, hence not drawn: {'; '.join(undrawn)}."
    return Figure(f"claim-{claim['claim']}", caption, chart, table)


def _panel(test: pd.DataFrame, width: int) -> Chart:
    row = test.iloc[0]
    ends = [end for end in (0.0, *row[["value", "low", "high", "threshold"]].astype(float)) if math.isfinite(end)]
    margin = 0.08 * (max(ends) - min(ends) or 1.0)
    domain = [min(ends) - margin, max(ends) + margin]
    wanted = [row["threshold"], domain[1]] if row["supported_if"] == "above" else [domain[0], row["threshold"]]
    data = rounded(test[["statement", "value", "low", "high", "seeds", "threshold", "verdict", "reason"]])
    base = alt.Chart(data.assign(wanted_from=wanted[0], wanted_to=wanted[1]))
    scale = alt.Scale(domain=domain, nice=False)
    colour, shape = VERDICTS[row["verdict"]]
    middle = alt.value(HEIGHT / 2)
    tooltips = [
        alt.Tooltip("value:Q", format=".4~g"),
        alt.Tooltip("low:Q", title="interval from", format=".4~g"),
        alt.Tooltip("high:Q", title="to", format=".4~g"),
        alt.Tooltip("threshold:Q", format=".4~g"),
        alt.Tooltip("seeds:Q"),
        alt.Tooltip("verdict:N"),
        alt.Tooltip("reason:N"),
    ]
    layers = [
        base.mark_rect(color=OKABE_ITO[2], opacity=0.13).encode(
            x=alt.X("wanted_from:Q", scale=scale), x2="wanted_to:Q"
        ),
        base.mark_rule(color=NEUTRAL, strokeWidth=2, strokeDash=[5, 3]).encode(x="threshold:Q"),
        base.mark_rule(color=colour, strokeWidth=4, opacity=0.75).encode(x="low:Q", x2="high:Q", y=middle),
        base.mark_point(color=colour, shape=shape, size=110, filled=True, opacity=1).encode(
            x=alt.X("value:Q", title=None, scale=scale, axis=alt.Axis(tickCount=8)), y=middle, tooltip=tooltips
        ),
    ]
    title = alt.Title(f"{row['statement']}: {row['verdict']}", fontSize=12, fontWeight="normal", offset=4)
    return alt.layer(*layers, width=width, height=HEIGHT, title=title)
