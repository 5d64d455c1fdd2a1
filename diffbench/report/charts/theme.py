"""How all pages and charts look: colours, dashes and fonts."""

from typing import Any

import altair as alt

OKABE_ITO = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
"""Okabe and Ito's colour-blind safe palette without black and yellow, which vanish on dark and on white pages."""

DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 2], [1, 3]]
"""Dashes in the order of the colours: lines can be told apart without colour."""

NEUTRAL = "#8a8f98"
"""Grey that is legible on white and on dark pages: floors, baselines, undefined values."""

SEQUENCE = alt.SchemeParams(name="viridis", extent=[0.12, 0.85])
"""Of lines and points: viridis without its darkest and lightest ends, for the same reason. cividis has greys there."""

AREAS = "cividis"
"""Of filled areas."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
SIGMA_TICKS = [0.001, 0.01, 0.1, 1, 10, 100]


@alt.theme.register("diffbench", enable=True)
def theme() -> alt.theme.ThemeConfig:
    """The look of charts on a light page; charts.js replaces the inks on a dark one."""
    config: dict[str, Any] = {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None, "continuousHeight": 220},
        "title": {"anchor": "start", "fontSize": 14, "fontWeight": 600, "offset": 12, "color": "#1c2128"},
        "axis": {
            "labelFontSize": 11,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "labelColor": "#444c56",
            "titleColor": "#444c56",
            "gridColor": "#8a8f98",
            "gridOpacity": 0.22,
            "domainColor": "#8a8f98",
            "tickColor": "#8a8f98",
            "labelLimit": 120,
        },
        "axisY": {"minExtent": 34, "grid": True},
        "legend": {
            "labelFontSize": 11,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "labelColor": "#444c56",
            "titleColor": "#444c56",
            "symbolStrokeWidth": 2,
            "symbolOpacity": 1,
            "labelLimit": 220,
            "symbolLimit": 200,  # Vega warns of more than its 30, and leaves them out
        },
        "header": {"labelFontSize": 12, "labelColor": "#444c56", "titleColor": "#444c56"},
        "range": {"category": OKABE_ITO},
    }
    return {"config": config}  # pyright: ignore[reportReturnType] (a config's keys are checked by Vega-Lite)
