"""Figures: every chart of a report as files for papers and slides, each beside the rows that it shows."""

import shutil
from pathlib import Path
from typing import Annotated

from diffbench.conventions import DiffbenchError
from diffbench.files.output import atomic, unwritable
from diffbench.report.pages.drawings import FORMATS, Drawing, draw, drawings_of
from diffbench.study import layout


def run(
    results: Annotated[Path, "folder of a study, an inspection or a comparison"],
    /,
    out: Annotated[Path | None, f"folder to write; RESULTS/{layout.FIGURES} if left out"] = None,
    format: Annotated[  # noqa: A002 (the option's name)
        str, "one or more of svg, png and pdf, with commas between"
    ] = ",".join(FORMATS),
) -> None:
    """Draw the charts as they stand on the pages, on white; where a page lets the reader choose, one for each choice.

    Files are called by the page, the chart and the choice. What pages say instead of a chart is printed.
    """
    formats = _formats(format)
    target = out or results / layout.FIGURES
    found = [(page.stem, *drawings_of(page)) for page in _pages(results)]
    drawings = [drawing for _, own, _ in found for drawing in own]
    _check_tables(drawings)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(target, error) from None
    for drawing in drawings:
        for each in formats:
            draw(drawing, each, target / f"{drawing.name}.{each}")
        with atomic(target / f"{drawing.name}.csv") as temporary:
            shutil.copyfile(drawing.table, temporary)
    for page, _, undefined in found:
        for words in undefined:
            print(f"{page}: {words}")
    print(f"{target}: {len(drawings)} charts as {', '.join(formats)}, each with its rows as csv")


def _formats(text: str) -> list[str]:
    formats = list(dict.fromkeys(filter(None, (each.strip().lower() for each in text.split(",")))))
    if not formats or not FORMATS.keys() >= set(formats):
        raise DiffbenchError(f"--format: give some of {', '.join(FORMATS)}, with commas between (got {text})")
    return formats


def _pages(results: Path) -> list[Path]:
    """Pages of a study or an inspection, or of a comparison, whose pages lie in the folder itself."""
    if not results.is_dir():
        raise DiffbenchError(f"{results}: no such folder")
    for index in (results / layout.page("index"), results / Path(layout.page("index")).name):
        if index.is_file():
            return sorted(index.parent.glob("*.html"))
    raise DiffbenchError(f"{results}: has no report ({layout.page('index')}); run snakemake to make it")


def _check_tables(drawings: list[Drawing]) -> None:
    """DiffbenchError if the rows of a chart are gone, before anything is written."""
    for drawing in drawings:
        if not drawing.table.is_file():
            raise DiffbenchError(f"{drawing.table}: missing, and it holds the rows of a chart; make the report anew")
