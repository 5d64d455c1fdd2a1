"""What a chart leaves out that has more rows than browsers draw quickly, and how its caption says so."""

from collections.abc import Mapping, Sequence
from typing import Any

from diffbench.data.pictured import spread_over_ranks
from diffbench.report.tables.format import count

Datasets = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows of a Vega-Lite specification, by the name of their table."""

THINNED = {"sigma": ("noise levels", 24), "seed": ("seeds", 10), "step": ("training steps", 12)}
"""Columns of whose values some are left out, in this order: what they are called, and how many stay at least."""


def fitted(datasets: Datasets, most: int) -> tuple[Datasets, str]:
    """At most so many rows in all, and what is left out in words.

    Of the values of THINNED some stay, evenly spaced, with the first and the last; where these are not enough, the
    first rows of each table.
    """
    words = []
    for column, (name, least) in THINNED.items():
        having = [row[column] for row in _all(datasets) if row.get(column) is not None]
        values, total = sorted(set(having)), _count(datasets)
        if total <= most or len(values) <= least:
            continue
        room = most - total + len(having)
        kept = {values[rank] for rank in spread_over_ranks(len(values), max(least, len(values) * room // len(having)))}
        datasets = {
            table: [row for row in rows if row.get(column) is None or row[column] in kept]
            for table, rows in datasets.items()
        }
        words.append(f"{count(len(kept))} of {count(len(values))} {name}")
    if (total := _count(datasets)) > most:
        datasets = {table: rows[: max(1, len(rows) * most // total)] for table, rows in datasets.items()}
        words.append(f"the first {count(_count(datasets))} of {count(total)} rows")
    return datasets, f" Drawn of this large study: {', '.join(words)}; the table has all." if words else ""


def _count(datasets: Datasets) -> int:
    return sum(map(len, datasets.values()))


def _all(datasets: Datasets) -> list[Mapping[str, Any]]:
    return [row for rows in datasets.values() for row in rows]
