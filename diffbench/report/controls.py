"""The page of the controls: what measures say of samples and models whose truth is known, and must say."""

import math
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from diffbench.report.format import number
from diffbench.report.leaderboard import Shown, show
from diffbench.report.marks import rounded
from diffbench.report.page import Figure, write_page
from diffbench.report.results import Results
from diffbench.report.slices import short_name
from diffbench.report.theme import NEUTRAL, OKABE_ITO
from diffbench.settings.report import ReportSettings
from diffbench.summary.controls import MET, UNDEFINED, UNMET, judge_controls

WHERE = ["train_size", "granularity"]
"""What controls differ in beside the model."""

COLOURS = {MET: OKABE_ITO[0], UNMET: OKABE_ITO[1], UNDEFINED: NEUTRAL}


@dataclass(frozen=True)
class Value:
    """What a measure says of a control, and what it must say."""

    shown: Shown
    floor: str
    expected: str  # empty where nothing is
    why: str
    verdict: str  # met, not met, undefined; empty where nothing is expected


@dataclass(frozen=True)
class Matrix:
    """Measures by controls at one design point."""

    name: str
    controls: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Value | None, ...]], ...]  # measure, noise levels, values; None: not measured


def write_controls(results: Results, settings: ReportSettings) -> None:
    """Write report/controls.html and its table inside the study's results."""
    judged = judge_controls(results.study, results.estimates)
    figure = expected_figure(judged, settings.chart_width)
    names = list(dict.fromkeys(judged["model"]))
    write_page(
        results.folder / "report" / "controls.html",
        "controls.html",
        [figure] if figure else [],
        study=results.study,
        manifest=results.manifest,
        matrices=matrices(judged, list(results.study.models)),
        counts={verdict: int((judged["verdict"] == verdict).sum()) for verdict in COLOURS},
        unmet=[f"{row.measure} of {row.model}: {row.why}" for row in judged[judged["verdict"] == UNMET].itertuples()],
        definitions={name: results.study.definition(name).model_dump(mode="json") for name in names},
    )


def matrices(judged: pd.DataFrame, order: list[str]) -> list[Matrix]:
    """One matrix per training size and granularity; controls in the given order, others last; judged measures first."""
    found = []
    for _, rows in judged.groupby(WHERE, sort=True):
        controls = sorted(dict.fromkeys(rows["model"]), key=lambda name: [*order, name].index(name))
        lines = []
        for (measure, sigmas), of_measure in rows.groupby(["measure", "sigmas"], sort=False):
            values = {row["model"]: _value(row) for _, row in of_measure.iterrows()}
            lines.append((measure, sigmas, tuple(values.get(name) for name in controls)))
        lines.sort(key=lambda line: not any(value and value.verdict for value in line[2]))
        found.append(Matrix(short_name(rows.iloc[0][WHERE]), tuple(controls), tuple(lines)))
    return found


def _value(row: pd.Series) -> Value:
    floor = "" if math.isnan(row["floor"]) else number(row["floor"])
    return Value(show(row), floor, expected_text(row["expected_low"], row["expected_high"]), row["why"], row["verdict"])


def expected_text(low: float, high: float) -> str:
    """A range in words: one value, one bound or two."""
    if math.isnan(low):
        return ""
    if low == high:
        return number(low)
    least, most = (f"{end:.3g}".replace("-", "−") for end in (low, high))
    if math.isinf(low):
        return f"≤ {most}"
    return f"≥ {least}" if math.isinf(high) else f"{least} to {most}"


def expected_figure(judged: pd.DataFrame, width: int) -> Figure | None:
    """Proportions against their ranges: a panel per measure; nothing if none is expected."""
    finite = judged[["value", "expected_low", "expected_high"]].map(math.isfinite).all(axis=1)
    bounded = (judged["expected_low"] >= 0) & (judged["expected_high"] <= 1) & (judged["sigmas"] == "")
    drawn = judged[finite & bounded]
    drawn = drawn[drawn.groupby("measure")["model"].transform("size") > 1]
    if drawn.empty:
        return None
    fields = [
        "model",
        *WHERE,
        "measure",
        "value",
        "low",
        "high",
        "n",
        "expected_low",
        "expected_high",
        "why",
        "verdict",
    ]
    measures = list(dict.fromkeys(drawn["measure"]))
    data = rounded(drawn[fields])
    chart = alt.concat(
        *(_panel(data[data["measure"] == measure], measure, round(0.46 * width)) for measure in measures),
        columns=3,
        title="Proportions of the controls against the ranges in which they must lie",
        description="One panel per measure, one line per control: the value with its 95 % interval as a point, "
        "the range that is expected as a thick bar behind it.",
    )
    caption = (
        "Point: value, circle where it lies in its range, cross where not; thin bar: its 95 % interval. Thick green "
        "bar: the range that is expected. The table holds all measures, also those not drawn."
    )
    return Figure("controls", caption, chart, judged)


def _panel(data: pd.DataFrame, measure: str, width: int) -> Any:
    base = alt.Chart(data).encode(y=alt.Y("model:N", title=None, sort=None))
    x = alt.X("value:Q", title=None, scale=alt.Scale(domain=[0, 1]))
    tooltips = [
        *(alt.Tooltip(f"{name}:N") for name in ("model", *WHERE)),
        *(
            alt.Tooltip(f"{name}:Q", format=".4~g")
            for name in ("value", "low", "high", "expected_low", "expected_high")
        ),
        *(alt.Tooltip(f"{name}:N") for name in ("why", "verdict")),
    ]
    verdict = alt.Scale(domain=list(COLOURS), range=list(COLOURS.values()))
    shape = alt.Scale(domain=list(COLOURS), range=["circle", "cross", "diamond"])
    layers = [
        base.mark_rule(color=OKABE_ITO[2], strokeWidth=11, strokeCap="round", opacity=0.4).encode(
            x=alt.X("expected_low:Q"), x2="expected_high:Q"
        ),
        base.mark_rule(strokeWidth=1.5).encode(
            x=alt.X("low:Q"), x2="high:Q", color=alt.Color("verdict:N", scale=verdict, legend=None)
        ),
        base.mark_point(size=42, filled=True, opacity=1).encode(
            x=x,
            color=alt.Color("verdict:N", scale=verdict, legend=None),
            shape=alt.Shape("verdict:N", scale=shape, legend=None),
            tooltip=tooltips,
        ),
    ]
    title = alt.Title(measure.replace("_", " "), fontSize=12, offset=6)
    return alt.layer(*layers, width=width, height=18 * data["model"].nunique() + 10, title=title)
