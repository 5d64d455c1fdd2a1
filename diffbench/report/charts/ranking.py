"""Chart of the leaderboard: settings in the order of a measure that the reader chooses, as dots with intervals."""

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from diffbench.measures.rank_groups import Rank
from diffbench.report.charts.figure import Chart, Figure
from diffbench.report.charts.theme import NEUTRAL, OKABE_ITO
from diffbench.report.charts.toolkit import MEAN_TOOLTIPS, WIDE, chosen, rounded, select_box, value_domain
from diffbench.report.tables.board import Board
from diffbench.report.tables.catalog import LESS
from diffbench.report.tables.format import count
from diffbench.report.tables.ranks import RANKED, Setting
from diffbench.report.tables.selectable import Selectable, selectable
from diffbench.report.tables.slices import SETTING, short_name

DRAWN = 40
"""Settings that the chart shows of each measure."""

ROW = 19
"""Pixels between settings."""

FIRST, LATER, UNRANKED = "not told apart from the first (group 1)", "in a later group", "not grouped"
BENT = 20.0
"""Times its median that a measure reaches, from which on its axis is logarithmic beyond that median."""

COLUMNS = ["measure", "place", "setting", "value", "low", "high", "n", "seeds", "reason"]
OF_FLOOR = ["floor", "floor_low", "floor_high"]


def ranking_figure(board: Board, ranks: Mapping[str, Mapping[Setting, Rank]], width: int) -> Figure | None:
    """The first settings by each of the main measures; nothing where none has a finite value."""
    tables = [_ranked(each, ranks.get(each.measure.name, {})) for each in selectable(board) if each.measure.shown]
    drawn = {str(table["measure"].iloc[0]): table for table in tables if len(table)}
    if not drawn:
        return None
    told = {title: rows["told"].iloc[0] for title, rows in drawn.items()}
    names = {title: rows["setting"].tolist() for title, rows in drawn.items()}
    data = pd.concat(drawn.values(), ignore_index=True)
    shown = rounded(data[[*COLUMNS, *OF_FLOOR, "group", "rank"]])
    several = bool((data["of"] > 1).any())
    chart = alt.layer(
        *_layers(shown, told, width),
        params=[
            select_box("measure", list(drawn), "Measure: "),
            *(alt.VariableParameter(name=name, value=value) for name, value in _axes(drawn).items()),
            alt.VariableParameter(name="names", value=names),
        ],
        width=round(1.3 * width),
        height=ROW * max(map(len, names.values())),
        padding={"left": 5, "top": 5, "bottom": 5, "right": 40},  # for the ranks of a measure that is chosen later
        title=alt.Title("Settings in the order of one measure", offset=24),
        description="One row per setting, in the order of the measure that the select box chooses: its value as a "
        "dot with its interval, its floor as a grey tick, and the interval of its rank.",
    )
    seeds = (
        "Dot: mean over seeds. Bar: spans the seeds' own 95 % intervals."
        if several
        else "One seed: bars are its 95 % intervals over images, and tell nothing of other seeds; no groups."
    )
    groups = (
        " At the right, where a measure is ranked over seeds: the group and the interval of the rank; a group holds "
        "what is not told apart from its best by paired differences (Student's t, at 5 % over all pairs, Holm)."
        if ranks
        else ""
    )
    caption = (
        f"{seeds} Grey ticks: floors, with their intervals. At most {DRAWN} settings are drawn, and a line above them "
        f"says how many are not; the leaderboard has all. Beyond its median a measure that reaches far "
        f"stands on a logarithmic scale.{groups}"
    )
    return Figure("ranking", caption, chart, data[[*COLUMNS, *OF_FLOOR, "rank", *SETTING]])


def _ranked(each: Selectable, ranks: Mapping[Setting, Rank]) -> pd.DataFrame:
    """The first settings by a measure, of those with a finite value: COLUMNS, OF_FLOOR, SETTING, of, and more in words.

    rank, group: what ranks tell of them; told: how many are not drawn.
    """
    measure, rows = each.measure, each.column.settings
    least_first = not RANKED.get(measure.name, measure.better != LESS)
    finite = rows[np.isfinite(rows["value"])].sort_values("value", ascending=least_first, kind="stable")
    drawn = finite.head(DRAWN).copy()
    for name, field in zip(OF_FLOOR, ("value", "low", "high"), strict=True):
        drawn[name] = each.floor.settings.loc[drawn.index, field] if each.floor else np.nan
    own = [ranks.get(key) for key in drawn[SETTING].itertuples(index=False, name=None)]
    drawn["group"] = [UNRANKED if not (rank and rank.group) else FIRST if rank.group == 1 else LATER for rank in own]
    drawn["rank"] = [_rank_text(rank) for rank in own]
    varied = [name for name in SETTING if rows[name].nunique() > 1] or SETTING
    drawn["setting"] = [short_name(row) for _, row in drawn[varied].iterrows()]
    words = f"{'least' if least_first else 'most'} first"
    words += f"; the first {DRAWN} of {count(len(finite))}" if len(finite) > DRAWN else ""
    words += f"; {count(len(rows) - len(finite))} without a finite value" if len(finite) < len(rows) else ""
    return drawn.assign(measure=measure.title, place=np.arange(1, len(drawn) + 1), told=words)


