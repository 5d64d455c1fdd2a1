"""What a killed process leaves of a file that it was writing goes with the next one that writes it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from diffbench.files.output import written
from diffbench.files.run_state import RunState
from diffbench.files.temporary import FORGOTTEN_SECONDS, is_temporary, temporary_beside
from diffbench.report.pages.publish import published

KILLED = "import os, signal; from pathlib import Path; from diffbench.files.output import written;" + (
    "from diffbench.report.pages.publish import published; act = {act};\n"
    "with act(Path({path!r})) as made:\n    {begin}\n    os.kill(os.getpid(), signal.SIGKILL)"
)


def left_by_a_killed_process(path: Path, act: str = "written", begin: str = "made.write(b'half')") -> Path:
    """What a process leaves that was killed while it wrote `path`."""
    code = KILLED.format(act=act, path=str(path), begin=begin)
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    (left,) = path.parent.glob(".*.tmp")
    assert is_temporary(left.name)
    return left


def write(path: Path) -> None:
    with written(path) as file:
        file.write(b"whole")


def test_a_file_that_was_half_written(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    left_by_a_killed_process(path)
    assert not path.exists()
    write(path)
    assert os.listdir(tmp_path) == ["data.h5"]


def test_pages_of_a_report(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    left = left_by_a_killed_process(folder, "published", "(made / 'data').mkdir(); (made / 'data/x.csv').touch()")
    assert (left / "data/x.csv").exists()
    with published(folder) as pages:
        (pages / "index.html").touch()
    assert os.listdir(tmp_path) == ["report"]


def test_the_state_of_a_training_that_needs_none_any_more(tmp_path: Path) -> None:
    path = tmp_path / "training.pt"
    left_by_a_killed_process(path)
    RunState(path, tmp_path / "checkpoint.pt.partial", "{}", 1).finish(keep=False)
    assert os.listdir(tmp_path) == []


def test_what_stands_beside_a_file_goes_with_it(tmp_path: Path) -> None:
    left_by_a_killed_process(tmp_path / "checkpoint.pt.diverged")
    write(tmp_path / "checkpoint.pt")
    assert os.listdir(tmp_path) == ["checkpoint.pt"]


@pytest.mark.parametrize(
    ("process", "machine", "hours", "goes"),
    [
        ("own", "own", 0, False),
        ("own", "another", 0, False),
        ("dead", "another", 0, False),  # whose processes are not known here
        ("dead", "another", 25, True),
        ("own", "own", 25, True),
        ("dead", "own", 0, True),
    ],
)
def test_what_is_or_may_be_written_stays(process: str, machine: str, hours: int, goes: bool, tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    own = temporary_beside(path)
    dead = left_by_a_killed_process(path)
    host = f".{os.uname().nodename}."
    name = (own if process == "own" else dead).name.replace(host, host if machine == "own" else ".elsewhere.")
    left = dead.rename(tmp_path / name)
    then = left.stat().st_mtime - hours * 3600
    os.utime(left, (then, then))
    temporary_beside(path)
    assert left.exists() is not goes


def test_files_that_are_no_temporaries_stay(tmp_path: Path) -> None:
    for name in (".data.h5.tmp", "data.h5.1.tmp", ".data.h5.old", ".other.h5.1.tmp", ".data.h5"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    before = sorted(os.listdir(tmp_path))
    write(tmp_path / "data.h5")
    assert sorted(os.listdir(tmp_path)) == sorted([*before, "data.h5"])
    assert FORGOTTEN_SECONDS < 25 * 3600
