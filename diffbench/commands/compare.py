"""Compare: studies, inspections or single cells side by side, with differences over what they share."""

from pathlib import Path
from typing import Annotated

from diffbench.comparison.pages import PAGES, write_comparison
from diffbench.comparison.sides import load_sides
from diffbench.conventions import DiffbenchError
from diffbench.report.pages.publish import published


def run(
    results: Annotated[
        list[Path],
        "two or more: folders of results, of a model, run, checkpoint or cell inside them, or"
        " RESULTS:FACTOR=VALUE,... for cells with these values, such as results/mine:guidance=2,step=500; first the one"
        " that the others are held against",
    ],
    /,
    out: Annotated[Path, "folder to write; pages of an earlier comparison there are replaced"],
) -> None:
    """Write pages that set the results side by side, and print the path of the first one and what was paired."""
    if len(results) < 2:
        raise DiffbenchError(f"{results[0]}: one result alone; give two or more, or the same one twice")
    _check_free(out)
    sides = load_sides(results)
    with published(out) as folder:
        rows = write_comparison(folder, sides)
    for side in sides:
        print(f"{side.name}: {len(side.cells)} {'cell' if len(side.cells) == 1 else 'cells'} of {side.given}")
    if rows.empty:
        print(f"no setting of {sides[0].name} is on another side: nothing is paired")
    for units, count in rows["units"].value_counts().items() if len(rows) else ():
        print(f"{count} {'difference' if count == 1 else 'differences'}: {units}")
    print(f"Comparison: {(out / 'index.html').resolve()}")


def _check_free(out: Path) -> None:
    """DiffbenchError if `out` holds anything but a comparison, whose pages would be removed."""
    if out.is_dir():
        others = {path.name for path in out.iterdir()} - {f"{page}.html" for page in PAGES} - {"data", "figures"}
        if not others:
            return
        raise DiffbenchError(f"--out: {out} holds {min(others)}, which is of no comparison; give a new folder")
    if out.exists():
        raise DiffbenchError(f"--out: {out} is a file; give a folder")
