"""Disks full at any stage: one error that says so, nothing half-written, and with room all comes to the same."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from diffbench import cli
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.lineage import Lineage
from tests.faults.conftest import Undisturbed
from tests.faults.study import LONG, NAME, STUDY, completed, names_in, run, wrong
from tests.full_disks import fill, free_bytes, small_disk
from tests.jobs import run_job
from tests.same_results import differences

pytestmark = pytest.mark.pipeline

LINEAGE = Lineage(parse_study(STUDY, "plane.yaml"))
CELL = {"model": "mlp-small", "train_size": 32, "granularity": "none", "seed": 0, "step": 12, "guidance": "0"}
PLACES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("data", "features", "conditions", "optimum", "train", "denoise", "equivalent", "sample"), CELL),
    **dict.fromkeys(("memorization", "overlap", "consistency"), CELL),
    "plant": CELL | {"model": "copies", "step": 0},
    "lab": {"topic": "recall"},
}
MOST = 64 * 2**20
"""Bytes of a disk."""
WHOLE_STUDY: dict[str, tuple[str, list[str]]] = {
    "summary": (LINEAGE.summary_spec.model_dump_json(), ["summary", layout.CLAIMS, layout.LAWS, layout.ROWS]),
    "report": (LINEAGE.study.report.model_dump_json(), ["report"]),
}


def begin(stage: str, results: Path) -> int:
    """The exit code of a stage's job."""
    if stage in PLACES:
        return run_job(LINEAGE, stage, PLACES[stage], results)
    return cli.main([stage, "--spec", WHOLE_STUDY[stage][0], "--results", str(results)])


def made_by(stage: str, results: Path) -> list[Path]:
    """What it makes: files, or folders of them."""
    if stage in WHOLE_STUDY:
        return [results / path for path in WHOLE_STUDY[stage][1]]
    if stage == "plant":
        return [results / layout.SAMPLES.of(PLACES[stage])]
    kinds = (kind for kind in layout.KINDS.values() if kind.stage == stage)
    return [results / kind.of(PLACES[stage]) for kind in kinds]


def remove(paths: list[Path]) -> int:
    """Remove files and folders. Returns their bytes."""
    size = 0
    for path in paths:
        files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
        size += sum(each.stat().st_size for each in files)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return size


@pytest.fixture(scope="module")
def disk(undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory):
    """A small disk with the results on it, trajectories included."""
    with small_disk(tmp_path_factory.mktemp("full") / "disk", f"size={MOST}") as disk:
        results = disk / NAME
        shutil.copytree(undisturbed.folder / NAME, results)
        assert begin("sample", results) == 0
        yield disk


@pytest.mark.parametrize("stage", [*PLACES, *WHOLE_STUDY])
def test_every_stage_on_a_full_disk(
    stage: str, disk: Path, undisturbed: Undisturbed, capsys: pytest.CaptureFixture[str]
) -> None:
    results = disk / NAME
    size = remove(made_by(stage, results))
    for share in (0.5,) if stage == "report" else (0.0, 0.5):  # pages take seconds
        fill(disk, int(share * size))
        capsys.readouterr()
        assert begin(stage, results) == 1
        told = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
        assert len(told) == 1
        assert re.match(rf"diffbench {stage}: error: {results}/.*: disk full \(.*\); make room and run again", told[0])
        other = differences(undisturbed.folder / NAME, results)
        assert all(each.endswith((": in one alone", ".tmp")) for each in other), other
    (disk / "filler").unlink()
    assert begin(stage, results) == 0
    assert [each for each in differences(undisturbed.folder / NAME, results) if "trajectories" not in each] == []


def test_a_study_on_a_disk_that_grows_comes_to_the_same(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """All of it lies there: results, what Snakemake keeps, temporary files."""
    size = sum(path.stat().st_size for path in undisturbed.folder.rglob("*") if path.is_file())
    rounds = 8 if LONG else 1
    with small_disk(tmp_path / "disk", f"size={MOST}") as disk:
        for share in (number / (rounds + 1) for number in range(1, rounds + 1)):
            (disk / "filler").unlink(missing_ok=True)
            fill(disk, max(0, int(share * size) - (MOST - free_bytes(disk))))
            done = run(disk)
            told = done.stdout + done.stderr
            assert done.returncode != 0
            assert "disk full" in told or "No space left on device" in told, told  # in Snakemake's words
            assert "Traceback" not in told
            assert not [name for name in names_in(disk) if name.endswith(".tmp")]
        (disk / "filler").unlink()
        completed(disk)
        assert wrong(disk, undisturbed.folder) == []
