"""What can be wrong with a file of the results: damaged, or whole but of other settings."""

from contextlib import suppress
from pathlib import Path

from diffbench.conventions import DiffbenchError

REBUILD = "run snakemake to make it anew"
"""What to do about a damaged result, in messages."""

MARK = ".broken"
"""Ends the name of the mark beside a file that cannot be used."""


class UnusableFileError(DiffbenchError):
    """A file of the results is there and can be read, but not be used."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


class BrokenFileError(UnusableFileError):
    """A file is damaged: its content is not what was written."""


class StaleFileError(UnusableFileError):
    """A file is whole, but made with other settings, factors or inputs than the study has."""


def mark(error: UnusableFileError) -> None:
    """Leave a mark with the reason beside a file, if that can be written, so that the next run makes it anew.

    The file itself stays: jobs of the same run that wait for it fail one by one; one that is gone would end the run.
    """
    with suppress(OSError):
        _mark(error.path).write_text(f"{error}\n", encoding="utf-8")


def is_marked(path: Path) -> bool:
    """Whether a file was found to be damaged or another, and has not been made anew since."""
    return _mark(path).exists()


def marked_file(path: Path) -> Path | None:
    """The file that a mark stands beside; None where `path` is no mark."""
    return path.with_name(path.name.removesuffix(MARK)) if path.name.endswith(MARK) else None


def reason_marked(path: Path) -> str | None:
    """What the mark beside a file says, without the file's path, which may have been another; None if there is none."""
    try:
        text = _mark(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
    return text.partition(f"{path.name}: ")[2] or text


def unmark(path: Path) -> None:
    """A file has been made anew."""
    with suppress(OSError):
        _mark(path).unlink(missing_ok=True)


def _mark(path: Path) -> Path:
    return path.with_name(f"{path.name}{MARK}")
