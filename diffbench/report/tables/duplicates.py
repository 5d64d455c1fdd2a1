"""What a study has to say of its images: near duplicates, copies across the split, and criteria that disagree."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate
from diffbench.files.store import StageFile
from diffbench.measures.memorization import disagreement
from diffbench.report.tables.estimates import FIELDS
from diffbench.report.tables.results import Results
from diffbench.report.tables.slices import SETTING, short_name
from diffbench.study.layout import MEMORIZATION

NAMED = 5
"""Pairs that a note names."""


def notes(results: Results, means: pd.DataFrame) -> list[str]:
    """Sentences on training subsets, smallest first, then on settings; means: outcomes over seeds."""
    return [*_of_subsets(results), *_of_criteria(means)]


def _of_subsets(results: Results) -> Iterator[str]:
    """Of each training subset, which all of its models share, as the first of its files tells."""
    told: dict[int, StageFile] = {}
    for cell in results.study.cells:
        size = cell.checkpoint.run.train_size
        if size not in told:
            try:
                told[size] = results.read(MEMORIZATION, cell.factors)
            except DiffbenchError:
                continue
    for size, file in sorted(told.items()):
        if pairs := _named(file, "near_duplicate"):
            yield (
                f"n = {size}: training images are near duplicates of others, and d2 is measured to none of them"
                f" (image ~ image of the training subset, counted from 0: {pairs})."
            )
        if pairs := _named(file, "near_copy"):
            yield (
                f"n = {size}: held-out images are near copies of training images, and raise the floor (held-out image ~"
                f" image of the training subset, counted from 0: {pairs})."
            )


def _named(file: StageFile, variable: str) -> str:
    """Some of the pairs that a file holds; nothing where it has none."""
    pairs = file.arrays.get(variable, [])
    named = ", ".join(f"{one} ~ {other}" for one, other in pairs[:NAMED])
    return named + (f" and {len(pairs) - NAMED} more" if len(pairs) > NAMED else "")


def _of_criteria(means: pd.DataFrame) -> Iterator[str]:
    """Each way in which criteria disagree, with the settings where they do."""
    estimates: dict[tuple[Any, ...], dict[str, Estimate]] = {}
    for *setting, measure, value, low, high, n, reason in means[[*SETTING, "measure", *FIELDS]].itertuples(index=False):
        estimates.setdefault(tuple(setting), {})[measure] = Estimate(value, low, high, n, reason)
    where: dict[str, list[str]] = {}
    for setting, own in estimates.items():
        if said := disagreement(own):
            where.setdefault(said, []).append(short_name(dict(zip(SETTING, setting, strict=True))))
    for said, settings in where.items():
        more = f" and {len(settings) - NAMED} more" if len(settings) > NAMED else ""
        yield f"{said[0].upper()}{said[1:]}, in {'; '.join(settings[:NAMED])}{more}."
