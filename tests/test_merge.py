"""Merging results that were split, damaged, made twice, or killed on the way: what stands is whole, the rest told."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from diffbench import cli
from diffbench.files.sealed import fingerprint_at
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.lineage import Lineage
from tests.damaged_files import edit_sealed, flip, seal_anew
from tests.moved_studies import (
    CELL,
    CELL_FOLDER,
    CHECKPOINT,
    EARLIER,
    MEMORIZATION,
    NAME,
    SAMPLES,
    copied,
    finished,
)
from tests.snakemake_runs import TINY, command, planned_jobs, snakemake

pytestmark = pytest.mark.pipeline

FILES = 14
EARLIER_FOLDER = str(Path(layout.CHECKPOINT.of(EARLIER)).parent)
LATER_FOLDER = str(Path(CHECKPOINT).parent)
SUMMARY = {"summary": 1, "report": 1, "all": 1}


@pytest.fixture
def whole(tmp_path_factory) -> Path:
    """The results of the study as it was run."""
    return finished(tmp_path_factory) / NAME


@pytest.fixture
def halves(tmp_path, tmp_path_factory, monkeypatch) -> tuple[Path, Path]:
    """Two machines: one made the first milestone, the other the last, both what these share."""
    monkeypatch.chdir(tmp_path)
    for name, other in (("a", LATER_FOLDER), ("b", EARLIER_FOLDER)):
        results = copied(tmp_path_factory, tmp_path / name)
        shutil.rmtree(results / other)
        shutil.rmtree(results / "summary")
    command(tmp_path, TINY)
    return Path("a", NAME), Path("b", NAME)


def merge(capsys, *arguments: object) -> list[str]:
    """Merge into NAME; the lines that are printed."""
    assert cli.main(["merge", NAME, *map(str, arguments), "--study", "tiny.yaml"]) == 0
    return capsys.readouterr().out.splitlines()


def sealed(results: Path) -> dict[str, bytes]:
    """Bytes of the files of all stages."""
    files = {path.relative_to(results).as_posix(): path for path in results.rglob("*") if path.is_file()}
    return {path: file.read_bytes() for path, file in files.items() if layout.place_of(path)}


def numbers(path: Path) -> dict[str, object]:
    with h5py.File(path) as file:
        arrays = {name: array[()] for name, array in file.items()}
    return {name: each.tolist() if each.dtype.kind == "O" else each.tobytes() for name, each in arrays.items()}


def test_halves_become_the_unsplit_study_and_only_its_summary_is_made(halves, whole, tmp_path, capsys):
    lines = merge(capsys, *halves)
    assert sealed(tmp_path / NAME) == sealed(whole)
    assert lines == [
        "a/results/tiny: 9 taken",
        "b/results/tiny: 5 taken, 4 the same as what stands",
        f"{NAME}: study tiny: {FILES} of {FILES} files",
    ]
    assert planned_jobs(tmp_path, TINY) == SUMMARY
    costs = {path.relative_to(whole) for path in whole.rglob(f"*{layout.COST}")}
    assert costs == {path.relative_to(NAME) for path in Path(NAME).rglob(f"*{layout.COST}")}


def test_what_no_source_has_is_computed_and_all_equals_the_unsplit_run(halves, whole, tmp_path, capsys):
    for path in (MEMORIZATION, layout.OVERLAP.of(CELL), layout.DENOISE.of(CELL)):
        (halves[1] / path).unlink()
    lines = merge(capsys, *halves)
    assert "missing: 1 denoise, 1 memorization, 1 overlap, e.g. " in lines[-2]
    again = {"denoise": 1, "memorization": 1, "sample": 1, "overlap": 1}  # trajectories are not kept
    assert planned_jobs(tmp_path, TINY) == SUMMARY | again
    done = snakemake(tmp_path, TINY, "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    made, known = sealed(tmp_path / NAME), sealed(whole)
    assert made.keys() == known.keys()
    new = {SAMPLES, MEMORIZATION, layout.OVERLAP.of(CELL), layout.DENOISE.of(CELL)}
    assert {path for path in made if made[path] != known[path]} <= new
    for path in new:
        assert numbers(tmp_path / NAME / path) == numbers(whole / path)
    for table in ("denoise", "memorization", "overlap", "models"):
        path = layout.table(table)
        assert (tmp_path / NAME / path).read_bytes() == (whole / path).read_bytes()
    assert cli.main(["verify", NAME]) == 0


KILLED = """
import os, signal, sys
from diffbench import cli
from diffbench.verification import merging
counter, whole = [0], getattr(merging, sys.argv[1])
def fatal(*arguments):
    counter[0] += 1
    if counter[0] == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*arguments)
