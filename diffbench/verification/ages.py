"""Times of files that were copied, and the lock that keeps a run from the results meanwhile."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from diffbench.conventions import DiffbenchError
from diffbench.files.output import unwritable
from diffbench.study import layout
from diffbench.study.lock import LockedError, taken

SECOND = 10**9
"""In nanoseconds."""


@contextmanager
def held(results: Path) -> Iterator[None]:
    """Keep all runs from `results`. DiffbenchError where one writes it, or the system lets no lock be written."""
    try:
        lock = taken(results)
    except LockedError as error:
        raise DiffbenchError(f"{results}: a run writes it; {error}") from None
    except OSError as error:
        raise unwritable(results / layout.LOCK, error) from None
    try:
        yield
    finally:
        lock.release()


def age_alike(results: Path, paths: Iterable[str]) -> None:
    """Give files inside `results` the time of the oldest, and the summary's manifest, if there is one, an earlier time.

    Snakemake, which goes by times, then leaves them, and makes the summary anew.
    """
    files, manifest = [results / path for path in paths], results / layout.MANIFEST
    oldest = min((path.stat().st_mtime_ns for path in files), default=0)
    try:
        for path in files:
            os.utime(path, ns=(oldest, oldest))
        if manifest.exists():
            os.utime(manifest, ns=(oldest - SECOND, oldest - SECOND))
    except OSError as error:
        raise DiffbenchError(f"{results}: times of files cannot be set ({error.strerror})") from None
