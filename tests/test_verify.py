"""Verifying results with the truth planted: all that is done to a file is told, nothing else is, nothing changes."""

import json
import os
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from diffbench import cli
from diffbench.files import store
from diffbench.files.sealed import fingerprint_at
from diffbench.files.store import read
from diffbench.study import layout
from diffbench.verification import folder as folders
from diffbench.verification.folder import STATES
from tests.damaged_files import DAMAGES, edit_sealed, flip
from tests.moved_studies import (
    CELL,
    CELL_FOLDER,
    CHECKPOINT,
    EARLIER,
    EARLIER_SAMPLES,
    MEMORIZATION,
    NAME,
    SAMPLES,
    copied,
)
from tests.snakemake_runs import TINY, command

pytestmark = pytest.mark.pipeline

RESULTS = 14
"""Files of stages."""


@pytest.fixture
def results(tmp_path, tmp_path_factory, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    copied(tmp_path_factory, tmp_path)
    return Path(NAME)


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of every file."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def verify(capsys, *arguments: str) -> tuple[int, list[str]]:
    """Exit code and the lines that are printed; that nothing changes is a test in itself."""
    before = tree(Path(NAME))
    code = cli.main(["verify", NAME, *arguments])
    assert tree(Path(NAME)) == before
    said = capsys.readouterr()
    return code, (said.out + said.err).splitlines()


def counts(capsys, *arguments: str) -> tuple[int, dict[str, int], dict[str, tuple[str, str]]]:
    """Exit code, the counts of states that occur, and state and text by file."""
    code, (line,) = verify(capsys, "--json", *arguments)
    record = json.loads(line)
    assert list(record["counts"]) == list(STATES)
    found = {each["file"]: (each["state"], each["text"]) for each in record["findings"]}
    return code, {state: count for state, count in record["counts"].items() if count}, found


def test_a_whole_study_is_whole_by_its_summary_and_by_its_file(results, capsys):
    code, states, found = counts(capsys)
    assert (code, found) == (0, {})
    assert set(states) == {"whole", "without digests"}
    assert states["whole"] > RESULTS
    assert (code, states, found) == counts(capsys, "--study", "tiny.yaml")
    code, lines = verify(capsys)
    assert code == 0
    assert lines == [f"{NAME}: study tiny: {states['whole']} whole, {states['without digests']} without digests"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_told_of_that_file_alone(results, capsys, damage):
    act, state = DAMAGES[damage]
    act(results / MEMORIZATION)
    code, states, found = counts(capsys)
    assert found.pop(MEMORIZATION)[0] == state
    assert {path: each[0] for path, each in found.items()} == (
        {f"{MEMORIZATION}/something": "foreign"} if damage == "a directory" else {}
    )
    assert states[state] == 1
    assert code == (0 if state == "missing" else 1)


@pytest.mark.parametrize("place", ["first", "last", "middle"])
@pytest.mark.parametrize("path", [CHECKPOINT, layout.DATA.pattern, SAMPLES])
def test_one_flipped_bit_anywhere_is_found(results, capsys, path, place):
    size = (results / path).stat().st_size
    flip(results / path, {"first": 0, "last": size - 1, "middle": size // 2}[place], bit=5)
    code, lines = verify(capsys)
    assert code == 1
    assert len(lines) == 2
    assert lines[0].startswith(f"{NAME}/{path}: ")
    assert "; `diffbench adopt` marks it" in lines[0] or "seal" in lines[0]


def test_adopt_marks_what_is_damaged_so_that_the_advice_holds(results, capsys):
    flip(results / SAMPLES, 100)
    assert cli.main(["adopt", "--study", "tiny.yaml"]) == 0
    capsys.readouterr()
    code, _, found = counts(capsys)
    assert code == 1
    assert set(found) == {SAMPLES}
    assert (results / f"{SAMPLES}.broken").exists()


def test_a_mark_on_a_whole_file_is_told(results, capsys):
    (results / f"{SAMPLES}.broken").write_text(f"/elsewhere/{SAMPLES}: holds no array 'samples'\n")
    told = "whole by its seal, but marked by a job (holds no array 'samples'); a run makes it anew"
    code, _, found = counts(capsys)
    assert code == 1
    assert found == {SAMPLES: ("broken", told)}


def test_swapped_cells_are_each_told_where_they_belong(results, capsys):
    one, other = results / SAMPLES, results / EARLIER_SAMPLES
    one.rename("aside")
    other.rename(one)
    Path("aside").rename(other)
    code, states, found = counts(capsys)
    assert code == 1
    assert states["misplaced"] == 2
    assert EARLIER_SAMPLES in found[SAMPLES][1]
    assert f"belongs at {SAMPLES}" in found[EARLIER_SAMPLES][1]
    assert len(found) == 2


def test_factors_inside_are_held_against_the_path(results, capsys):
    """Sealed anew with the right fingerprint: only what the file says itself tells."""

    def change(file) -> None:
        file.attrs["factors"] = json.dumps(CELL | {"step": 4})

    edit_sealed(results / SAMPLES, change)
    code, _, found = counts(capsys)
    assert code == 1
    assert found[SAMPLES][0] == "misplaced"
    assert "is of step 4, and its path says step 12" in found[SAMPLES][1]


def test_what_a_changed_setting_makes_stale_is_stale_and_nothing_else(results, tmp_path, capsys):
    command(tmp_path, TINY | {"measures": TINY["measures"] | {"quality": {"space": "pca", "dimensions": 8}}})
    code, _, found = counts(capsys, "--study", "tiny.yaml")
    assert code == 1
    stale = {layout.FEATURES.pattern, MEMORIZATION, layout.MEMORIZATION.of(EARLIER), layout.MANIFEST}
    assert {path: each[0] for path, each in found.items()} == dict.fromkeys(stale, "stale")
    assert counts(capsys)[0] == 0  # of the study of its summary


def test_what_is_missing_is_told_with_the_reason_and_is_no_error(results, capsys):
    shutil.rmtree(results / CELL_FOLDER)
    log = results / layout.SAMPLES.log().format(**CELL)
    log.write_text("diffbench sample: error: no room\n")
    code, lines = verify(capsys)
    assert code == 0
    assert len(lines) == 4
    assert {line.partition(": missing (diffbench sample: error: no room)")[1] for line in lines[:3]} != {""}


def test_files_of_no_study_are_told_and_are_no_error(results, capsys):
    (results / "notes.txt").write_text("mine")
    (results / "other-model/n20/classes/seed0/step4").mkdir(parents=True)
    foreign = "other-model/n20/classes/seed0/step4/denoise.h5"
    surplus = layout.SAMPLES.of(CELL | {"seed": 7})
    (results / surplus).parent.mkdir(parents=True)
    shutil.copy(results / layout.DENOISE.of(CELL), results / foreign)
    left = f"{CELL_FOLDER}/.samples.h5.123.tmp"
    (results / left).write_bytes(b"half")
    (results / "lab").mkdir()
    (results / f"{CELL_FOLDER}/else.h5.broken").write_text("x")
    code, _, found = counts(capsys)
    assert found.pop(foreign)[0] == "misplaced"
    assert {path: each[0] for path, each in found.items()} == {
        "notes.txt": "foreign",
        left: "left over",
        f"{CELL_FOLDER}/else.h5.broken": "left over",
    }
    assert code == 1
    (results / foreign).unlink()
    assert counts(capsys)[0] == 0


def test_whole_files_of_cells_that_a_smaller_study_lacks_are_not_asked_for(results, tmp_path, capsys):
    command(tmp_path, TINY | {"steps": [4]})
    code, states, found = counts(capsys, "--study", "tiny.yaml")
    assert states["not asked for"] == 5  # checkpoint, losses, samples and two measures
    assert {path: each[0] for path, each in found.items() if each[0] != "not asked for"} == {layout.MANIFEST: "stale"}
    assert code == 1


@pytest.mark.parametrize("path", ["summary/denoise.csv", "summary/denoise.h5", layout.CLAIMS, layout.MANIFEST])
def test_the_summary_is_held_against_its_manifest(results, capsys, path):
    flip(results / path, (results / path).stat().st_size // 2)
    code, lines = verify(capsys, "--study", "tiny.yaml")
    assert code == 1
    assert lines[0].startswith(f"{NAME}/{path}: damaged: ")
    (results / path).unlink()
    code, lines = verify(capsys, "--study", "tiny.yaml")
    assert code == 0
    assert lines[0].startswith(f"{NAME}/{path}: ")


def test_a_study_without_summary_needs_its_file(results, capsys):
    (results / layout.MANIFEST).unlink()
    code, (line,) = verify(capsys)
    assert code == 1
    assert line.endswith("or say by --study FILE of which study these results are")
    assert verify(capsys, "--study", "tiny.yaml")[0] == 0


def test_a_folder_and_a_file_that_cannot_be_read_are_told_and_all_else_is_read(results, capsys, monkeypatch):
    """As root one may read all: the system's refusal is planted."""
    listed, opened = os.scandir, Path.open
    closed = results / CELL_FOLDER

    def scandir(path):
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    def refuse(path: Path, *arguments, **named):
        if path == results / EARLIER_SAMPLES:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **named)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(Path, "open", refuse)
    code = cli.main(["verify", NAME, "--json"])
    record = json.loads(capsys.readouterr().out)
    assert code == 1
    assert {each["file"]: each["state"] for each in record["findings"]} == {
        CELL_FOLDER: "unreadable",
        EARLIER_SAMPLES: "unreadable",
    }
    assert record["counts"]["missing"] == 0


def test_versions_and_devices_that_differ_are_named_and_no_error(results, capsys):
    def change(file) -> None:
        file.attrs["device"] = "cuda:0"
        file.attrs["versions"] = json.dumps(versions | {"numpy": "9.9"})

    versions = read(results / SAMPLES, "sample").attributes["versions"]
    edit_sealed(results / SAMPLES, change)
    code, lines = verify(capsys)
    assert code == 0
    assert lines[0].startswith("note: device differs: cpu (")
    assert f"cuda:0 (1 file, e.g. {SAMPLES})" in lines[0]
    assert f"9.9 (1 file, e.g. {SAMPLES})" in lines[1]
    assert len(lines) == 3


def test_files_are_read_one_at_a_time(results, capsys, monkeypatch):
    """What is kept of a file is its state: no file's arrays are held, and none is read twice."""
    read_files: list[str] = []
    judge = folders.judge

    def counted(asked, where, path, *place):
        read_files.append(path)
        return judge(asked, where, path, *place)

    monkeypatch.setattr(folders, "judge", counted)
    verify(capsys)
    assert len(read_files) == len(set(read_files)) == RESULTS


def test_a_large_file_is_read_block_by_block(results, capsys):
    fingerprint = fingerprint_at(results / layout.DATA.pattern) or ""
    zeros = store.Variable(np.zeros(2**26, np.uint8), ("pool",), "nothing", compressed=False)
    store.write(results / layout.DATA.pattern, "data", {"x": zeros}, {}, fingerprint)
    del zeros
    tracemalloc.start()
    try:
        assert cli.main(["verify", NAME]) == 0
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
    assert capsys.readouterr().err == ""


def test_a_state_of_training_is_held_against_its_seal_and_costs_against_their_form(results, capsys):
    state = layout.RUN_STATE.format(**CELL)
    shutil.copy(results / CHECKPOINT, results / state)
    assert counts(capsys)[0] == 0
    flip(results / state, 50)
    cost = layout.SAMPLES.cost.format(**CELL)
    (results / cost).write_text("{}")
    _, _, found = counts(capsys)
    assert {path: each[0] for path, each in found.items()} == {state: "broken", cost: "broken"}
    assert all("delete it" in each[1] for each in found.values())


def test_fingerprints_are_what_the_tests_above_think(results):
    assert fingerprint_at(results / SAMPLES) != fingerprint_at(results / EARLIER_SAMPLES)
