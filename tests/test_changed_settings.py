"""A changed setting on a finished study: all that depends on it is made anew in one run, byte for byte as afresh."""

import shutil
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch

from tests.snakemake_runs import TINY, planned_jobs, snakemake

pytestmark = pytest.mark.pipeline

STUDY: dict[str, Any] = TINY | {
    "steps": [4, 8, 12],
    "models": {"own": {"kind": "mlp", "width": 16, "blocks": 1}},
    "center": TINY["center"] | {"model": "own"},
}
CHANGED: dict[str, Any] = STUDY | {
    "training": {"batch": 16, "learning_rate": 1e-3},
    "models": {"own": {"kind": "mlp", "width": 24, "blocks": 1}},
}
RUN = "results/tiny/own/n20/classes/seed0"


def run(folder: Path, study: dict[str, Any], *arguments: str) -> None:
    folder.mkdir(exist_ok=True)
    done = snakemake(folder, study, "--cores", "2", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def content(folder: Path) -> dict[str, Any]:
    """Bytes of all arrays and checkpoints of the results."""
    found: dict[str, Any] = {}
    for path in sorted(folder.glob("results/**/*.h5")):
        with h5py.File(path) as file:
            for name, array in file.items():
                values = array[()]
                found[f"{path.relative_to(folder)}:{name}"] = (
                    values.tolist() if values.dtype.kind == "O" else values.tobytes()
                )
    for path in sorted(folder.glob("results/**/*.pt")):
        state = torch.load(path, weights_only=True)
        weights = {name: tensor.numpy().tobytes() for name, tensor in state["ema"].items()}
        found[str(path.relative_to(folder))] = weights, state["settings"], state["step"]
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "study"
    run(folder, STUDY)
    return folder


def test_training_and_model_change_all_milestones_at_once_and_back(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "study")
    run(tmp_path / "study", CHANGED, f"{RUN}/step4/checkpoint.pt")  # as if killed after the first milestone
    run(tmp_path / "study", CHANGED)
    run(tmp_path / "fresh", CHANGED)
    assert content(tmp_path / "study") == content(tmp_path / "fresh")
    assert planned_jobs(tmp_path / "study", CHANGED) == {}
    run(tmp_path / "study", STUDY)
    assert content(tmp_path / "study") == content(finished)
