"""A study in parts, by Snakemake's --batch: a cell that fails in one of them takes no other along, and is reported."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.faults.study import completed, run
from tests.moved_studies import MEMORIZATION, NAME, finished
from tests.same_results import differences
from tests.snakemake_runs import TINY

pytestmark = pytest.mark.pipeline

OTHER = MEMORIZATION.replace("step12", "step4")


def test_a_cell_that_fails_in_a_part_of_the_study_is_reported(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    local = finished(tmp_path_factory)
    shutil.copytree(local, tmp_path / "study")
    study, results = tmp_path / "study", tmp_path / "study" / NAME
    for file in (MEMORIZATION, OTHER):
        (results / file).unlink()
    (results / MEMORIZATION / "of someone").mkdir(parents=True)  # where no job can write
    shutil.rmtree(results / "report")
    parts = [run(study, "--cores", "2", "--batch", f"summary={part}/2", study=TINY) for part in (1, 2)]
    told = f"{NAME}/{MEMORIZATION}: cannot be written (Is a directory); move that folder away and run again"
    failed = [part for part in parts if told in part.stdout + part.stderr]
    assert [part.returncode for part in failed] == [1] * len(failed)
    assert 1 <= len(failed) <= 2
    assert "Traceback" not in "".join(part.stdout + part.stderr for part in parts)
    assert "1 of 2 cells complete" in " ".join((results / "report/index.html").read_text().split())
    status = pd.read_csv(results / "summary/status.csv").set_index("file")["state"]
    assert (status[OTHER], status[MEMORIZATION]) == ("done", "unreadable")
    shutil.rmtree(results / MEMORIZATION)
    completed(study, study=TINY)
    assert differences(local / NAME, results) == []
