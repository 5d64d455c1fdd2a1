"""What is read off a Slurm's own words, and what is refused before anything is submitted."""

import math
import os
from pathlib import Path

import pytest

from diffbench.cluster.slurm import ANY, Partition, allowed, minutes_of, partitions, refuse, sacct_answers
from diffbench.conventions import DiffbenchError

SINFO = """\
printf 'short*|1:00:00|16000\\nshort*|1:00:00|64000\\nlong|7-12:00:00|128000+\\nopen|infinite|4000\\n'
"""


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a command before all others of its name."""

    def put(name: str, script: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return put


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [("1:00:00", 60), ("30:00", 30), ("7-12:00:00", 10800), ("2-00:00:30", 2880.5), ("infinite", math.inf)],
)
def test_times_are_read_as_slurm_writes_them(limit: str, minutes: float) -> None:
    assert minutes_of(limit) == minutes


def test_partitions_are_known_by_what_sinfo_says(says) -> None:
    says("sinfo", SINFO)
    found = partitions()
    assert found["short"] == found[""] == Partition("short", 60, 64000)
    assert found["long"] == Partition("long", 10800, 128000)
    assert allowed(found, None) == found["short"]
    assert allowed(found, "short,long") == Partition("short,long", 10800, 128000)
    assert allowed(found, "elsewhere").minutes == math.inf


@pytest.mark.parametrize("script", ["echo no; exit 1\n", "exit 0\n"])
def test_where_slurm_says_nothing_nothing_is_refused(says, script: str) -> None:
    says("sinfo", script)
    assert partitions() == {}
    refuse("train x", "train", 1e9, 1e9, allowed({}, None))


def test_what_a_partition_never_takes_is_refused_with_what_to_do() -> None:
    short = Partition("short", 60, 64000)
    refuse("train x", "train", 60, 64000, short)
    refuse("train x", "train", 1e9, 1e9, ANY)
    with pytest.raises(
        DiffbenchError, match=r"^train x asks for 61 minutes, and partition short lets a job run 60: .*"
    ) as told:
        refuse("train x", "train", 61, 1, short)
    assert "--set-resources train:runtime=60" in str(told.value)
    with pytest.raises(DiffbenchError, match=r"no node of partition short has more than 64000: .*train:mem_mb=64000"):
        refuse("train x", "train", 1, 64001, short)


def test_limits_are_said_to_the_last_digit() -> None:
    """So that they can be typed as they stand, also those of a node of terabytes."""
    large = Partition("large", 2880.5, 2063717)
    with pytest.raises(DiffbenchError, match=r"more than 2063717: .*train:mem_mb=2063717\)$"):
        refuse("train x", "train", 1, 2063718, large)
    with pytest.raises(DiffbenchError, match=r"run 2880: .*train:runtime=2880\)$"):
        refuse("train x", "train", 2881, 1, large)


@pytest.mark.parametrize(("status", "answers"), [(0, True), (1, False)])
def test_sacct_is_there_only_if_it_answers(says, status: int, answers: bool) -> None:
    says("sacct", f"exit {status}\n")
    assert sacct_answers() is answers
