"""Writing on full disks: one line with path and sizes, no crash, the file before kept and no temporary left."""

import errno
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from diffbench import cli
from diffbench.conventions import DiffbenchError
from diffbench.data.formats.spool import spooled
from diffbench.files import store
from diffbench.files.checkpoint import write_checkpoint
from diffbench.files.output import LostWriteError, Output, UnwritableError, atomic, write_csv, written
from diffbench.files.temporary import temporary_beside
from tests.full_disks import ALWAYS_FULL, fill, small_disk
from tests.snakemake_runs import TINY, snakemake

ROOT = Path(__file__).parent.parent
RNG = np.random.default_rng(0)
VARIABLES = {f"text{i}": store.Variable(np.array(["word" * (j % 9) for j in range(90)]), ("a",), "x") for i in range(3)}
VARIABLES |= {f"small{i}": store.Variable(RNG.random((90, 3)), ("a", "b"), "x") for i in range(9)}
VARIABLES |= {"plain": store.Variable(RNG.random((90, 60)), ("a", "d"), "not compressed", compressed=False)}
VARIABLES |= {"large": store.Variable(RNG.random((90, 150)), ("a", "c"), "more than what HDF5 keeps in memory")}
WEIGHTS = {f"w{i}": torch.ones(30, 30) for i in range(9)}


def write_stage_file(path: Path) -> None:
    store.write(path, "test", VARIABLES, {"factors": {"model": "m"}})


def write_weights(path: Path) -> None:
    write_checkpoint(path, {"step": 1, "weights": WEIGHTS})


def write_numbers(path: Path) -> None:
    write_csv(path, pd.DataFrame(VARIABLES["large"].values[:, :20]))


def write_reading_back(path: Path) -> None:
    """As a library does that finds no sense in what was not written."""
    with written(path) as file:
        file.write(b"x" * 30_000)
        file.seek(0)
        buffer = bytearray(30_000)
        file.readinto(memoryview(buffer))
        if 0 in buffer:
            raise KeyError("nonsense")


WRITERS = {each.__name__: each for each in (write_stage_file, write_weights, write_numbers, write_reading_back)}
each_writer = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond `size`: the system cuts the write that would, and refuses those after it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def stop_after_every_byte(name: str, folder: Path) -> None:
    """Writes that fail after 0, 1, ... bytes (not all of them, but of every kind), in a process that may crash."""
    write, path = WRITERS[name], folder / "file"
    write(path)
    whole = path.read_bytes()
    for size in [*range(0, len(whole), 601), len(whole) - 1]:
        with pytest.raises(UnwritableError) as caught, largest_file(size):
            write(path)
        assert str(caught.value).startswith(f"{path}: cannot be written (File too large); check")
        assert path.read_bytes() == whole
        assert os.listdir(folder) == ["file"]
    with largest_file(len(whole)):
        write(path)
    print(f"{len(whole)} bytes")


@pytest.mark.parametrize("name", WRITERS)
def test_whichever_byte_cannot_be_written_it_is_one_error(name: str, tmp_path: Path) -> None:
    code = f"from tests.test_output import *; stop_after_every_byte({name!r}, Path({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout.split()[0]) > 20_000


