"""Which files of a folder of the user's count: those that are not hidden, wherever links lead, and no results."""

import os
from collections.abc import Iterator

from diffbench.conventions import RESULTS

Identity = tuple[int, int]
"""Device and inode."""

LITTER = {"__macosx", "@eadir", "thumbs.db", "ehthumbs.db", "desktop.ini", "#recycle", "$recycle.bin", "lost+found"}
LITTER |= {"__pycache__"}
"""Names in lower case of what file systems, viewers and Python leave."""


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is passed over."""
    return name.startswith(".") or name.lower() in LITTER


def files_in(path: str) -> Iterator[tuple[str, str]]:
    """Name relative to the folder `path` and path of each file in it, in no order; of anything else, "" and itself.

    Links are followed, but for those that lead back; a folder that cannot be read stands for its files.
    """
    leading_back = frozenset({_identity(RESULTS)} - {_identity(path)})
    waiting = [("", path, leading_back)]
    while waiting:
        name, place, above = waiting.pop()
        try:
            own, found = _identity(place), _listed(place)
        except (OSError, ValueError):
            yield name, place
            continue
        if own in above:
            continue
        prefix = f"{name}/" if name else ""
        for below, is_folder in found:
            if is_folder:
                waiting.append((f"{prefix}{below}", os.path.join(place, below), above | {own}))
            else:
                yield f"{prefix}{below}", os.path.join(place, below)


def _listed(folder: str) -> list[tuple[str, bool]]:
    """Names of what lies in a folder, and whether it is a folder."""
    with os.scandir(folder) as entries:
        return [(entry.name, _is_folder(entry)) for entry in entries if not is_hidden(entry.name)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _identity(path: str) -> Identity | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
