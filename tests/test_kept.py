"""Rows that the summary keeps save opening files, and change nothing else: tables are what they are without them."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffbench.files import store
from diffbench.files.sealed import seal
from diffbench.stages import summary
from diffbench.study import layout
from diffbench.study.specs import SummarySpec
from diffbench.study.study import Study
from diffbench.summary import TABLES, kept
from diffbench.summary.rows import ESTIMATE, FACTORS, Labels, Rows
from tests.damaged_files import edit_sealed, flip, seal_anew, without_array
from tests.report_studies import make_study

STUDY = {"seeds": [0], "sweeps": [{"guidance": [0.0, 1.0]}]}
CELL = "mlp-small/n32/classes/seed0/step400"
OTHER = f"{CELL}/w0/memorization.h5"
MEMORIZATION, DENOISE = f"{CELL}/w1/memorization.h5", f"{CELL}/denoise.h5"
HOUR_NS = 3600 * 10**9
Act = Callable[[Path], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Study]:
    folder = tmp_path_factory.mktemp("made")
    return folder, make_study(folder, STUDY)


@pytest.fixture
def results(made, tmp_path, monkeypatch) -> Path:
    """A study whose rows are kept, of files that were written long before they are read."""
    now = time.time_ns()
    monkeypatch.setattr(kept.time, "time_ns", lambda: now + HOUR_NS)
    shutil.copytree(made[0], tmp_path / "study")
    summarize(tmp_path / "study", made[1])
    return tmp_path / "study"


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """Paths of the measures that are read."""
    paths: list[str] = []
    for name in ("read", "excerpt"):
        original = getattr(store, name)
        monkeypatch.setattr(
            store, name, lambda path, *rest, original=original: (paths.append(path), original(path, *rest))[1]
        )
    return paths


def summarize(results: Path, study: Study) -> dict[str, bytes]:
    """Tables, claims and laws."""
    summary.run(SummarySpec(study=study), results)
    paths = (*results.glob("summary/*.csv"), results / layout.CLAIMS, results / layout.LAWS)
    return {path.name: path.read_bytes() for path in paths}


def with_other_values(file: h5py.File) -> None:
    for name in {"value", "curve_value"} & file.keys():
        array = file[name]
        assert isinstance(array, h5py.Dataset)
        array[...] = array[()] / 2  # another exponent alone: compressed no larger, so written in the same place


def changed(path: str) -> Act:
    return lambda results: edit_sealed(results / path, with_other_values)


def changed_in_secret(results: Path) -> None:
    """Other content of the same size at the same time."""
    path = results / MEMORIZATION
    before = path.stat()
    edit_sealed(path, with_other_values)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


CHANGES: dict[str, tuple[Act, set[str]]] = {
    "nothing": (lambda results: None, set()),
    "a file made anew": (changed(MEMORIZATION), {MEMORIZATION}),
    "losses made anew": (changed(DENOISE), {DENOISE, DENOISE.replace("step400", "step100")}),
    "the same size and time, but other content": (changed_in_secret, {MEMORIZATION}),
    "a flipped bit": (lambda results: flip(results / MEMORIZATION, 3000), {MEMORIZATION}),
    "a file that is gone": (lambda results: (results / MEMORIZATION).unlink(), {MEMORIZATION}),
    "of another spec": (lambda results: seal_anew(results / MEMORIZATION, "0123456789abcdef"), {MEMORIZATION}),
    "a copy of another's": (lambda results: shutil.copy(results / OTHER, results / MEMORIZATION), {MEMORIZATION}),
    "without an array": (lambda results: without_array("reason")(results / MEMORIZATION), {MEMORIZATION}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_tables_are_those_of_a_summary_without_kept_rows(results, made, opened, change):
    act, read = CHANGES[change]
    act(results)
    opened.clear()
    with_rows = summarize(results, made[1])
    asked = {path.relative_to(results).as_posix() for path in opened}
    assert asked & set(made[1].files) == read  # and no other measure
    (results / layout.ROWS).unlink()
    assert with_rows == summarize(results, made[1])


def test_another_study_of_the_same_files_takes_what_it_has(results, made):
    larger = made[1].model_copy(update={"seeds": [0, 1]})
    with_rows = summarize(results, Study.model_validate_json(larger.model_dump_json()))
    other = made[1].measures.gap.model_copy(update={"levels": 30})
    measures = made[1].measures.model_copy(update={"gap": other})
    changed_study = Study.model_validate_json(made[1].model_copy(update={"measures": measures}).model_dump_json())
    of_other = summarize(results, changed_study)
    assert b"stale" in of_other["status.csv"]
    (results / layout.ROWS).unlink()
    assert of_other == summarize(results, changed_study)
    assert with_rows == summarize(results, Study.model_validate_json(larger.model_dump_json()))


SPOILS: dict[str, Act] = {
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "a flipped bit": lambda path: flip(path, 100),
    "no index": lambda path: sealed_as(path, b"rows"),
    "of another version": lambda path: sealed_as(path, b'{"version": "2", "files": {}}' + (29).to_bytes(8, "little")),
}


def sealed_as(path: Path, content: bytes) -> None:
    with path.open("w+b") as file:
        file.write(content)
        seal(file)


@pytest.mark.parametrize("spoil", SPOILS)
def test_rows_that_are_of_no_use_are_made_anew(results, made, opened, spoil):
    expected = summarize(results, made[1])
    SPOILS[spoil](results / layout.ROWS)
    opened.clear()
    assert summarize(results, made[1]) == expected
    assert len(opened) >= len(made[1].files)
    opened.clear()
    assert summarize(results, made[1]) == expected
    assert not {path.relative_to(results).as_posix() for path in opened} & set(made[1].files)


def test_files_that_may_still_change_within_the_grain_of_the_clock_are_read_again(made, tmp_path, opened):
    shutil.copytree(made[0], tmp_path / "study")
    summarize(tmp_path / "study", made[1])
    opened.clear()
    summarize(tmp_path / "study", made[1])
    assert len(opened) >= len(made[1].files)


def test_hdf5_tables_hold_what_the_csv_do(results):
    xarray = pytest.importorskip("xarray")
    guidance = store.read(results / layout.table("memorization", "h5"), "table")["guidance"]
    assert set(guidance) == {"0", "1"}
    for name in TABLES:
        table = pd.read_csv(
            results / layout.table(name), keep_default_na=False, na_values=[""], dtype={"guidance": str}
        )
        with xarray.open_dataset(results / layout.table(name, "h5"), engine="h5netcdf") as dataset:
            assert list(dataset.data_vars) == list(table.columns)
            for column in table:
                if table[column].notna().any():
                    expected = table[column].fillna("") if table[column].dtype.kind not in "if" else table[column]
                    np.testing.assert_array_equal(dataset[column].to_numpy(), expected.to_numpy())


@given(
    numbers=st.lists(st.floats(), min_size=1, max_size=5),
    texts=st.lists(st.text(alphabet='a",\n\r ä;0', max_size=4), min_size=2, max_size=2),
)
def test_lines_are_those_that_pandas_writes(numbers, texts):
    measure, reason = texts
    count = len(numbers)
    labels = Labels((measure,) * count, ("pixels",) * count, tuple(numbers))
    rows = Rows(labels, np.array([numbers] * 3), np.arange(count), {0: reason} if reason else {}, {})
    factors = {"model": "a,b", "train_size": "32", "granularity": "classes", "seed": "0", "step": "7"}
    typed = {"model": "a,b", "train_size": 32, "granularity": "classes", "seed": 0, "step": 7}
    records = [
        typed
        | {"sigma": number, "measure": measure, "space": "pixels", "value": number, "low": number, "high": number}
        | {"n": place, "reason": reason if place == 0 else ""}
        for place, number in enumerate(numbers)
    ]
    expected = pd.DataFrame(records).reindex(columns=FACTORS + ESTIMATE).to_csv(index=False, header=False)
    assert rows.lines(factors).decode() == expected
