"""A changed setting on a finished study: all that depends on it is made anew in one run, byte for byte as afresh.

Afresh means by the jobs one after the other in this process, without Snakemake.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch

from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.lineage import Lineage
from tests.jobs import make_all
from tests.snakemake_runs import TINY, planned_jobs, snakemake

pytestmark = pytest.mark.pipeline

STUDY: dict[str, Any] = TINY | {
    "steps": [4, 8, 12],
    "models": {"own": {"kind": "mlp", "width": 16, "blocks": 1}},
    "center": TINY["center"] | {"model": "own"},
}
CHANGES: dict[str, dict[str, Any]] = {
    "training": {"training": {"batch": 16, "learning_rate": 1e-3}},
    "model": {"models": {"own": {"kind": "mlp", "width": 24, "blocks": 1}}},
    "sampling": {"sampling": TINY["sampling"] | {"steps": 6}},
    "gap": {"measures": {"gap": TINY["measures"]["gap"] | {"levels": 5}}},
    "quality": {"measures": TINY["measures"] | {"quality": {"space": "pca", "dimensions": 8}}},
    "data": {"data": TINY["data"] | {"split_seed": 1}},
}
RUN = "own/n20/classes/seed0"


def run(folder: Path, study: dict[str, Any], *arguments: str) -> None:
    done = snakemake(folder, study, "--cores", "2", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def content(results: Path) -> dict[str, Any]:
    """Bytes of all arrays and checkpoints of a study's stages, but for trajectories, which are temporary."""
    read: dict[str, Any] = {}
    for path in sorted(results.rglob("*.h5")):
        name = path.relative_to(results).as_posix()
        if layout.place_of(name) is None or path.name == layout.TRAJECTORIES.pattern.rpartition("/")[2]:
            continue
        with h5py.File(path) as file:
            for key, array in file.items():
                values = array[()]
                read[f"{name}:{key}"] = values.tolist() if values.dtype.kind == "O" else values.tobytes()
    for path in sorted(results.rglob("*.pt")):
        state = torch.load(path, weights_only=True)
        weights = {key: tensor.numpy().tobytes() for key, tensor in state["ema"].items()}
        read[path.relative_to(results).as_posix()] = weights, state["settings"], state["step"]
    return read


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "study"
    folder.mkdir()
    run(folder, STUDY)
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "study")
    return tmp_path / "study"


@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_setting_makes_all_that_depends_on_it_anew_and_back(
    kind: str, finished: Path, copied: Path, tmp_path: Path
) -> None:
    changed = STUDY | CHANGES[kind]
    if kind == "training":  # as if killed behind the first milestone
        run(copied, changed, f"results/tiny/{RUN}/step4/checkpoint.pt")
    run(copied, changed)
    make_all(Lineage(parse_study(changed, "study")), tmp_path / "fresh")
    assert content(copied / "results/tiny") == content(tmp_path / "fresh")
    assert planned_jobs(copied, changed) == {}
    run(copied, STUDY)
    assert content(copied / "results/tiny") == content(finished / "results/tiny")


def test_a_changed_setting_is_noticed_where_snakemake_has_no_record(copied: Path) -> None:
    shutil.rmtree(copied / ".snakemake")
    assert planned_jobs(copied, STUDY) == {}
    assert planned_jobs(copied, STUDY | CHANGES["sampling"]) == {
        "sample": 3, "memorization": 3, "overlap": 3, "summary": 1, "report": 1, "all": 1
    }  # fmt: skip
    jobs = planned_jobs(copied, STUDY | CHANGES["training"])
    assert {name: jobs[name] for name in ("train", "denoise", "sample")} == {"train": 3, "denoise": 3, "sample": 3}
    assert not {"data", "features", "conditions", "optimum"} & set(jobs)


def test_files_in_each_others_place_and_damaged_ones_are_made_anew(finished: Path, copied: Path) -> None:
    results = copied / "results/tiny"
    pairs = [
        (f"{RUN}/step4/w0/memorization.h5", f"{RUN}/step8/w0/memorization.h5"),
        (f"{RUN}/step8/checkpoint.pt", f"{RUN}/step12/checkpoint.pt"),
    ]
    for one, other in pairs:
        (results / one).rename(results / "kept")
        (results / other).rename(results / one)
        (results / "kept").rename(results / other)
    for truncated in (f"{RUN}/step4/w0/samples.h5", "optimum/n20/classes.h5"):
        whole = (results / truncated).read_bytes()
        (results / truncated).write_bytes(whole[: len(whole) // 2])
    (results / f"{RUN}/step12/w0/overlap.h5").write_bytes(b"")
    run(copied, STUDY)
    assert content(results) == content(finished / "results/tiny")


def test_a_summary_of_another_study_is_noticed_where_snakemake_has_no_record(copied: Path) -> None:
    manifest = copied / "results/tiny/summary/manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"made_by": "0" * 16}))
    shutil.rmtree(copied / ".snakemake")
    assert planned_jobs(copied, STUDY) == {"summary": 1, "report": 1, "all": 1}


def test_a_deleted_measure_is_made_anew_without_a_record_and_a_manifest(copied: Path) -> None:
    shutil.rmtree(copied / ".snakemake")
    (copied / f"results/tiny/{RUN}/step8/w0/overlap.h5").unlink()
    again = {"sample": 1, "overlap": 1, "summary": 1, "report": 1, "all": 1, "memorization": 1}  # trajectories are gone
    assert planned_jobs(copied, STUDY) == again
    (copied / "results/tiny" / layout.MANIFEST).unlink()
    assert planned_jobs(copied, STUDY) == again
