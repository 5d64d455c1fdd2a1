"""Which training images attacks name first, setting by setting, its seeds together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.data.training_set import Images
from diffbench.files.estimates import Estimate
from diffbench.measures.intervals import proportion
from diffbench.report.tables.membership import AUCS, CHECKPOINT
from diffbench.report.tables.results import Results
from diffbench.report.tables.risk import ATTACK, truth_known
from diffbench.report.tables.slices import short_name
from diffbench.shapes import Float64, Int64
from diffbench.study.grid import Checkpoint
from diffbench.study.layout import DENOISE

EXPOSED_SETTINGS = 4
"""Settings whose images are shown, those in which some attack has the largest AUC."""

PICTURED = 12
"""Training images of each."""


@dataclass(frozen=True)
class ExposedImages:
    """The training images of one setting that its models' best attacks name first."""

    factors: Mapping[str, Any]  # CHECKPOINT
    seeds: int
    attacked: int  # training images that attacks were tried on
    held_out: int  # held-out images that tell false positive rates
    named: Estimate  # share of the attacked named at the least rate that these can tell, mean and span over seeds
    rows: Int64[np.ndarray, " r"]
    labels: list[str]  # their classes
    rates: Float64[np.ndarray, "seeds r"]  # false positive rates at which they are named
    pictures: Images

    @property
    def name(self) -> str:
        """The setting in one line."""
        return short_name(self.factors)

    @property
    def least(self) -> float:
        """The least rate, which is also the share that would be named there by chance."""
        return 1 / (1 + self.held_out)


def exposed_over_seeds(results: Results, attacks: pd.DataFrame) -> list[ExposedImages]:
    """At most EXPOSED_SETTINGS, models whose truth is known aside; attacks: rows of `attacks_over_seeds`."""
    values = attacks[attacks["measure"].isin(AUCS)].groupby(CHECKPOINT, sort=False)["value"].max().dropna()
    settings = values.sort_values(ascending=False, kind="stable").index.to_frame(index=False).to_dict("records")
    chosen = [factors for factors in settings if not truth_known(results, factors)][:EXPOSED_SETTINGS]
    return [found for factors in chosen for found in _exposed(results, factors)]


def _exposed(results: Results, factors: dict[Any, Any]) -> Iterator[ExposedImages]:
    """Nothing where no seed's file has scores of attacks, or the images cannot be read."""
    scores = [found for checkpoint in _checkpoints(results, factors) for found in _scores(results, checkpoint)]
    if not scores:
        return
    rates = np.array([each for each, _ in scores])
    held_out = min(count for _, count in scores)
    rows = np.lexsort((np.arange(rates.shape[1]), rates.mean(axis=0)))[:PICTURED]
    try:
        with results.stored(factors["train_size"]) as splits:
            labels, pictures = [splits["train"].classes[row] for row in rows], splits["train"].images(rows)
    except DiffbenchError:
        return
    least = (1 + 1e-9) / (1 + held_out)
    named = [proportion(int((each <= least).sum()), len(each)) for each in rates]
    yield ExposedImages(
        factors,
        len(rates),
        rates.shape[1],
        held_out,
        Estimate(
            float(np.mean([each.value for each in named])),
            min(each.low for each in named),
            max(each.high for each in named),
            sum(each.n for each in named),
        ),
        rows,
        labels,
        rates[:, rows],
        pictures,
    )


def _checkpoints(results: Results, factors: Mapping[str, Any]) -> list[Checkpoint]:
    return [
        each for each in results.study.checkpoints if all(each.factors[name] == factors[name] for name in CHECKPOINT)
    ]


def _scores(results: Results, checkpoint: Checkpoint) -> Iterator[tuple[Float64[np.ndarray, " a"], int]]:
    """The rates of a checkpoint's training images, and how many held-out ones tell them."""
    try:
        file = results.read(DENOISE, checkpoint.factors)
        rates, held_out = file.arrays.get(ATTACK, np.empty(0)), file["loss_validation"].shape[1]
    except DiffbenchError:
        return
    if len(rates) and np.isfinite(rates).all():
        yield rates, held_out
