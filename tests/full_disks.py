"""Disks without room: a real small one, where the tests may mount it, and a device that is always full."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ALWAYS_FULL = Path("/dev/full")


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A disk in memory at `folder`; the test is skipped where mounting is not allowed."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path, free: int) -> None:
    """Leave so many bytes free."""
    (disk / "filler").unlink(missing_ok=True)
    with (disk / "filler").open("wb") as filler:
        filler.write(bytes(free_bytes(disk) - free))


def free_bytes(disk: Path) -> int:
    """What is free, by the word of `df`."""
    told = subprocess.run(["df", "--block-size=1", "--output=avail", disk], capture_output=True, text=True, check=True)
    return int(told.stdout.split()[1])
