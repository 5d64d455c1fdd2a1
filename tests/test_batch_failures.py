"""What a batch of jobs tells of itself after a failure, and a Snakemake that knows no batches."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from diffbench.cluster.batch import Batch, _state
from diffbench.cluster.scheduling import let_in
from diffbench.conventions import DiffbenchError


@pytest.mark.parametrize(
    ("existed", "then", "left"),
    [
        (True, "as it was", True),
        (True, "made", False),
        (True, "gone", True),
        (False, "gone", True),
        (False, "made", False),
    ],
)
def test_jobs_are_left_whose_file_is_missing_or_as_it_was(tmp_path: Path, existed: bool, then: str, left: bool) -> None:
    """Snakemake takes away an old file before its job begins: one that then fails leaves none."""
    path = tmp_path / "file"
    if existed:
        path.write_text("old")
    job: Any = SimpleNamespace(output=[str(path)])
    batch = object.__new__(Batch)
    batch.jobs, batch.toposorted, batch._before = [job], [[job]], {str(path): _state(str(path))}
    if then == "gone":
        path.unlink(missing_ok=True)
    elif then == "made":
        (tmp_path / "new").write_text("new")
        os.replace(tmp_path / "new", path)
    assert batch.left == ([job] if left else [])


def test_a_snakemake_that_lacks_what_batches_take_is_refused() -> None:
    """Later ones may name otherwise what they keep for themselves."""
    workflow = SimpleNamespace(dag=SimpleNamespace(_group={}), scheduler=SimpleNamespace())
    with pytest.raises(DiffbenchError, match=r"^jobs cannot share .* no _ready_jobs, .*tmpdir: .*batch_minutes=0"):
        let_in(workflow, {})
