"""What charts of a page share: the noise levels that the reader brushes, and the training step that he chooses.

choices.js sets parameters of one name in all charts of a page; linked.js has the controls.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product

import altair as alt
import pandas as pd

from diffbench.data.pictured import spread_over_ranks
from diffbench.report.charts.figure import MAXIMUM_ROWS, Chart, Figure
from diffbench.report.charts.theme import NEUTRAL
from diffbench.report.charts.toolkit import SIGMAS
from diffbench.report.tables.slices import slices
from diffbench.study.study import Study

RANGE = "sigma"
"""Parameter: the lowest and the highest level of interest."""

STEP = "step"
"""Parameter: the training step, null until one is chosen."""

MOST_STEPS = 5
"""Steps that can be chosen: the first, the last and some between."""

UNTRAINED = 0
"""Step of models that are not trained."""

SAME_AT_ALL = "Models that are not trained are the same at all steps."

CHOSEN_STEP = alt.VariableParameter(name=STEP, value=None)
FADED = 0.15


def offered_steps(study: Study) -> list[int]:
    """Steps that can be chosen, as many as charts of one factor at a time have room for."""
    cuts, steps = slices(study), sorted(study.steps)
    levels = max(study.measures.gap.levels, study.sampling.steps)
    at_one_step = levels * sum(len(cut.values) for cut in cuts if cut.factor != STEP)
    room = MAXIMUM_ROWS - 100 - levels * len(steps)
    most = max(1, min(MOST_STEPS, room // max(at_one_step, 1)))
    return [steps[rank] for rank in spread_over_ranks(len(steps), most)] if most > 1 else steps[-1:]


def at_step(own: int) -> alt.FilterTransform:
    """The rows of the chosen step; of a chart's own step until one is chosen."""
    return alt.FilterTransform(filter=f"datum.{STEP} == {_shown(own)}")


def at_every_step(rows: pd.DataFrame, steps: Sequence[int]) -> pd.DataFrame:
    """The rows, those of models that are not trained at each of the steps that can be chosen."""
    untrained = rows[STEP] == UNTRAINED
    repeated = (rows[untrained].assign(**{STEP: step}) for step in steps)
    return pd.concat([rows[~untrained], *repeated], ignore_index=True)


def titled(text: str, own: int) -> alt.ExprRef:
    """A title that tells the step."""
    return alt.ExprRef(f"{json.dumps(f'{text}, step ')} + {_shown(own)}")


def _shown(own: int) -> str:
    return f"({STEP} === null ? {own} : {STEP})"


def emphasis(steps: Iterable[int]) -> alt.OpacityValue:
    """Opacity of lines that are of these steps: others than the chosen one fade, if that is among them."""
    test = f"indexof({sorted(set(steps))}, {STEP}) < 0 || datum.{STEP} == {STEP}"
    return alt.OpacityValue(FADED, condition=alt.condition(test, alt.value(1), alt.value(FADED))["condition"])


def lacking(choices: Mapping[str, Sequence[str | int]], data: pd.DataFrame, width: int, height: int) -> list[alt.Chart]:
    """A layer that says in a panel that nothing was measured of what the reader chose; none where nothing lacks.

    choices: what can be chosen of each column of `data`, the training step last.
    """
    there = set(data[list(choices)].itertuples(index=False, name=None))
    left = [each for each in product(*choices.values()) if each not in there]
    if not left:
        return []
    rows = pd.DataFrame(left, columns=list(choices)).assign(
        text=[f"nothing measured at step {each[-1]}" for each in left]
    )
    words = alt.Chart(rows).mark_text(color=NEUTRAL, fontSize=12)
    shown = words.encode(x=alt.value(width / 2), y=alt.value(height / 2), text="text:N")
    return [shown.transform_filter(" && ".join(f"datum.{name} == {name}" for name in choices))]


def linked(figure: Figure) -> Figure:
    """The figure of panels over the noise level, all of which show the range that the reader brushed."""
    chart = _veiled(figure.chart)
    params = [] if chart["params"] is alt.Undefined else chart["params"]
    chart["params"] = [*params, alt.VariableParameter(name=RANGE, value=list(SIGMAS))]
    return replace(figure, chart=chart)


def _veiled(chart: Chart) -> Chart:
    copy = chart.copy(deep=False)
    for panels in ("concat", "hconcat", "vconcat"):
        if panels in chart._kwds:
            copy[panels] = [_veiled(panel) for panel in chart[panels]]
            return copy
    copy["layer"] = [*_veils(), *chart["layer"]]
    return copy


def _veils() -> list[Chart]:
    """Below the curves, over the levels that are not of interest."""
    veil = alt.Chart(alt.sequence(0, 1)).mark_rect(color=NEUTRAL, opacity=0.22, aria=False)
    return [
        veil.encode(
            x=alt.XDatum(alt.ExprRef(f"{RANGE}[{place}]"), type="quantitative"),
            x2=alt.X2Datum(end),
        )
        for place, end in enumerate(SIGMAS)
    ]
