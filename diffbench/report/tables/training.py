"""What training looked like: losses over steps, and the mean losses of milestones on training and unseen images."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from diffbench.conventions import SIGMA_DATA, DiffbenchError
from diffbench.files.training_losses import read_losses
from diffbench.report.tables.results import Results
from diffbench.study.layout import CHECKPOINT, losses_beside

RUN = ["model", "train_size", "granularity", "seed"]
LOSSES = {"mse_train": "training images", "mse_validation": "unseen images"}


def losses_over_steps(results: Results) -> tuple[pd.DataFrame, int]:
    """RUN, step and loss of every window of every run, and how many trained runs told none.

    Each run's last milestone that tells holds all before it.
    """
    rows, silent = [], 0
    for run in results.study.runs:
        if not results.study.definition(run.model).trained:
            continue
        for step in reversed(results.study.milestones[run]):
            try:
                told = read_losses(losses_beside(results.folder / CHECKPOINT.of({**run.factors, "step": step})))
            except DiffbenchError:
                continue
            rows.extend((run.model, run.train_size, run.granularity, run.seed, *each) for each in told)
            break
        else:
            silent += 1
    return pd.DataFrame(rows, columns=[*RUN, "step", "loss"]), silent


def losses_of_milestones(results: Results, settings: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """RUN, step, on (which images) and loss: the mean over noise levels that training minimizes, of the EMA weights.

    Means of the curves over sigma, weighted by the loss's weight (Karras et al. 2022, table 1: lambda) and the density
    of ln(sigma) in training.
    """
    rows = results.estimates.of([*LOSSES], settings).dropna(subset=["sigma"])
    training = results.study.training
    sigma = rows["sigma"].to_numpy(float)
    standing = (np.log(sigma) - training.sigma_log_mean) / training.sigma_log_std
    density = np.exp(-(standing**2) / 2)
    weight = (sigma**2 + SIGMA_DATA**2) / (sigma * SIGMA_DATA) ** 2
    parts = rows.assign(share=density, loss=density * weight * rows["value"])
    grouped = parts.groupby([*RUN, "step", "measure"], sort=False)
    sums = grouped[["share", "loss"]].sum(min_count=1).reset_index()
    sums["loss"] = np.where(grouped["value"].count().to_numpy() == grouped.size().to_numpy(), sums["loss"], np.nan)
    return sums.assign(loss=sums["loss"] / sums["share"], on=sums["measure"].map(LOSSES))[[*RUN, "step", "on", "loss"]]
