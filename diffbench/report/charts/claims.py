"""Charts of claims: the intervals of tests against their thresholds."""

import math
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from diffbench.report.charts.figure import Chart, Figure
from diffbench.report.charts.theme import NEUTRAL, OKABE_ITO
from diffbench.report.charts.toolkit import rounded
from diffbench.summary.verdicts import INCONCLUSIVE, REFUTED, SUPPORTED

VERDICTS = {SUPPORTED: (OKABE_ITO[2], "circle"), REFUTED: (OKABE_ITO[1], "square"), INCONCLUSIVE: (NEUTRAL, "diamond")}
"""Colour and shape of a verdict."""

ROW = 26
"""Height of a test."""

LONGEST = 40
"""Tests of a statistic, one below the other, that a reader looks through."""

WIDE = 30.0
"""Values this many times the linear part of a symmetric log scale apart take one; it is LINEAR on both sides of 0."""

LINEAR = 0.2
CONTROL = "control: "
LABELS = 200
"""Width of the longest place."""


def claim_figure(claim: dict[str, Any], width: int, kind: str = "claim") -> Figure | None:
    """A panel per statistic with a row per place where it has a value; nothing if none has.

    kind: what is judged, as its records name its number.
    """
    table = pd.DataFrame(claim["tests"])
    for name in ("value", "low", "high"):
        table[name] = table[name].astype(float)
    drawn = table[table["value"].notna()]
    if drawn.empty:
        return None
    drawn = drawn.assign(
        place=[CONTROL * bool(control) + place for place, control in zip(drawn["place"], drawn["control"], strict=True)]
    )
    shown = drawn.groupby("statement", sort=False).head(LONGEST)
    room = min(LABELS, 6 * max(map(len, drawn["place"])) + 4)
    panels = [_panel(tests, round(1.3 * width), room) for _, tests in shown.groupby("statement", sort=False)]
    chart = alt.vconcat(
        *panels,
        spacing=18,
        title=f"{kind.capitalize()} {claim[kind]}: tests against their thresholds",
        description=f"{claim['statement']} One panel per statistic, one row per test: mean over seeds with its 95 % "
        "interval, and the threshold as an upright line.",
    )
    caption = (
        "Point: mean over training seeds; circle: supported, square: refuted, diamond: inconclusive. Bar: 95 % "
        f"interval. Upright line: threshold; shaded: where the {kind} wants the whole interval. Positive controls must "
        "be refuted. Each panel has an axis of its own, logarithmic beyond ±0.2 where values differ widely."
    )
    if undrawn := int(table["value"].isna().sum()):
        caption += f" Undefined or unbounded, hence not drawn: {undrawn} of {len(table)} tests; the table says why."
    if len(shown) < len(drawn):
        caption += f" The first {LONGEST} tests of each statistic are drawn, {len(shown)} of {len(drawn)} in all."
    return Figure(f"{kind}-{claim[kind]}", caption, chart, table)


def _panel(tests: pd.DataFrame, width: int, room: int) -> Chart:
    """Rows of tests of one statistic; room: pixels for their places, the same in all panels."""
    numbers = tests[["value", "low", "high", "threshold"]].to_numpy(float)
    ends = [0.0, *numbers[np.isfinite(numbers)]]
    scale, axis, domain = _scale(min(ends), max(ends))
    above, threshold = tests["supported_if"] == "above", tests["threshold"]
    data = rounded(tests[["place", "value", "low", "high", "seeds", "threshold", "verdict", "note"]])
    data = data.assign(wanted_from=threshold.where(above, domain[0]), wanted_to=threshold.where(~above, domain[1]))
    label = alt.Axis(title=None, grid=False, ticks=False, domain=False, labelLimit=room, minExtent=room)
    y = alt.Y(
        "place:N", sort=None, axis=label if room > 4 else None, scale=alt.Scale(paddingInner=0.1, paddingOuter=0.1)
    )
    base = alt.Chart(data).encode(y=y)
    verdicts = list(VERDICTS)
    color = alt.Color(
        "verdict:N", legend=None, scale=alt.Scale(domain=verdicts, range=[VERDICTS[each][0] for each in verdicts])
    )
    shape = alt.Shape(
        "verdict:N", legend=None, scale=alt.Scale(domain=verdicts, range=[VERDICTS[each][1] for each in verdicts])
    )
    tooltips = [
        alt.Tooltip("place:N"),
        alt.Tooltip("value:Q", format=".4~g"),
        alt.Tooltip("low:Q", title="interval from", format=".4~g"),
        alt.Tooltip("high:Q", title="to", format=".4~g"),
        alt.Tooltip("threshold:Q", format=".4~g"),
        alt.Tooltip("seeds:Q"),
        alt.Tooltip("verdict:N"),
        alt.Tooltip("note:N"),
    ]
    layers = [
        base.mark_rect(color=OKABE_ITO[2], opacity=0.13).encode(
            x=alt.X("wanted_from:Q", scale=scale, axis=axis), x2="wanted_to:Q"
        ),
        base.mark_tick(color=NEUTRAL, thickness=2, height=ROW - 4).encode(x=alt.X("threshold:Q", scale=scale)),
        base.mark_rule(strokeWidth=4, opacity=0.75).encode(x=alt.X("low:Q", scale=scale), x2="high:Q", color=color),
        base.mark_point(size=90, filled=True, opacity=1).encode(
            x=alt.X("value:Q", scale=scale), color=color, shape=shape, tooltip=tooltips
        ),
    ]
    title = alt.Title(_wrapped(str(tests["statement"].iloc[0])), fontSize=12, fontWeight="normal", offset=4)
    return alt.layer(*layers, width=width, height=ROW * len(data), title=title)


def _wrapped(statement: str) -> list[str]:
    """Words of a title in lines that fit above a panel."""
    lines = [""]
    for word in statement.split():
        if len(lines[-1]) + len(word) > 88:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines


def _scale(low: float, high: float) -> tuple[alt.Scale, alt.Axis, list[float]]:
    """A linear scale or, for values of very different size, one that is logarithmic beyond LINEAR."""
    if high - low <= WIDE * LINEAR:
        margin = 0.08 * (high - low or 1.0)
        domain = [low - margin, high + margin]
        return alt.Scale(domain=domain, nice=False), alt.Axis(title=None, tickCount=8), domain
    domain = [low * 1.3 - LINEAR / 2, high * 1.3 + LINEAR / 2]
    powers = [sign * 10.0**power for sign in (-1, 1) for power in range(math.floor(math.log10(LINEAR)), 7)]
    ticks = sorted(each for each in [0.0, *powers] if domain[0] <= each <= domain[1])
    scale = alt.Scale(type="symlog", constant=LINEAR, domain=domain, nice=False)
    return scale, alt.Axis(title=None, values=ticks, format="~g"), domain
