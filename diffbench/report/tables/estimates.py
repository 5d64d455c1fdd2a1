"""The estimates that a report shows, of tables that may have tens of millions of rows: read part by part."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from diffbench.study.study import Study

PART = 500_000
"""Rows that are read at once."""

TEXTS = ("model", "granularity", "guidance", "measure", "reason")
WHOLE = ("train_size", "seed", "step", "n")
REAL = ("sigma", "value", "low", "high")
COLUMNS = (
    "model",
    "train_size",
    "granularity",
    "seed",
    "step",
    "guidance",
    "sigma",
    "measure",
    *REAL[1:],
    "n",
    "reason",
)


class Estimates:
    """Rows of the tables of all stages: factors, the guidance in words and nan for checkpoints, and estimates."""

    def __init__(self, rows: pd.DataFrame) -> None:
        """rows: columns of TEXTS are categories."""
        self._rows = rows

    def of(self, measures: Collection[str], **factors: Any) -> pd.DataFrame:
        """The rows of some measures, and only those with the given factors."""
        keep = self._rows["measure"].isin(list(measures))
        for name, value in factors.items():
            keep &= self._rows[name] == value
        rows = self._rows[keep]
        return rows.astype({name: object for name in TEXTS if name in rows})

    def groups(self, measures: Collection[str], keys: Sequence[str]) -> pd.DataFrame:
        """The values of `keys` that rows of some measures have, each combination once."""
        keep = self._rows["measure"].isin(list(measures))
        return (
            self._rows.loc[keep, list(keys)].drop_duplicates().astype({name: object for name in TEXTS if name in keys})
        )


def read_estimates(tables: Iterable[BinaryIO], measures: Collection[str], study: Study) -> Estimates:
    """The rows of some measures, of CSV tables of the summary."""
    words: Mapping[Any, str] = {name: each.text for name, each in study.guidances.items()}
    parts = [part for table in tables for part in _parts(table, measures, words)]
    columns = {
        name: union_categoricals([part[name] for part in parts])
        if name in TEXTS
        else np.concatenate([part[name].to_numpy() for part in parts])
        for name in COLUMNS
    }
    return Estimates(pd.DataFrame(columns))


def _parts(table: BinaryIO, measures: Collection[str], words: Mapping[Any, str]) -> Iterable[pd.DataFrame]:
    """Rows of some measures; only empty text is undefined, since a condition may be called "none"."""
    types = dict.fromkeys(TEXTS, object) | dict.fromkeys(WHOLE, np.int64) | dict.fromkeys(REAL, float)
    read = pd.read_csv(
        table, keep_default_na=False, na_values=[""], dtype=types, usecols=COLUMNS, chunksize=PART, low_memory=False
    )
    for part in read:
        rows = part.loc[part["measure"].isin(list(measures)), list(COLUMNS)]
        rows = rows.assign(guidance=rows["guidance"].map(words), reason=rows["reason"].fillna(""))
        yield rows.assign(**{name: _category(rows[name]) for name in TEXTS})


def _category(texts: pd.Series) -> pd.Categorical:
    """Text as a category, of one type whether there is any or none."""
    codes, found = pd.factorize(texts.astype(object))
    return pd.Categorical.from_codes(codes, categories=pd.Index(found, dtype=object))