setattr(merging, sys.argv[1], fatal)
cli.main(sys.argv[3:])
"""


@pytest.mark.parametrize(("step", "count"), [("check", 1), ("check", 6), ("read_cost", 4), ("age_alike", 1)])
def test_a_merge_that_is_killed_leaves_whole_files_alone_and_ends_as_if_it_had_not_been(
    halves, whole, tmp_path, capsys, step, count
):
    arguments = ["merge", NAME, *map(str, halves), "--study", "tiny.yaml"]
    done = subprocess.run([sys.executable, "-c", KILLED, step, str(count), *arguments], capture_output=True)
    assert done.returncode == -signal.SIGKILL
    known = sealed(whole)
    left = sealed(tmp_path / NAME)
    assert left.items() <= known.items()
    assert len(left) == {"check": count - 1, "read_cost": count - 1, "age_alike": FILES}[step]
    lines = merge(capsys, *halves)
    assert lines[-1] == f"{NAME}: study tiny: {FILES} of {FILES} files"
    assert sealed(tmp_path / NAME) == known
    assert len({os.stat(Path(NAME, path)).st_mtime_ns for path in known}) == 1
    assert planned_jobs(tmp_path, TINY) == SUMMARY


def test_a_damaged_file_is_named_and_the_next_source_that_has_it_whole_gives_it(halves, whole, tmp_path, capsys):
    flip(halves[0] / layout.DATA.pattern, 1000)
    os.truncate(halves[0] / layout.FEATURES.pattern, 100)
    flip(halves[1] / SAMPLES, 1000)
    lines = merge(capsys, *halves)
    refused = [line for line in lines if line.endswith("; not taken")]
    assert [line.partition(": ")[0] for line in refused] == [
        f"{halves[0]}/data.h5",
        f"{halves[0]}/features.h5",
        f"{halves[1]}/{SAMPLES}",
    ]
    known = sealed(whole)
    assert sealed(tmp_path / NAME) == {path: content for path, content in known.items() if path != SAMPLES}
    assert f"missing: 1 sample, e.g. {SAMPLES}" in lines[-2]
    assert not list(Path("a").rglob("*.broken"))  # sources stay as they are


def test_what_the_folder_holds_already_is_first_but_not_where_it_is_damaged_or_stale(halves, whole, tmp_path, capsys):
    merge(capsys, *halves)
    flip(Path(NAME, SAMPLES), 1000)
    seal_anew(Path(NAME, MEMORIZATION), "0123456789abcdef")
    lines = merge(capsys, *halves)
    assert len([line for line in lines if line.endswith("; not taken")]) == 2
    assert any(line.startswith("note: 1 file of other settings was replaced; ") for line in lines)
    assert sealed(tmp_path / NAME) == sealed(whole)
    assert not list(Path(NAME).rglob("*.broken"))
    flip(Path(NAME, SAMPLES), 1000)
    merge(capsys, halves[0])  # which does not have it
    assert Path(NAME, f"{SAMPLES}.broken").exists()
    assert planned_jobs(tmp_path, TINY)["sample"] == 1


def test_files_of_other_settings_are_refused_and_told(halves, capsys, tmp_path):
    command(tmp_path, TINY | {"sampling": TINY["sampling"] | {"steps": 6}})
    lines = merge(capsys, *halves)
    assert len([line for line in lines if "made with other settings" in line]) == 6
    assert lines[-3:-1] == [
        "b/results/tiny: 4 the same as what stands, 3 not whole or of other settings, 2 taken",
        f"missing: 2 memorization, 2 overlap, 2 sample, e.g. {layout.MEMORIZATION.of(CELL)}; run snakemake, which makes"
        " what measures need",
    ]


def edited(path: Path, edit) -> None:
    before = fingerprint_at(path)
    edit_sealed(path, edit)
    assert fingerprint_at(path) == before


def test_files_made_twice_are_the_same_if_their_numbers_are_and_named_if_not(halves, capsys):
    def later(file) -> None:
        file.attrs["wall_seconds"] = 1e6
        file.attrs["device"] = "cuda:0"

    def other(file) -> None:
        file["pool"][3] += 1

    edited(halves[1] / layout.FEATURES.pattern, later)
    edited(halves[1] / layout.DATA.pattern, lambda file: (later(file), other(file)))
    lines = merge(capsys, *halves)
    (line,) = [line for line in lines if "with other numbers" in line and "made by the same spec" in line]
    first, second = (folder / layout.DATA.pattern for folder in halves)
    assert line == f"{second}: made by the same spec as {first}, with other numbers (pool); that of {halves[0]} stands"
    assert Path(NAME, layout.DATA.pattern).read_bytes() == first.read_bytes()
    assert "1 with the same numbers as what stands" in lines[-2]
    assert "1 with other numbers than what stands" in lines[-2]


def test_versions_and_devices_that_differ_between_sources_are_named(halves, capsys):
    edited(halves[1] / SAMPLES, lambda file: file.attrs.__setitem__("device", "cuda:0"))
    lines = merge(capsys, *halves)
    (line,) = [line for line in lines if line.startswith("note: device differs")]
    assert f"cuda:0 (1 file of {halves[1]})" in line
    assert f"cpu (8 files of {halves[0]})" in line


def test_files_are_linked_where_that_can_be_and_copied_where_not(halves, whole, tmp_path, capsys, monkeypatch):
    lines = merge(capsys, *halves, "--link")
    assert os.path.samefile(Path(NAME, SAMPLES), halves[1] / SAMPLES)
    assert "note: links share their times: run `diffbench adopt` in a source before you go on in it" in lines
    assert sealed(tmp_path / NAME) == sealed(whole)
    assert planned_jobs(tmp_path, TINY) == SUMMARY
    shutil.rmtree(NAME)

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    lines = merge(capsys, *halves, "--link")
    assert f"note: {FILES} files are copies, as the system refuses to link them there" in lines
    assert not os.path.samefile(Path(NAME, SAMPLES), halves[1] / SAMPLES)
    assert sealed(tmp_path / NAME) == sealed(whole)


def test_sources_stay_as_they_are_where_files_are_copied(halves, capsys):
    def state() -> dict[Path, tuple[bytes, int]]:
        files = [path for folder in halves for path in folder.rglob("*") if path.is_file()]
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    before = state()
    merge(capsys, *halves)
    assert state() == before


def test_studies_that_share_cells_are_merged_for_the_study_of_both(halves, whole, tmp_path, capsys):
    """Without --study the first summary's study is asked for, and what it does not ask for is told."""
    for folder, steps in zip(halves, ([4], [12]), strict=True):
        summary = Lineage(parse_study(TINY | {"steps": steps}, "x")).summary_spec.model_dump_json()
        assert cli.main(["summary", "--spec", summary, "--results", str(folder)]) == 0
    assert cli.main(["merge", "smaller/tiny", *map(str, halves)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"note: asked is what the study of {halves[0]} asks for, by its summary"
    assert lines[1].startswith(f"note: {halves[1]}: its summary is of another study or other settings")
    assert "5 not asked for" in lines[-2]
    assert lines[-1] == "smaller/tiny: study tiny: 9 of 9 files"
    merge(capsys, *halves)
    assert sealed(tmp_path / NAME) == sealed(whole)


def test_the_state_of_a_training_is_brought_where_a_milestone_is_missing(halves, whole, capsys):
    state = layout.RUN_STATE.format(**CELL)
    shutil.copy(whole / CHECKPOINT, halves[0] / state)
    lines = merge(capsys, *halves)
    assert not Path(NAME, state).exists()
    shutil.rmtree(NAME)
    (halves[1] / CHECKPOINT).unlink()
    lines = merge(capsys, *halves)
    assert f"{halves[0] / state}: taken, so that training goes on from it" in lines
    assert Path(NAME, state).read_bytes() == (halves[0] / state).read_bytes()
    Path(NAME, state).unlink()
    flip(halves[0] / state, 100)
    lines = merge(capsys, *halves)
    assert any(line.startswith(f"{halves[0] / state}: damaged") for line in lines)
    assert not Path(NAME, state).exists()


def test_folders_that_cannot_be_listed_are_told(halves, capsys, monkeypatch):
    listed, lexists = os.scandir, os.path.lexists
    closed = halves[1] / CELL_FOLDER

    def scandir(path):
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os.path, "lexists", lambda path: not Path(path).is_relative_to(closed) and lexists(path))
    lines = merge(capsys, *halves)
    assert f"{closed}: a folder that cannot be read (Permission denied); nothing in it is taken" in lines
    assert "missing: " in lines[-2]


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["none"], "none: no such folder"),
        (["a/results/tiny", "a/results/../results/tiny"], "name each folder once"),
        ([NAME], f"{NAME}: is {NAME}; name each folder once"),
    ],
)
def test_folders_that_cannot_be_meant_are_refused(halves, capsys, folders, message):
    Path(NAME).mkdir(parents=True)
    assert cli.main(["merge", NAME, *folders]) == 1
    assert message in capsys.readouterr().err


def test_results_that_a_run_writes_are_left_alone(halves, capsys):
    import fcntl

    Path(NAME).mkdir(parents=True)
    with Path(NAME, ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert cli.main(["merge", NAME, *map(str, halves), "--study", "tiny.yaml"]) == 1
    assert "a run writes it" in capsys.readouterr().err
    assert sealed(Path(NAME)) == {}


def test_without_any_summary_the_study_must_be_named(halves, capsys):
    assert cli.main(["merge", NAME, *map(str, halves)]) == 1
    assert "or say by --study FILE of which study these results are" in capsys.readouterr().err
    assert not Path(NAME).exists()
    assert json.loads((halves[0] / layout.SAMPLES.cost.format(**EARLIER)).read_text())["seconds"] > 0
