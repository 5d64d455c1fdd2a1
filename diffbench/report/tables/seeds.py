"""Repeats with different seeds, taken together."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

LEVELS = ("sigma_at_peak", "r2_crossing")
"""Measures that are noise levels themselves: their mean is geometric."""


def aggregate_seeds(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Mean over the rows that share `keys`, which are repeats with different seeds.

    value: mean of the defined values (geometric for LEVELS); low and high: the lowest and highest end of
    the seeds' own 95 % intervals, so they hold the images' and the seeds' spread; n: sum; seeds: rows with a value,
    of: all rows; reason: why some are undefined.
    """
    rows = rows.assign(geometric=np.where(rows["measure"].isin(LEVELS), logarithm(rows["value"]), np.nan))
    grouped = rows.groupby(list(keys), dropna=False, sort=False)
    means = grouped.agg(
        value=("value", "mean"),
        geometric=("geometric", "mean"),
        low=("low", "min"),
        high=("high", "max"),
        n=("n", "sum"),
        seeds=("value", "count"),
        of=("value", "size"),
    ).reset_index()
    means["reason"] = _reasons(rows["reason"], grouped.ngroup(), len(means))
    geometric = np.exp(means.pop("geometric").to_numpy(float))
    means["value"] = np.where(np.isnan(geometric), means["value"], geometric)
    return means


def logarithm(values: pd.Series) -> pd.Series:
    """Natural logarithm, nan where there is none."""
    return pd.Series(np.log(values.where(values > 0).to_numpy(float)), index=values.index)


def _reasons(reasons: pd.Series, groups: pd.Series, count: int) -> np.ndarray:
    """Of each group its reasons, each once: groups without any, which are nearly all, take no time."""
    texts = np.full(count, "", dtype=object)
    given = reasons != ""
    for group, own in reasons[given].groupby(groups[given]):
        texts[group] = "; ".join(dict.fromkeys(own))  # pyright: ignore[reportArgumentType, reportCallIssue] (a number)
    return texts


def curves_over_seeds(estimates: pd.DataFrame, measures: Sequence[str], keys: Sequence[str]) -> pd.DataFrame:
    """Curves over sigma as means over seeds: one row per setting, which `keys` tell apart, measure and level."""
    rows = estimates[estimates["measure"].isin(measures) & estimates["sigma"].notna()]
    return aggregate_seeds(rows, [*keys, "measure", "sigma"])
