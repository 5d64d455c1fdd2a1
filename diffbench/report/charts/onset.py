"""Chart of when the gap sets in."""

import pandas as pd

from diffbench.report.charts.by_factor import CurvesByFactor
from diffbench.report.charts.figure import Figure
from diffbench.report.charts.toolkit import SEEDS
from diffbench.report.tables.seeds import curves_over_seeds
from diffbench.report.tables.slices import slices
from diffbench.study.study import Study

RUN = ["model", "train_size", "granularity"]

ONSET = CurvesByFactor(
    name="gap-onset",
    heading="When the gap sets in: step of least validation loss over the noise level",
    description="Training step at which the validation denoising error is least, against the noise level sigma, "
    "one panel for each factor of the study, one line for each of its values.",
    caption=f"{SEEDS} Steps are milestones of the study.",
    y_title="onset: step of least validation loss",
    holds=(0.0, 1.0),
)


def onset_figure(scales: pd.DataFrame, study: Study, width: int) -> Figure | None:
    """The gap's onset over sigma, one panel per factor; nothing if no factor varies or no onset is defined."""
    means = curves_over_seeds(scales, ["gap_onset"], RUN)
    if not means["value"].notna().any():
        return None
    return ONSET.figure((cut for cut in slices(study) if cut.factor in RUN), means, width)
