"""Lookups of tables that tests make up, in the place of files."""

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from diffbench.study import layout
from diffbench.summary.lookup import Lookup
from diffbench.summary.rows import Labels, Rows


def lookup_of(tables: Mapping[str, pd.DataFrame]) -> Lookup:
    """By stage: columns are factors, sigma, measure, value, low, high, n and reason."""
    by_file: dict[str, list[dict[Any, Any]]] = defaultdict(list)
    for stage, table in tables.items():
        for row in table.to_dict("records"):
            by_file[layout.KINDS[stage].of({str(name): value for name, value in row.items()})].append(row)
    return Lookup({path: _rows(rows) for path, rows in by_file.items()}.get)


def _rows(rows: list[dict[Any, Any]]) -> Rows:
    sigmas = tuple(math.nan if pd.isna(row["sigma"]) else float(row["sigma"]) for row in rows)
    labels = Labels(tuple(row["measure"] for row in rows), ("pixels",) * len(rows), sigmas)
    numbers = np.array([[row[name] for row in rows] for name in ("value", "low", "high")], float)
    reasons = {place: row["reason"] for place, row in enumerate(rows) if row["reason"]}
    return Rows(labels, numbers, np.array([row["n"] for row in rows]), reasons, {})