def _rank_text(rank: Rank | None) -> str:
    if rank is None or rank.group is None:
        return ""
    return f"G{rank.group} · {rank.low}" + ("" if rank.low == rank.high else f"–{rank.high}")


def _axes(drawn: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, object]]:
    """By measure: where the axis ends, up to where it is linear, and its ticks, or none to let Vega choose."""
    axes: dict[str, dict[str, object]] = {"ends": {}, "linear": {}, "ticks": {}}
    for title, rows in drawn.items():
        floors = rows[OF_FLOOR].set_axis(["value", "low", "high"], axis=1)
        table = pd.concat([rows[["value", "low", "high"]], floors])
        known = table.to_numpy(float)[np.isfinite(table.to_numpy(float))]
        sizes = np.abs(known[known != 0])
        low, high = value_domain(table, float(rows["value"].min()), float(rows["value"].max()))
        most, median = (sizes.max(), float(np.median(sizes))) if sizes.size else (1.0, 1.0)
        bent = most > max(WIDE, BENT * median)
        if bent:  # a margin of all that it spans would be most of what is seen
            low, high = 1.1 * min(0.0, float(known.min())), 1.1 * max(0.0, float(known.max()))
        axes["ends"][title] = [low, high] if low < high else [low - 0.5, high + 0.5]
        axes["linear"][title] = median if bent else 1e6 * most  # there a symmetric logarithm is straight
        axes["ticks"][title] = _powers(median, low, high) if bent else None
    return axes


def _powers(linear: float, low: float, high: float) -> list[float]:
    """Powers of ten beyond the linear part, and 0."""
    start = int(np.floor(np.log10(linear)))
    powers = [sign * 10.0**power for power in range(start, start + 12) for sign in (-1, 1)]
    return sorted(each for each in [0.0, *powers] if low <= each <= high)


def _layers(shown: pd.DataFrame, told: Mapping[str, str], width: int) -> Sequence[Chart]:
    """Each has the choice for itself: a layer's transforms reach only what shares its data."""
    scale = alt.Scale(
        type="symlog",
        constant=alt.ExprRef("linear[measure]"),
        domain=[alt.ExprRef(f"ends[measure][{end}]") for end in (0, 1)],
        nice=False,
        clamp=True,
    )
    ticks = alt.Axis(title=None, values=alt.ExprRef("ticks[measure]"), format=".4~g", tickCount=6, grid=True)
    x = alt.X("value:Q", scale=scale, axis=ticks)
    labels = alt.Axis(title=None, labelExpr="names[measure][datum.value - 1] || ''", labelLimit=300, grid=False)
    y = alt.Y("place:O", axis=labels, scale=alt.Scale(domain=list(range(1, int(shown["place"].max()) + 1))))
    base = alt.Chart(shown).encode(y=y)
    groups = [FIRST, LATER, UNRANKED]
    ranked = bool((shown["group"] != UNRANKED).any())
    legend = alt.Legend(title=None, orient="bottom", columns=2, labelLimit=260) if ranked else None
    color = alt.Color(
        "group:N", scale=alt.Scale(domain=groups, range=[OKABE_ITO[1], OKABE_ITO[0], OKABE_ITO[2]]), legend=legend
    )
    shape = alt.Shape("group:N", scale=alt.Scale(domain=groups, range=["diamond", "circle", "square"]), legend=legend)
    tooltips = [
        alt.Tooltip("setting:N"),
        *MEAN_TOOLTIPS,
        alt.Tooltip("floor:Q", format=".4~g"),
        alt.Tooltip("rank:N", title="group · rank"),
    ]
    right = alt.value(round(1.3 * width) + 8)
    line = alt.Chart(pd.DataFrame({"measure": list(told), "told": list(told.values())}))
    layers = [
        base.mark_rule(color=NEUTRAL, strokeWidth=7, opacity=0.3).encode(x="floor_low:Q", x2="floor_high:Q"),
        base.mark_tick(color=NEUTRAL, thickness=2.5, size=13).encode(x="floor:Q"),
        base.mark_rule(strokeWidth=1.5).encode(x="low:Q", x2="high:Q", color=color),
        base.mark_point(size=54, filled=True, opacity=1).encode(x=x, color=color, shape=shape, tooltip=tooltips),
        base.mark_text(align="left", color=NEUTRAL, fontSize=10).encode(x=right, text="rank:N"),
        line.mark_text(align="left", baseline="bottom", color=NEUTRAL, fontSize=11).encode(
            x=alt.value(0), y=alt.value(-6), text="told:N"
        ),
    ]
    return [alt.layer(layer, transform=[chosen("measure")]) for layer in layers]