@each_writer
def test_what_is_needed_and_what_is_free_is_told(write: Callable[[Path], None], tmp_path: Path) -> None:
    write(tmp_path / "whole")
    size = (tmp_path / "whole").stat().st_size
    with small_disk(tmp_path / "disk", "size=1m") as disk:
        path = disk / "file"
        path.write_text("before")
        for free in (0, 4096, 8192, 20480):
            fill(disk, free)
            with pytest.raises(UnwritableError) as caught:
                write(path)
            found = re.fullmatch(
                r"(.*): disk full \((more than )?(\d+) kB needed, (\d+) kB free\); make room and run again",
                str(caught.value),
            )
            assert found
            assert found[1] == str(path)
            needed = free if found[2] else size  # of text that others write no more is known than what was written
            assert int(found[3]) == -(-needed // 1000)
            assert int(found[4]) == free // 1000
            assert path.read_text() == "before"
            assert sorted(os.listdir(disk)) == ["file", "filler"]
        (disk / "filler").unlink()
        write(path)
        assert path.read_bytes() == (tmp_path / "whole").read_bytes()


@each_writer
def test_a_device_that_is_always_full(write: Callable[[Path], None], tmp_path: Path) -> None:
    """The same without a disk of one's own: what is written goes to /dev/full."""
    path = tmp_path / "file"
    temporary_beside(path).symlink_to(ALWAYS_FULL)
    with pytest.raises(UnwritableError, match=r"/file: disk full \(.* needed, \d+ [kMG]B free\); make room"):
        write(path)
    assert os.listdir(tmp_path) == []


def test_a_disk_that_takes_no_more_files(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1m,nr_inodes=2") as disk:
        (disk / "last").touch()
        for path in (disk / "file", disk / "folder" / "file"):
            with pytest.raises(UnwritableError, match=r"/file: disk full \(it takes no more files\); make room"):
                write_stage_file(path)


def test_after_a_failed_write_zeros_stand_for_what_is_not_there(tmp_path: Path) -> None:
    buffer = bytearray(b"?" * 30)
    with largest_file(10), Output(tmp_path / "file") as file:
        assert file.write(b"x" * 20) == 20
        assert file.tell() == 20
        assert file.write(b"y" * 5) == 5
        assert file.truncate(100) == 100
        file.seek(4)
        assert file.readinto(memoryview(buffer)) == 30
        with pytest.raises(LostWriteError) as caught:
            file.check()
    assert bytes(buffer) == b"x" * 6 + bytes(24)
    assert (caught.value.errno, caught.value.needed) == (errno.EFBIG, 25)


@pytest.mark.parametrize(("owner", "name"), [(os, "fsync"), (Path, "replace")], ids=["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, r"disk full \(more than 30 kB needed, \d+ [kMG]B free\); make room and run again"),
        (errno.EDQUOT, r"quota used up \(more than 30 kB needed\); make room and run again"),
        (errno.EIO, r"cannot be written \(Input/output error\); check its folder and disk, and run again"),
    ],
)
def test_disks_that_tell_it_late(
    owner: object, name: str, number: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(owner, name, fail)
    with pytest.raises(UnwritableError, match=f"/file: {message}"):
        write_reading_back(tmp_path / "file")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with pytest.raises(UnwritableError, match=r"/plain/deep/file: cannot be written \(Not a directory\); check"):
        write_stage_file(tmp_path / "plain/deep/file")
    assert os.listdir(tmp_path) == ["plain"]


def test_other_errors_are_left_as_they_are(tmp_path: Path) -> None:
    for context in (atomic, written):
        with pytest.raises(KeyError), context(tmp_path / "file"):
            raise KeyError
    assert os.listdir(tmp_path) == []


def test_hdf5_leaves_the_file_open_for_what_comes_behind_it(tmp_path: Path) -> None:
    import h5py

    with written(tmp_path / "file") as output:
        with h5py.File(output, "w") as file:
            file["x"] = np.arange(3)
        length = output.seek(0, os.SEEK_END)
        output.write(b"trailer")
    assert (tmp_path / "file").read_bytes()[length:] == b"trailer"
    with h5py.File(tmp_path / "file") as file:
        assert np.array_equal(file["x"], [0, 1, 2])  # pyright: ignore[reportArgumentType]


def command(*arguments: str, stderr: Path) -> subprocess.CompletedProcess[str]:
    with stderr.open("w") as log:
        line = [sys.executable, "-m", "diffbench", *arguments]
        return subprocess.run(line, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT)


def test_the_features_stage_and_its_log_on_a_full_disk(tmp_path: Path) -> None:
    """HDF5 used to end with a segmentation fault here. Where even the log has no room, standard output tells it."""
    data = tmp_path / "data.h5"
    assert cli.main(["data", "--spec", '{"name": "digits"}', "--out", str(data)]) == 0
    stage = ["features", "--spec", '{"space": "pca"}', "--data", str(data), "--out"]
    with small_disk(tmp_path / "disk", "size=512k") as disk:
        for kilobytes in (0, 8, 24, 64):
            fill(disk, kilobytes * 1024)
            done = command(*stage, str(disk / "features.h5"), stderr=disk / "log")
            assert done.returncode > 0  # by no signal
            told = done.stdout + (disk / "log").read_text()
            assert re.fullmatch(r"diffbench features: error: .*/features\.h5: disk full \(.*\); make room.*\n", told)
            assert sorted(os.listdir(disk)) == ["filler", "log"]
            (disk / "log").unlink()


def test_an_error_is_told_where_the_log_takes_nothing(tmp_path: Path) -> None:
    done = command("features", "--spec", "{}", "--data", "none", "--out", str(tmp_path / "x"), stderr=ALWAYS_FULL)
    assert done.returncode > 0
    assert re.fullmatch("diffbench features: error: none: no such file.*\n", done.stdout)


def test_output_that_has_no_room_is_one_line(tmp_path: Path) -> None:
    """What a stage prints beside its result."""
    done = command("data", "--spec", '{"name": "digits"}', "--out", str(tmp_path / "x"), stderr=ALWAYS_FULL)
    assert done.returncode > 0
    assert re.fullmatch("diffbench data: error: the log .*: disk full; make room and run again\n", done.stdout)


PARTS = [np.full((10, 1000), value) for value in (1.0, 2.0, 3.0)]


def copied() -> np.ndarray:
    return spooled((30, 1000), np.dtype(np.float32), PARTS)


def test_temporary_copies_that_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for size in (0, 1, 40_000, 119_999):
        problem = pytest.raises(UnwritableError, match=r"cannot be written \(File too large\); set TMPDIR")
        with problem, largest_file(size):
            copied()
    with largest_file(120_000):
        assert np.array_equal(copied(), np.concatenate(PARTS))
    assert os.listdir(tmp_path) == []


def test_temporary_copies_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path / "disk", "size=64k") as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        with pytest.raises(UnwritableError) as caught:
            copied()
        message = f"{disk}: disk full (120 kB needed, 65 kB free); set TMPDIR to a folder on a larger disk"
        assert str(caught.value) == message


def test_no_folder_takes_a_temporary_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(DiffbenchError, match="temporary files: No such file or directory; set TMPDIR"):
        copied()


@pytest.mark.pipeline
def test_a_study_on_a_full_disk_says_so_and_summarizes_what_exists(tmp_path: Path) -> None:
    with small_disk(tmp_path / "results", "size=4m") as disk:
        assert snakemake(tmp_path, TINY, "--cores", "2", "--until", "optimum").returncode == 0
        fill(disk, 200_000)
        done = snakemake(tmp_path, TINY, "--cores", "2")
        assert done.returncode == 1
        assert re.search(r"train: error: results/tiny/\S+/checkpoint\.pt: disk full \(\d+ kB needed, ", done.stderr)
        assert "Traceback" not in done.stderr
        status = pd.read_csv(disk / "tiny/summary/status.csv").set_index("file")
        assert status.loc["optimum/n20/classes.h5", "state"] == "done"
        assert "disk full" in str(status.loc["mlp-small/n20/classes/seed0/step4/denoise.h5", "reason"])
        assert re.search(r"report: error: results/tiny/\S+: disk full \(more than", done.stderr)
        assert not list(disk.rglob("*.tmp"))


@pytest.mark.pipeline
def test_results_on_a_read_only_disk_are_one_line(tmp_path: Path) -> None:
    with small_disk(tmp_path / "results", "ro"):
        done = snakemake(tmp_path, TINY, "--cores", "2")
        assert done.returncode == 1
        message = "diffbench: error: results/tiny: cannot be written (Read-only file system); check its folder and disk"
        assert message in done.stdout + done.stderr
