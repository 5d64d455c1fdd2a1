"""The train stage: segments, killed and resumed ones, refusals."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import Module

from diffbench import cli
from diffbench.conventions import DiffbenchError
from diffbench.data.scaling import Scaling
from diffbench.data.training_set import TrainingSet, read_training_set
from diffbench.files.checkpoint import read_checkpoint
from diffbench.files.faults import StaleFileError
from diffbench.files.output import UnwritableError
from diffbench.settings.models import Dit, Mlp, ModelDefinition, Optimal, Unet
from diffbench.settings.training import TrainingSettings
from diffbench.stages import train
from diffbench.study.specs import TrainSpec
from diffbench.training.trainer import batch_indices
from tests.full_disks import ALWAYS_FULL, small_disk

CPU = torch.device("cpu")
KINDS: list[ModelDefinition] = [
    Mlp(width=8, blocks=1),
    Unet(channels=16, multipliers=(1, 2), blocks=1),
    Dit(width=8, depth=1, heads=2),
]
IMAGES, BATCH = 40, 4
"""One epoch has ten steps: none of the first nine draws an image that another of them has drawn."""


def some_images(shape: tuple[int, ...] = (1, 4, 4)) -> TrainingSet:
    images = np.random.default_rng(0).normal(0, 0.5, (IMAGES, *shape)).astype(np.float32)
    labels = np.arange(IMAGES) % 3
    return TrainingSet(
        images, labels, images[:2], labels[:2], 3, images[:2], Scaling(0.0, 1.0), "float32", labels, labels[:2]
    )


def spoiled(steps: range, seed: int = 0) -> TrainingSet:
    """The same images, but NaN where one of these steps draws them: whatever takes such a step diverges."""
    images = some_images()
    for step in steps:
        images.train[batch_indices(IMAGES, BATCH, seed, step - 1)] = np.nan
    return images


def spec(step: int, model: ModelDefinition = KINDS[0], seed: int = 0, **training: Any) -> TrainSpec:
    factors: dict[str, int | float | str] = {"model": "tiny", "seed": seed, "step": step}
    settings = TrainingSettings.parse({"batch": BATCH} | training, "test")
    return TrainSpec(factors=factors, model=model, training=settings)


def run(
    path: Path,
    train_spec: TrainSpec,
    start: Path | None = None,
    images: TrainingSet | None = None,
    save_seconds: float = train.SAVE_SECONDS,
) -> bytes:
    """Train a segment as the stage does, on images in memory."""
    images = images or some_images()
    trainer = train.fresh_trainer(train_spec, images, CPU)
    train.train_segment(trainer, train_spec, images, path, start, save_seconds)
    return path.read_bytes()


def test_the_stage_trains_on_the_files_of_the_stages_before(tmp_path: Path) -> None:
    data, conditions, out = (tmp_path / name for name in ("data.h5", "conditions.h5", "checkpoint.pt"))
    np.save(tmp_path / "own.npy", np.random.default_rng(0).random((60, 4, 4)))
    subset = {"factors": {"train_size": IMAGES, "granularity": "random-3"}, "seed": 0}
    own = {"name": "file", "path": str(tmp_path / "own.npy"), "validation": 20}
    assert cli.main(["data", "--spec", json.dumps(own), "--out", str(data)]) == 0
    read = ["--data", str(data), "--out"]
    assert cli.main(["conditions", "--spec", json.dumps(subset), *read, str(conditions)]) == 0
    options = ["--conditions", str(conditions), "--device", "cpu"]
    assert cli.main(["train", "--spec", spec(9).model_dump_json(), *read, str(out), *options]) == 0
    expected = run(tmp_path / "expected.pt", spec(9), images=read_training_set(data, conditions))
    assert out.read_bytes() == expected != run(tmp_path / "other.pt", spec(9))


@pytest.mark.parametrize("model", KINDS, ids=lambda model: model.kind)
def test_segments_write_the_bytes_of_one_run(model: ModelDefinition, tmp_path: Path) -> None:
    whole = run(tmp_path / "whole.pt", spec(9, model))
    for chain in ([3], [1, 2, 8]):
        start = None
        for step in chain:
            path = tmp_path / f"{len(chain)}-{step}.pt"
            run(path, spec(step, model), start)
            start = path
        assert run(tmp_path / f"{len(chain)}-9.pt", spec(9, model), start) == whole


@pytest.mark.parametrize("model", KINDS, ids=lambda model: model.kind)
def test_the_side_file_of_a_stopped_segment_is_resumed(model: ModelDefinition, tmp_path: Path) -> None:
    """Stopped right after a save, as by a kill: the rest, and no more, is trained; the side file goes."""
    whole = run(tmp_path / "whole.pt", spec(9, model, dropout=0.1))
    path, side = tmp_path / "out.pt", tmp_path / "out.pt.partial"
    with pytest.raises(DiffbenchError, match="diverged by step 6"):
        run(path, spec(9, model, dropout=0.1), images=spoiled(range(6, 10)), save_seconds=-1)
    assert not path.exists()
    assert read_checkpoint(side)["step"] == 5
    assert run(path, spec(9, model, dropout=0.1), images=spoiled(range(1, 6))) == whole
    assert not side.exists()


def test_a_side_file_of_other_settings_is_not_resumed(tmp_path: Path) -> None:
    path, side = tmp_path / "out.pt", tmp_path / "out.pt.partial"
    fresh = run(path, spec(4))
    for strange in (spec(2, seed=1), spec(2, learning_rate=0.1), spec(5)):
        run(side, strange)
        assert run(path, spec(4)) == fresh


KILLED = """
import sys
from pathlib import Path
from tests.test_train_stage import run, spec
run(Path(sys.argv[1]), spec(int(sys.argv[2]), dropout=0.1), save_seconds=0.02)
"""


def test_killed_by_sigkill_and_resumed(tmp_path: Path) -> None:
    """A real kill at a moment that nobody chose: the same command then ends with the bytes of a straight run."""
    path, side = tmp_path / "out.pt", tmp_path / "out.pt.partial"
    steps = 400
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path), str(steps)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not side.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not path.exists()
    assert 0 < read_checkpoint(side)["step"] < steps
    assert run(path, spec(steps, dropout=0.1)) == run(tmp_path / "whole.pt", spec(steps, dropout=0.1))


def test_other_settings_refuse_the_checkpoint_before(tmp_path: Path) -> None:
    run(tmp_path / "start.pt", spec(2))
    with pytest.raises(DiffbenchError, match=r"start\.pt: made with other settings or data, or of a later step"):
        run(tmp_path / "out.pt", spec(4, learning_rate=0.1), tmp_path / "start.pt")


@pytest.mark.parametrize("save_seconds", [-1.0, 1000.0])
def test_divergence_is_one_error_and_writes_nothing_bad(save_seconds: float, tmp_path: Path) -> None:
    path, side = tmp_path / "out.pt", tmp_path / "out.pt.partial"
    with pytest.raises(DiffbenchError, match=r"diverged by step .*; lower training\.learning_rate"):
        run(path, spec(9), images=spoiled(range(4, 5)), save_seconds=save_seconds)
    assert not path.exists()
    assert side.exists() == (save_seconds < 0)
    if side.exists():
        assert read_checkpoint(side)["step"] == 3


@pytest.mark.parametrize(
    ("limit", "advice"),
    [(12, "8 fit: set training.accumulation to 4"), (1, "1 fit: .* to 32"), (0, "not even one image fits")],
)
def test_out_of_memory_says_what_would_fit(limit: int, advice: str, tmp_path: Path) -> None:
    """A network that needs more than there is for more than `limit` images."""

    def refuse(network: Module, inputs: tuple[Tensor, ...]) -> None:
        if len(inputs[0]) > limit:
            raise torch.OutOfMemoryError

    def train_limited(train_spec: TrainSpec) -> None:
        trainer = train.fresh_trainer(train_spec, some_images(), CPU)
        trainer.network.register_forward_pre_hook(refuse)
        train.train_segment(trainer, train_spec, some_images(), tmp_path / "out.pt")

    with pytest.raises(DiffbenchError, match=f"out of GPU memory with 32 images at once; {advice}"):
        train_limited(spec(3, batch=32))
    assert os.listdir(tmp_path) == []
    if limit >= 8:
        train_limited(spec(3, batch=32, accumulation=4))


def test_what_cannot_be_trained(tmp_path: Path) -> None:
    with pytest.raises(DiffbenchError, match="kind 'optimal' cannot be trained"):
        run(tmp_path / "out.pt", spec(1, model=Optimal()))
    with pytest.raises(DiffbenchError, match="1x4x4 have sides that 8 does not divide"):
        run(tmp_path / "out.pt", spec(1, model=Unet(channels=16, multipliers=(1, 1, 1, 1), blocks=1)))
    with pytest.raises(DiffbenchError, match="horizontal_flip: the data are no images"):
        run(tmp_path / "out.pt", spec(1, horizontal_flip=True), images=some_images((2,)))
    assert os.listdir(tmp_path) == []


def test_training_goes_on_where_its_side_file_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = run(tmp_path / "whole.pt", spec(9))
    write = train.write_checkpoint

    def refuse(path: Path, *arguments: Any) -> None:
        if path.name == "out.pt.partial":
            raise UnwritableError(f"{path}: disk full")
        write(path, *arguments)

    monkeypatch.setattr(train, "write_checkpoint", refuse)
    assert run(tmp_path / "out.pt", spec(9), save_seconds=-1) == whole
    assert re.findall("^note: .*$", capsys.readouterr().err, re.MULTILINE) == [
        f"note: {tmp_path}/out.pt.partial: disk full; training goes on, but if it is stopped this part is trained anew"
    ]


FULL = """
import sys
from pathlib import Path
from tests.test_train_stage import run, spec
run(Path(sys.argv[1]), spec(9), save_seconds=-1)
"""


def train_logged(out: Path, log: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", FULL, str(out)], stderr=log, text=True)


def test_training_goes_on_where_its_log_takes_nothing(tmp_path: Path) -> None:
    with ALWAYS_FULL.open("w") as log:
        train_logged(tmp_path / "out.pt", log)
    assert (tmp_path / "out.pt").read_bytes() == run(tmp_path / "whole.pt", spec(9))


def test_training_on_a_full_disk_goes_on_to_its_checkpoint(tmp_path: Path) -> None:
    needed = -(-len(run(tmp_path / "whole.pt", spec(9))) // 1000)
    with small_disk(tmp_path / "disk", "size=16k") as disk:
        told = train_logged(disk / "out.pt", subprocess.PIPE).stderr
        assert len(re.findall("^note: .*: disk full .*$", told, re.MULTILINE)) == 1
        assert "9/9" in told
        assert f"out.pt: disk full ({needed} kB needed, 16 kB free); make room and run again" in told
        assert os.listdir(disk) == []


def test_a_start_of_a_later_step_is_refused(tmp_path: Path) -> None:
    """A later checkpoint of the same run, put in the place of the start, would pass for this segment's end."""
    run(tmp_path / "later.pt", spec(4))
    with pytest.raises(StaleFileError, match=r"later\.pt: .*of a later step"):
        run(tmp_path / "out.pt", spec(2), start=tmp_path / "later.pt")
    assert not (tmp_path / "out.pt").exists()
