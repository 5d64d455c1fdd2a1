"""Losses of a training over its steps, in a small table beside each checkpoint: no result is made of it."""

import csv
from pathlib import Path

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.files.output import atomic
from diffbench.shapes import Float

WINDOWS = 200
"""Means that a table holds at most, of windows that are evenly spaced in ln(step): early steps change most."""

COLUMNS = ("first_step", "last_step", "loss")


def write_losses(path: Path, losses: Float[np.ndarray, " steps"]) -> None:
    """Write means of windows. losses: mean loss of the batch of every step from 1 on, nan where it is not known.

    UnwritableError if it cannot be written.
    """
    ends = np.unique(np.geomspace(1, len(losses), WINDOWS).round().astype(int)) if len(losses) else []
    rows, start = [], 0
    for end in ends:
        if not np.isnan(losses[start:end]).any():
            rows.append((start + 1, end, f"{float(np.mean(losses[start:end], dtype=np.float64)):.6g}"))
        start = end
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


def read_losses(path: Path) -> list[tuple[float, float]]:
    """Middle step (geometric) and mean loss of every window. DiffbenchError if there is none, or it is damaged."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [[float(row[name]) for name in COLUMNS] for row in csv.DictReader(file)]
    except FileNotFoundError:
        raise DiffbenchError(f"{path}: no losses were recorded") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DiffbenchError(f"{path}: no table of losses ({error}); delete it: no result needs it") from None
    return [((first * last) ** 0.5, loss) for first, last, loss in rows]
