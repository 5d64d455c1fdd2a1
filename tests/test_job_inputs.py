"""Every job compares what it reads: files in the place of others, of other settings and damaged ones are refused."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffbench.settings.granularity import TWIN
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.inventory import outdated
from diffbench.study.lineage import Lineage
from tests.jobs import inputs_of, make, make_all, path_of, place, run_job
from tests.snakemake_runs import TINY

STUDY: dict[str, Any] = TINY | {
    "name": "misplaced",
    "data": {"name": "moons", "points": 40},
    "pairs": True,
    "models": {"own": {"kind": "mlp", "width": 16, "blocks": 1}, "copies": {"kind": "planted", "copies": 0.5}},
    "center": {"model": "own", "train_size": 20, "granularity": "none", "guidance": 0},
    "sweeps": [{"train_size": [10]}, {"guidance": [{"weight": 1.0, "step": 4}]}],
    "seeds": [0, 1],
    "lab": {},
}
LINEAGE = Lineage(parse_study(STUDY, "study"))
GUIDANCE = next(label for label in LINEAGE.study.guidances if label != "0")
OWN: dict[str, Any] = {"model": "own", "train_size": 20, "granularity": "none", "seed": 0, "step": 12}
OWN |= {"guidance": GUIDANCE}
FURTHER = {"train_size": 10, "seed": 1, "step": 4, "guidance": "0", "granularity": f"none{TWIN}"}
CELLS = [OWN, *(OWN | {name: value} for name, value in FURTHER.items())]
PLANTED = OWN | {"model": "copies", "step": 0, "guidance": "0"}
CHANGED = STUDY | {
    "data": STUDY["data"] | {"split_seed": 1},
    "training": {"batch": 8},
    "sampling": STUDY["sampling"] | {"steps": 6},
    "measures": {"gap": STUDY["measures"]["gap"] | {"levels": 5}, "quality": {"dimensions": 3}},
}
"""Every setting that a file of the study can depend on is another one."""
JOBS = (
    "conditions",
    "features",
    "train",
    "optimum",
    "denoise",
    "sample",
    "memorization",
    "overlap",
    "consistency",
    "equivalent",
)


def make_cells(lineage: Lineage, results: Path) -> None:
    """All files of CELLS, and of what they are made of."""
    make_all(lineage, results)
    for cell in CELLS:
        for kind in (layout.DENOISE, layout.EQUIVALENT):
            make(lineage, kind, cell, results)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    make_cells(LINEAGE, folder)
    return folder


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("changed")
    make_cells(Lineage(parse_study(CHANGED, "study")), folder)
    return folder


def check_refused(
    stage: str, name: str, wrong: Path, results: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, no file made, and the wrong file left as it is."""
    before = wrong.read_bytes()
    capsys.readouterr()
    own = PLANTED if stage == "plant" else OWN
    assert run_job(LINEAGE, stage, own, results, **{name: wrong, "out": out}) == 1
    error = capsys.readouterr().err
    assert f"{wrong}: made with other settings, factors or inputs" in error
    assert error.count("\n") == 1
    assert not out.exists()
    assert wrong.read_bytes() == before


@pytest.mark.parametrize("stage", [*JOBS, "plant"])
def test_a_file_in_anothers_place_is_refused(
    stage: str, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = 0
    own = PLANTED if stage == "plant" else OWN
    for name in inputs_of(LINEAGE, stage, own):
        cells = [cell for cell in CELLS if name != "guide" or cell["guidance"] != "0"]
        paths = {results / kind.of(factors) for kind, factors in (place(LINEAGE, name, cell) for cell in cells)}
        for wrong in sorted(paths - {results / path_of(LINEAGE, name, own)}):
            if wrong.exists():
                check_refused(stage, name, wrong, results, tmp_path / "out", capsys)
                refused += 1
    assert refused > 0 or stage in ("conditions", "features")  # which read the images alone


@pytest.mark.parametrize("stage", [*JOBS, "plant"])
def test_a_file_of_other_settings_is_refused(
    stage: str, results: Path, changed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = PLANTED if stage == "plant" else OWN
    names = inputs_of(LINEAGE, stage, own)
    assert names
    for name in names:
        check_refused(stage, name, changed / path_of(LINEAGE, name, own), results, tmp_path / "out", capsys)


@pytest.mark.parametrize("stage", [*JOBS, "plant"])
def test_a_flipped_bit_is_named_and_the_file_marked_until_it_is_made_anew(
    stage: str, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(results, tmp_path / "results")
    own = PLANTED if stage == "plant" else OWN
    rng = np.random.default_rng(0)
    for name in inputs_of(LINEAGE, stage, own):
        path = tmp_path / "results" / path_of(LINEAGE, name, own)
        whole = path.read_bytes()
        for place_of_flip in rng.integers(0, len(whole), 12):
            flipped = bytearray(whole)
            flipped[place_of_flip] ^= 1 << rng.integers(8)
            path.write_bytes(flipped)
            assert run_job(LINEAGE, stage, own, tmp_path / "results") == 1
            assert re.search(rf"{re.escape(str(path))}: (damaged|truncated)", capsys.readouterr().err)
            assert path.read_bytes() == flipped
            assert path_of(LINEAGE, name, own) in set(outdated(LINEAGE, tmp_path / "results"))
        path.write_bytes(whole)
        assert path_of(LINEAGE, name, own) in set(outdated(LINEAGE, tmp_path / "results"))  # marked still
        kind, factors = place(LINEAGE, name, own)
        assert run_job(LINEAGE, kind.stage, factors, tmp_path / "results") == 0
    assert set(outdated(LINEAGE, tmp_path / "results")) == set()


def test_a_damaged_file_that_lies_elsewhere_is_left_where_it_is(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "samples.h5"
    wrong.write_bytes((results / path_of(LINEAGE, "samples", OWN)).read_bytes()[:-7])
    assert run_job(LINEAGE, "memorization", OWN, results, samples=wrong) == 1
    assert "truncated" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["samples.h5"]
