"""The factors by which a reader chooses one of the settings or cells that a page pictures."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from diffbench.report.tables.results import Results
from diffbench.report.tables.slices import TITLES, ordered, value_text


class Choice(NamedTuple):
    """A factor to choose by."""

    name: str
    title: str
    values: tuple[str, ...]  # those that are pictured, in order
    others: tuple[str, ...]  # those that the study has beside them


def choices(results: Results, pictured: Sequence[Mapping[str, Any]]) -> list[Choice]:
    """Factors that tell cells of the study apart, of those that `pictured` have."""
    names = [name for name in TITLES if pictured and name in pictured[0]]
    found = []
    for name in names:
        values = _texts(results, name, results.cells[name])
        shown = [text for text in values if text in {value_text(each[name]) for each in pictured}]
        if len(values) > 1:
            found.append(Choice(name, TITLES[name], tuple(shown), tuple(text for text in values if text not in shown)))
    return found


def _texts(results: Results, name: str, column: pd.Series) -> list[str]:
    values = column.unique().tolist()
    return [value_text(each) for each in (sorted(values) if name == "seed" else ordered(results.study, name, values))]


def texts(factors: Mapping[str, Any]) -> dict[str, str]:
    """Factors as the address and the choices of a page have them."""
    return {name: value_text(value) for name, value in factors.items() if name in TITLES}
