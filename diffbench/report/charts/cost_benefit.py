"""Chart of cost against outcome: the path that each factor takes through both, the others held."""

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from diffbench.report.charts.figure import MAXIMUM_ROWS, Figure
from diffbench.report.charts.theme import DASHES, OKABE_ITO
from diffbench.report.charts.toolkit import chosen, line_legend, number_tooltips, rounded, select_box, value_domain
from diffbench.report.tables.catalog import measure
from diffbench.report.tables.slices import SETTING, TITLES, Slice

OUTCOMES = ("memorized_fraction", "fd", "peak_gap")
COSTS = ("train_flops", "train_seconds", "sample_flops", "sample_seconds", "parameters")
SHOWN = ["cost_name", "outcome", "factor", "factor_value", "place", "cost", "value", "low", "high", "seeds"]


def cost_against_outcome(cuts: Sequence[Slice], means: pd.DataFrame, costs: pd.DataFrame, width: int) -> Figure | None:
    """Paths of factors, of the cost and the outcome that are chosen. means, costs: over seeds, by setting."""
    data = _points(cuts, means, costs)
    if data.empty:
        return None
    names, outcomes = (list(dict.fromkeys(data[column])) for column in ("cost_name", "outcome"))
    factors = [TITLES[cut.factor] for cut in cuts]
    x_ends = {name: _cost_ends(own["cost"]) for name, own in data.groupby("cost_name")}
    y_ends = {
        name: value_domain(own, float(own["value"].min()), float(own["value"].max()))
        for name, own in data.groupby("outcome")
    }
    x = alt.X(
        "cost:Q",
        scale=alt.Scale(type="log", domain=_chosen_ends("cost_ends", "cost_name"), nice=False),
        axis=alt.Axis(title="the cost chosen above, on a log scale", format="~s", tickCount=6),
    )
    scale = alt.Scale(domain=_chosen_ends("outcome_ends", "outcome"), nice=False)
    y = alt.Y("value:Q", scale=scale, axis=alt.Axis(title="the outcome chosen above", format=".4~g"))
    legend = line_legend(None, 5)
    color = alt.Color("factor:N", scale=alt.Scale(domain=factors, range=OKABE_ITO[: len(factors)]), legend=legend)
    dash = alt.StrokeDash("factor:N", scale=alt.Scale(domain=factors, range=DASHES[: len(factors)]), legend=legend)
    base = alt.Chart(rounded(data[SHOWN])).encode(x=x, y=y, color=color)
    tooltips = [
        alt.Tooltip("factor:N"),
        alt.Tooltip("factor_value:N", title="value"),
        alt.Tooltip("cost_name:N", title="cost"),
        alt.Tooltip("cost:Q", format=".3~s"),
        alt.Tooltip("outcome:N"),
        *number_tooltips(["value", "low", "high"], 3),
        alt.Tooltip("seeds:Q", title="seeds with a value"),
    ]
    layers = [
        base.mark_line(strokeWidth=1.8).encode(strokeDash=dash, order="place:Q"),
        base.mark_rule(opacity=0.35).encode(y=alt.Y("low:Q", scale=scale, title=y["axis"]["title"]), y2="high:Q"),
        base.mark_point(size=52, filled=True, opacity=1).encode(tooltip=tooltips),
        # Labels of each factor at a height of their own: at the centre of the study all meet.
        *(
            base.transform_filter(f"datum.factor === '{factor}'")
            .mark_text(align="left", dx=7, dy=-6 - 11 * place, fontSize=10)
            .encode(text="factor_value:N")
            for place, factor in enumerate(factors)
        ),
    ]
    choices = [chosen("cost_name"), chosen("outcome")]
    chart = alt.layer(
        *(alt.layer(layer, transform=choices) for layer in layers),
        params=[
            select_box("cost_name", names, "Cost: "),
            select_box("outcome", outcomes, "Outcome: "),
            alt.VariableParameter(name="cost_ends", value=x_ends),
            alt.VariableParameter(name="outcome_ends", value=y_ends),
        ],
        width=round(1.5 * width),
        height=340,
        title="Cost against outcome: the path of each factor, the others held",
        description="An outcome against a cost, both chosen in select boxes: one path for each factor through its "
        "values, the other factors held, with the span of the seeds' intervals.",
    )
    caption = (
        "One point per setting, mean over seeds; upright bars span the seeds' own 95 % intervals of the outcome. A "
        "path that runs straight up or down changes the outcome at no cost, a level one costs without changing it. "
        "Settings without a finite value of both, or without any cost, are left out. Held: "
        + " ".join(f"{TITLES[cut.factor].capitalize()}: {cut.held}." for cut in cuts)
    )
    return Figure("cost-against-outcome", caption, chart, data.drop(columns=["place"]))


def _chosen_ends(table: str, name: str) -> list[alt.ExprRef]:
    return [alt.ExprRef(f"{table}[{name}][{end}]") for end in (0, 1)]


def _cost_ends(costs: pd.Series) -> list[float]:
    """Where a log axis ends that holds all costs, also where they are all the same."""
    return [float(costs.min()) / 1.3, float(costs.max()) * 1.5]


def _points(cuts: Sequence[Slice], means: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """SHOWN and SETTING, a row for each setting on a slice, cost and outcome where both are finite and it costs."""
    paid = costs.rename(columns={"value": "cost", "measure": "cost_measure"})[[*SETTING, "cost_measure", "cost"]]
    paid = paid[paid["cost_measure"].isin(COSTS) & (paid["cost"] > 0)]
    outcomes = means[means["measure"].isin(OUTCOMES) & np.isfinite(means["value"].astype(float))]
    both = outcomes.merge(paid, on=SETTING)
    parts = []
    for cut in cuts:
        rows = cut.with_values(both)
        parts.append(rows.assign(factor=TITLES[cut.factor], place=rows["factor_value"].map(cut.texts.index)))
    if not parts:
        return both.iloc[:0]
    data = pd.concat(parts, ignore_index=True)
    order: Mapping[str, int] = {name: place for place, name in enumerate((*OUTCOMES, *COSTS))}
    data = data.sort_values(["measure", "cost_measure"], key=lambda names: names.map(order), kind="stable")
    titles = {name: measure(name).title for name in order}
    data = data.assign(outcome=data["measure"].map(titles), cost_name=data["cost_measure"].map(titles))
    return data.head(MAXIMUM_ROWS)
