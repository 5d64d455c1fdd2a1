"""Fingerprints: users' files are told apart by name, size and time; specs are the same after the command line."""

import os
from pathlib import Path

import pytest

from diffbench.files.fingerprint import files_fingerprint

STUDIES = sorted(Path("config").glob("**/*.yaml"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    for name in ("a/0.png", "a/1.png", "2.png"):
        (tmp_path / name).write_text("x")
    return tmp_path


def test_what_was_not_touched_has_the_same_fingerprint(folder: Path) -> None:
    first = files_fingerprint([folder])
    assert files_fingerprint([str(folder), None]) == first
    (folder / ".DS_Store").write_text("hidden")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints/0.png").write_text("hidden")
    assert files_fingerprint([folder]) == first
    assert files_fingerprint([None]) == ""


def test_every_change_of_a_file_makes_another_fingerprint(folder: Path) -> None:
    """Also one to an older file, as cp -p and rsync -a leave it, which no comparison of times tells."""
    seen = [files_fingerprint([folder])]
    status = (folder / "2.png").stat()
    os.utime(folder / "2.png", ns=(status.st_atime_ns, status.st_mtime_ns - 10**15))
    seen.append(files_fingerprint([folder]))
    (folder / "2.png").rename(folder / "3.png")
    seen.append(files_fingerprint([folder]))
    (folder / "a/new.png").write_text("")
    seen.append(files_fingerprint([folder]))
    (folder / "a/0.png").unlink()
    seen.append(files_fingerprint([folder]))
    seen.append(files_fingerprint([folder / "a", folder]))
    seen.append(files_fingerprint([folder, folder / "a"]))
    assert len(set(seen)) == len(seen)


def test_links_that_lead_back_do_not_hang(folder: Path) -> None:
    for name in ("x", "y", "z"):
        (folder / "a" / name).symlink_to(folder)
    (folder / "gone.png").symlink_to(folder / "nowhere")
    assert files_fingerprint([folder])
