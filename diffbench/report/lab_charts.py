"""What the laboratory's charts share: lines in an ordered colour, axes, panels."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from diffbench.report.theme import DASHES, NEUTRAL, SEQUENCE

RAW_SIGMA = "noise level σ (circle of radius 10)"


def log_axis(field: str, title: str, domain: Sequence[float] | None = None, channel: Any = alt.X) -> Any:
    """A logarithmic axis with plain numbers."""
    scale = alt.Scale(type="log", nice=False, domain=list(domain)) if domain else alt.Scale(type="log", nice=False)
    return channel(f"{field}:Q", scale=scale, axis=alt.Axis(title=title, format="~g", tickCount=6))


def ordered_color(field: str, title: str, values: Sequence[Any], columns: int = 6) -> alt.Color:
    """Colours of a number's values in their order."""
    scale = alt.Scale(scheme=SEQUENCE, domain=list(values))
    legend = alt.Legend(title=title, orient="bottom", columns=columns, symbolType="stroke", symbolSize=250)
    return alt.Color(f"{field}:O", scale=scale, legend=legend)


def ordered_dash(field: str, title: str, values: Sequence[Any], columns: int = 6) -> alt.StrokeDash:
    """Dashes in the same order, in one legend with the colours, so that lines can be told apart without colour."""
    dashes = [DASHES[index % len(DASHES)] for index in range(len(values))]
    legend = alt.Legend(title=title, orient="bottom", columns=columns, symbolType="stroke", symbolSize=250)
    return alt.StrokeDash(f"{field}:O", scale=alt.Scale(domain=list(values), range=dashes), legend=legend)


def heading(text: str, subtitle: str = "") -> alt.Title:
    """The title of a panel."""
    return alt.Title(text, subtitle=subtitle, fontSize=12, subtitleFontSize=10, subtitleColor=NEUTRAL, offset=6)


def upright(at: float, text: str, field: str = "x") -> Any:
    """A grey upright line at one place of the axis, named at its top."""
    data = pd.DataFrame({field: [at], "text": [text]})
    base = alt.Chart(data).encode(x=f"{field}:Q")
    rule = base.mark_rule(color=NEUTRAL, strokeDash=[4, 4])
    label = base.mark_text(align="left", baseline="top", dx=4, color=NEUTRAL, fontSize=10)
    return alt.layer(rule, label.encode(y=alt.value(2), text="text:N"))
