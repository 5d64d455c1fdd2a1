"""What can be wrong with a file of the results: damaged, or whole but of other settings."""

from pathlib import Path

from diffbench.conventions import DiffbenchError

REBUILD = "run snakemake to make it anew"
"""What to do about a damaged result, in messages."""

BROKEN = ".broken"
"""Ends the name of a damaged file that was set aside."""


class BrokenFileError(DiffbenchError):
    """A file is damaged: its content is not what was written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


class StaleFileError(DiffbenchError):
    """A file is whole, but made with other settings, factors or inputs than the study has."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


def set_aside(path: Path) -> Path | None:
    """Give a damaged file a name that no reader looks for, so that it is made anew. Its new path; None if it fails."""
    aside = path.with_name(f"{path.name}{BROKEN}")
    number = 2
    while aside.exists():
        aside, number = path.with_name(f"{path.name}{BROKEN}.{number}"), number + 1
    try:
        path.replace(aside)
    except OSError:
        return None
    return aside
