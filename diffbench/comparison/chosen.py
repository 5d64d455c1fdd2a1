"""Which cells of a folder of results a side is: all, those inside a folder of them, or those with values of factors."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from diffbench.conventions import DiffbenchError
from diffbench.report.tables.results import Results, load_results, shown_factors
from diffbench.study import layout
from diffbench.study.grid import Cell
from diffbench.summary.rows import FACTORS

FORM = re.compile(r"(?P<folder>.+?):(?P<values>\w+=.+)")
"""FOLDER:FACTOR=VALUE,FACTOR=VALUE; a guidance in words has commas of its own."""


class Chosen(NamedTuple):
    """Cells of results, by their FACTORS as pages show them, and in words which of all these are."""

    results: Results
    words: str
    cells: dict[tuple[Any, ...], Cell]


def choose(given: Path) -> Chosen:
    """The cells that a folder, or a folder with values of factors, names. DiffbenchError where there are none."""
    form = None if given.is_dir() else FORM.fullmatch(str(given))
    folder = Path(form["folder"]) if form else given
    root = _root(folder)
    results = load_results(root)
    inside = folder.resolve().relative_to(root.resolve()).as_posix()
    cells = {tuple(shown_factors(cell)[name] for name in FACTORS): cell for cell in results.study.cells}
    words = [] if inside == "." else [inside]
    if words:
        cells = {key: cell for key, cell in cells.items() if f"{cell.path}/".startswith(f"{inside}/")}
    if not cells:
        raise DiffbenchError(f"{folder}: no cell of the study lies in it; give {root}, or the folder of a cell")
    for name, value in _values(given, form["values"]) if form else ():
        cells = _with(given, cells, name, value)
        words.append(f"{name}={value}")
    return Chosen(results, ", ".join(words), cells)


def _values(given: Path, text: str) -> Iterator[tuple[str, str]]:
    """Factors and values as they were typed."""
    for part in re.split(r",(?=\w+=)", text):
        name, _, value = part.partition("=")
        if name not in FACTORS:
            raise DiffbenchError(f"{given}: '{name}' is no factor; give some of {', '.join(FACTORS)}")
        yield name, value


def _with(given: Path, cells: dict[tuple[Any, ...], Cell], name: str, value: str) -> dict[tuple[Any, ...], Cell]:
    """Those cells in which a factor has a value; a guidance is named as on pages, or as in paths."""
    place = FACTORS.index(name)
    there = dict.fromkeys(str(key[place]) for key in cells)
    kept = {key: cell for key, cell in cells.items() if value in (str(key[place]), str(cell.factors[name]))}
    if not kept:
        raise DiffbenchError(f"{given}: no cell with {name}={value}; there are {'; '.join(there)}")
    return kept


def _root(folder: Path) -> Path:
    """The results that a folder is, or lies in."""
    if not folder.is_dir():
        raise DiffbenchError(f"{folder}: no such folder")
    for each in (folder, *folder.resolve().parents):
        if (each / layout.MANIFEST).is_file():
            return each
    raise DiffbenchError(
        f"{folder}: holds no results with a summary ({layout.MANIFEST}), nor lies in any; run snakemake"
    )
