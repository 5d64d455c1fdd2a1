"""New pages take the place of the old ones when all of them are complete; else the old ones stay as they are."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diffbench.files.output import unwritable
from diffbench.files.temporary import temporary_beside

SUFFIXES = (".html", ".csv")
"""Of what a report consists: pages and tables."""


@contextmanager
def published(folder: Path) -> Iterator[Path]:
    """A temporary folder for pages and tables, whose files move into `folder` when the block ends well.

    Pages and tables of an earlier report that the new one has not are then removed: they must not stand beside it.
    UnwritableError where the disk refuses.
    """
    temporary = temporary_beside(folder)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        _replace(temporary, folder)
    except OSError as error:
        raise unwritable(folder, error) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(temporary: Path, folder: Path) -> None:
    new = {path.relative_to(temporary) for path in temporary.rglob("*") if path.is_file()}
    old = {path.relative_to(folder) for path in folder.rglob("*") if path.suffix in SUFFIXES and not path.is_dir()}
    for name in new:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    for name in sorted(new, key=lambda name: (len(name.parts) == 1, name)):  # pages after the tables that they link to
        (temporary / name).replace(folder / name)
    for name in old - new:
        (folder / name).unlink()
