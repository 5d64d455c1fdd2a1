"""The train stage: segments, killed and resumed ones, refusals."""

import os
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

from diffbench.conventions import DiffbenchError
from diffbench.data.training_set import TrainingSet
from diffbench.files.checkpoint import read_checkpoint
from diffbench.settings.models import Dit, Mlp, ModelDefinition, Optimal, Unet
from diffbench.settings.training import TrainingSettings
from diffbench.stages import train
from diffbench.study.specs import TrainSpec
from diffbench.training.trainer import Trainer

KINDS: list[ModelDefinition] = [
    Mlp(width=8, blocks=1),
    Unet(channels=16, multipliers=(1, 2), blocks=1),
    Dit(width=8, depth=1, heads=2),
]
NOWHERE = Path("not-read")


def some_images(shape: tuple[int, ...] = (1, 4, 4)) -> TrainingSet:
    images = np.random.default_rng(0).normal(0, 0.5, (10, *shape)).astype(np.float32)
    labels = np.arange(10) % 3
    return TrainingSet(images, labels, images[:2], labels[:2], 3, images[:2], 1.0, 0.0, "float32")


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images in memory instead of the files of the stages before."""
    monkeypatch.setattr(train, "read_training_set", lambda data, conditions: some_images())


def spec(step: int, model: ModelDefinition = KINDS[0], seed: int = 0, **training: Any) -> TrainSpec:
    factors: dict[str, int | float | str] = {"model": "tiny", "seed": seed, "step": step}
    settings = TrainingSettings.parse({"batch": 4} | training, "test")
    return TrainSpec(factors=factors, model=model, training=settings)


def run(path: Path, train_spec: TrainSpec, start: Path | None = None) -> bytes:
    train.run(train_spec, NOWHERE, NOWHERE, path, start, "cpu")
    return path.read_bytes()


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
def test_the_side_file_of_a_stopped_segment_is_resumed(
    model: ModelDefinition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped right after a save, as by a kill; the rest is trained from there, and the side file goes."""
    whole = run(tmp_path / "whole.pt", spec(9, model, dropout=0.1))
    path, side = tmp_path / "out.pt", tmp_path / "out.pt.partial"
    original = Trainer._update
    with monkeypatch.context() as patch:
        patch.setattr(train, "SAVE_SECONDS", -1.0)
        patch.setattr(Trainer, "_update", lambda self: original(self) if self.step < 5 else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(path, spec(9, model, dropout=0.1))
    assert not path.exists()
    assert read_checkpoint(side)["step"] == 5
    steps = []
    monkeypatch.setattr(Trainer, "_update", lambda self: steps.append(self.step) or original(self))
    assert run(path, spec(9, model, dropout=0.1)) == whole
    assert steps == [5, 6, 7, 8]
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
from diffbench.stages import train
from tests.test_train_stage import some_images, spec
train.read_training_set = lambda data, conditions: some_images()
train.SAVE_SECONDS = 0.02
train.run(spec(int(sys.argv[2]), dropout=0.1), Path(), Path(), Path(sys.argv[1]), None, "cpu")
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
    with pytest.raises(DiffbenchError, match=r"start\.pt: made with other settings; delete it"):
        run(tmp_path / "out.pt", spec(4, learning_rate=0.1), tmp_path / "start.pt")


@pytest.mark.parametrize("save_seconds", [-1.0, 1000.0])
def test_divergence_is_one_error_and_writes_nothing_bad(
    save_seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "SAVE_SECONDS", save_seconds)
    original = Trainer._update

    def update(self: Trainer) -> None:
        if self.step == 3:
            self._parameters[0].grad = torch.full_like(self._parameters[0], float("nan"))
        original(self)

    monkeypatch.setattr(Trainer, "_update", update)
    path, side = tmp_path / "out.pt", tmp_path / "out.pt.partial"
    with pytest.raises(DiffbenchError, match=r"diverged by step .*; lower training\.learning_rate"):
        run(path, spec(9))
    assert not path.exists()
    if side.exists():
        assert read_checkpoint(side)["step"] == 3


@pytest.mark.parametrize(
    ("limit", "advice"),
    [(12, "8 fit: set training.accumulation to 4"), (1, "1 fit: .* to 32"), (0, "not even one image fits")],
)
def test_out_of_memory_says_what_would_fit(
    limit: int, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that holds `limit` images."""
    original = Trainer._backward_part

    def backward_part(self: Trainer, batch: Any) -> Tensor:
        if len(batch.clean) > limit:
            raise torch.OutOfMemoryError
        return original(self, batch)

    monkeypatch.setattr(Trainer, "_backward_part", backward_part)
    with pytest.raises(DiffbenchError, match=f"out of GPU memory with 32 images at once; {advice}"):
        run(tmp_path / "out.pt", spec(3, batch=32))
    assert os.listdir(tmp_path) == []
    if limit >= 8:
        run(tmp_path / "out.pt", spec(3, batch=32, accumulation=4))


def test_what_cannot_be_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DiffbenchError, match="kind 'optimal' cannot be trained"):
        run(tmp_path / "out.pt", spec(1, model=Optimal()))
    with pytest.raises(DiffbenchError, match="1x4x4 have sides that 8 does not divide"):
        run(tmp_path / "out.pt", spec(1, model=Unet(channels=16, multipliers=(1, 1, 1, 1), blocks=1)))
    monkeypatch.setattr(train, "read_training_set", lambda data, conditions: some_images((2,)))
    with pytest.raises(DiffbenchError, match="horizontal_flip: the data are no images"):
        run(tmp_path / "out.pt", spec(1, horizontal_flip=True))
    assert os.listdir(tmp_path) == []
