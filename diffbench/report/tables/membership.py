"""What attacks tell of every checkpoint of a study: a row per setting, its seeds together."""

import math
from typing import NamedTuple

import pandas as pd

from diffbench.measures.attacks import ATTACKS
from diffbench.report.tables.privacy import NAMES
from diffbench.report.tables.results import Results
from diffbench.report.tables.seeds import aggregate_seeds
from diffbench.report.tables.shown import Shown, show
from diffbench.report.tables.slices import SETTING, short_name

AUCS = {f"attack_{name}_auc": f"AUC, {NAMES[name]}" for name in ATTACKS}
COLUMNS = AUCS | {
    f"attack_{name}_tpr_at_1_percent": f"TPR at 1 % FPR, {NAMES[name]}" for name in ATTACKS
} | {"dataset_inference_images": "images until the set is told", "privacy_epsilon": "ε is no less than"}  # fmt: skip
"""Measures of a checkpoint that the table shows, and their headings."""

BLIND = "blind_auc"

LONGEST = 40
"""Settings on the page, the most exposed first; their table has all."""

CHECKPOINT = [name for name in SETTING if name != "guidance"]


class Attacked(NamedTuple):
    """A setting, and its values in the order of COLUMNS."""

    name: str
    values: tuple[Shown, ...]


def attacks_over_seeds(results: Results) -> pd.DataFrame:
    """CHECKPOINT, measure, the columns of `aggregate_seeds`: means over seeds of COLUMNS."""
    return aggregate_seeds(results.estimates.of([*COLUMNS]), [*CHECKPOINT, "measure"])


def attacked(means: pd.DataFrame) -> list[Attacked]:
    """At most LONGEST settings, those first in which some attack has the largest AUC."""
    values = means[means["measure"].isin(AUCS)].groupby(CHECKPOINT, sort=False)["value"].max()
    order = values.sort_values(ascending=False, na_position="last", kind="stable").index[:LONGEST]
    shown = means.merge(order.to_frame(index=False), on=CHECKPOINT)
    rows = {(*(row[name] for name in CHECKPOINT), row["measure"]): row for _, row in shown.iterrows()}
    return [
        Attacked(
            short_name(dict(zip(CHECKPOINT, key, strict=True))),
            tuple(show(rows.get((*key, measure), NOTHING)) for measure in COLUMNS),
        )
        for key in order
    ]


NOTHING = pd.Series({"value": math.nan, "low": math.nan, "high": math.nan, "n": 0, "reason": "not measured"})


def differing(results: Results) -> list[int]:
    """Training sizes whose images pixels alone tell from held-out ones, by the whole interval."""
    blind = results.estimates.of([BLIND])
    return sorted(blind[blind["low"] > 0.5]["train_size"].unique().tolist())
