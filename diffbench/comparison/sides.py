"""What a comparison sets side by side: studies, inspections, or some of their cells, with all that was measured."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from diffbench.comparison.chosen import choose
from diffbench.report.tables.board import Board, Column, board
from diffbench.report.tables.catalog import in_order
from diffbench.report.tables.findings import find
from diffbench.report.tables.results import Results
from diffbench.report.tables.seeds import aggregate_seeds
from diffbench.report.tables.slices import SETTING
from diffbench.study import layout
from diffbench.study.grid import Cell
from diffbench.summary.rows import FACTORS
from diffbench.verification.origins import Origins

STUDY = "study"
"""Column of the sides' names."""

GRID = ("name", "title", "seeds", "steps", "center", "sweeps", "report", "device", "threads", "runtime_factor", "note")
"""Settings of a study that tell which cells there are, or change no number."""


@dataclass(frozen=True)
class Side:
    """A study, an inspection, or some cells of one."""

    name: str
    given: Path
    results: Results
    cells: dict[tuple[Any, ...], Cell]  # by their FACTORS as pages show them

    @property
    def rows(self) -> pd.DataFrame:
        """STUDY and FACTORS of each cell."""
        return pd.DataFrame(list(self.cells), columns=FACTORS).assign(**{STUDY: self.name})[[STUDY, *FACTORS]]

    @property
    def settings(self) -> list[tuple[Any, ...]]:
        """Values of SETTING of its cells, each once."""
        return list(dict.fromkeys(self.rows[SETTING].itertuples(index=False, name=None)))

    def values(self, factor: str) -> list[Any]:
        """Values that its cells have of a factor, each once."""
        return self.rows[factor].unique().tolist()

    def of(self, setting: Sequence[Any]) -> list[Cell]:
        """The cells of a setting, by seed."""
        return self._by_setting[tuple(setting)]

    @cached_property
    def _by_setting(self) -> dict[tuple[Any, ...], list[Cell]]:
        places = [FACTORS.index(name) for name in SETTING]
        found: dict[tuple[Any, ...], list[Cell]] = {}
        for key, cell in sorted(self.cells.items(), key=_seed):
            found.setdefault(tuple(key[at] for at in places), []).append(cell)
        return found


def _seed(item: tuple[tuple[Any, ...], Cell]) -> int:
    return item[1].checkpoint.run.seed


def load_sides(folders: Sequence[Path]) -> list[Side]:
    """Sides of folders of results or of what `choose` takes of them. Their names differ.

    DiffbenchError for what is no results, is damaged, or of another version.
    """
    chosen = [choose(folder) for folder in folders]
    titles = [each.results.title for each in chosen]
    words = [f"{title}: {each.words}" if each.words else title for title, each in zip(titles, chosen, strict=True)]
    names = _told_apart(words, folders)
    return [
        Side(name, folder, each.results, each.cells) for name, folder, each in zip(names, folders, chosen, strict=True)
    ]


def _told_apart(names: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """Names that differ: with the folder where they are equal, and with a number where that is, too."""
    counts = Counter(names)
    full = [f"{name} ({folder})" if counts[name] > 1 else name for name, folder in zip(names, folders, strict=True)]
    counts, seen = Counter(full), Counter[str]()
    for place, name in enumerate(full):
        if counts[name] > 1:
            seen[name] += 1
            full[place] = f"{name[:-1]}, {seen[name]})"
    return full


def side_by_side(sides: Sequence[Side]) -> Board:
    """Every measure of every setting and cell of all sides; equal settings stand together."""
    cells = pd.concat([side.rows for side in sides], ignore_index=True)
    order = {setting: place for place, setting in enumerate(dict.fromkeys(_settings(cells)))}
    settings = cells[[STUDY, *SETTING]].drop_duplicates(ignore_index=True)
    settings = settings.iloc[np.argsort([order[each] for each in _settings(settings)], kind="stable")]
    settings = settings.reset_index(drop=True)
    columns, undefined = _columns(sides)
    made = []
    for measure in in_order(list(columns)):
        rows = cells.merge(columns[measure.name], how="left", on=[STUDY, *FACTORS]).assign(measure=measure.name)
        absent = rows["reason"].isna()
        why = {side.name: undefined.get((side.name, measure.name), "not measured") for side in sides}
        rows.loc[absent, "reason"], rows.loc[absent, "n"] = rows.loc[absent, STUDY].map(why), 0
        means = aggregate_seeds(rows, [STUDY, *SETTING, "measure"])
        made.append(Column(measure, settings.merge(means, how="left", on=[STUDY, *SETTING]), rows))
    everywhere = {name for _, name in undefined} - columns.keys()
    nowhere = {name: next(why for (_, each), why in undefined.items() if each == name) for name in everywhere}
    return Board(settings, cells, tuple(made), tuple((each, nowhere[each.name]) for each in in_order(sorted(nowhere))))


def _settings(rows: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(rows[SETTING].itertuples(index=False, name=None))


def _columns(sides: Sequence[Side]) -> tuple[dict[str, pd.DataFrame], dict[tuple[str, str], str]]:
    """Rows of all cells by measure, and why a side has none of a measure."""
    parts: dict[str, list[pd.DataFrame]] = {}
    undefined = {}
    for side in sides:
        own = board(find(side.results))
        for column in own.columns:
            parts.setdefault(column.measure.name, []).append(column.cells.assign(**{STUDY: side.name}))
        undefined |= {(side.name, measure.name): reason for measure, reason in own.undefined}
    return {name: pd.concat(rows, ignore_index=True) for name, rows in parts.items()}, undefined


def unlike(sides: Sequence[Side]) -> Iterator[str]:
    """What else differs between the sides than the cells that they have: settings, models, versions."""
    first = sides[0]
    for side in sides[1:]:
        pairs = [each.results.study.model_dump(mode="json", exclude=set(GRID)) for each in (first, side)]
        differing = [name for name in pairs[0] if pairs[0][name] != pairs[1][name] and name != "models"]
        if differing:
            yield f"{side.name} has other settings than {first.name}: {', '.join(differing)}"
        models = {cell.checkpoint.run.model for cell in side.cells.values()}
        shared = models & {cell.checkpoint.run.model for cell in first.cells.values()}
        studies = first.results.study, side.results.study
        for model in sorted(shared):
            if studies[0].definition(model) != studies[1].definition(model):
                yield f"the model {model} of {side.name} is defined otherwise than that of {first.name}"
    origins = Origins()
    for side in sides:
        origins.add(side.results.manifest["provenance"], layout.MANIFEST, side.name)
    yield from (line.removeprefix("note: ") for line in origins.lines())
