"""The train stage: segments, killed and resumed ones, refusals."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
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
from diffbench.files import run_state
from diffbench.files.checkpoint import RESUMED, read_checkpoint
from diffbench.files.output import UnwritableError
from diffbench.files.run_state import RunState
from diffbench.settings.models import Dit, Mlp, ModelDefinition, Optimal, Unet
from diffbench.settings.training import TrainingSettings
from diffbench.stages import train
from diffbench.study import layout
from diffbench.study.specs import TrainSpec
from diffbench.training.trainer import batch_indices
from tests.damaged_files import flip
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


LAST = 9
"""The last milestone of a run, if no other is given."""


def run(
    path: Path,
    train_spec: TrainSpec,
    state: Path | None = None,
    images: TrainingSet | None = None,
    save_seconds: float = train.SAVE_SECONDS,
    last: int = LAST,
) -> bytes:
    """Train a segment as the stage does, on images in memory."""
    images = images or some_images()
    trainer = train.fresh_trainer(train_spec, images, CPU)
    train.train_segment(trainer, train_spec, images, path, state, last, save_seconds)
    return path.read_bytes()


def step_of(state: Path) -> int:
    return read_checkpoint(state, fields=RESUMED)["step"]


def stopped(path: Path, train_spec: TrainSpec, state: Path | None, step: int) -> None:
    """Training that ends right after a save at `step`, as by a kill."""
    images = spoiled(range(step + 1, int(train_spec.factors["step"]) + 1))
    with pytest.raises(DiffbenchError, match=f"diverged by step {step + 1}"):
        run(path, train_spec, state, images, save_seconds=-1)
    assert not path.exists()


def test_the_stage_trains_on_the_files_of_the_stages_before(tmp_path: Path) -> None:
    data, conditions, out = (tmp_path / name for name in ("data.h5", "conditions.h5", "checkpoint.pt"))
    np.save(tmp_path / "own.npy", np.random.default_rng(0).random((60, 5, 5)))
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
    """Each trains the difference alone: the images of the steps before are spoiled."""
    whole = run(tmp_path / "whole.pt", spec(LAST, model))
    for chain in ([3, LAST], [1, 2, 8, LAST]):
        done, last = 0, b""
        for step in chain:
            last = run(tmp_path / f"{step}.pt", spec(step, model), tmp_path / "state.pt", spoiled(range(1, done + 1)))
            done = step
        assert last == whole
        assert not (tmp_path / "state.pt").exists()


@pytest.mark.parametrize("model", KINDS, ids=lambda model: model.kind)
@pytest.mark.parametrize("name", ["state.pt", "out.pt.partial"])
def test_a_stopped_segment_goes_on_from_its_last_save(name: str, model: ModelDefinition, tmp_path: Path) -> None:
    """Also where the stage is called without a state of the run."""
    whole = run(tmp_path / "whole.pt", spec(LAST, model, dropout=0.1))
    path, state = tmp_path / "out.pt", None if "partial" in name else tmp_path / name
    stopped(path, spec(LAST, model, dropout=0.1), state, 5)
    assert step_of(tmp_path / name) == 5
    assert run(path, spec(LAST, model, dropout=0.1), state, spoiled(range(1, 6))) == whole
    assert sorted(os.listdir(tmp_path)) == ["losses.csv", "out.pt", "whole.pt"]


def test_a_checkpoint_holds_what_is_measured_and_the_state_the_rest(tmp_path: Path) -> None:
    run(tmp_path / "out.pt", spec(4), tmp_path / "state.pt")
    checkpoint = torch.load(tmp_path / "out.pt", weights_only=True)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert set(checkpoint) == {"step", "settings", "ema"}
    assert set(state) == {*checkpoint, "weights", "optimizer", "seconds", "losses"}
    assert (checkpoint["step"], checkpoint["settings"]) == (state["step"], state["settings"])
    assert all(torch.equal(checkpoint["ema"][name], tensor) for name, tensor in state["ema"].items())


def test_the_state_stays_for_later_milestones_and_where_training_took_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state.pt"
    run(tmp_path / "4.pt", spec(4), state)
    monkeypatch.setattr(train, "KEEP_SECONDS", read_checkpoint(state, fields=RESUMED)["seconds"])
    run(tmp_path / "5.pt", spec(5), state, last=5)  # with the seconds of the segment before it took longer
    assert step_of(state) == 5
    monkeypatch.setattr(train, "KEEP_SECONDS", 1000.0)
    run(tmp_path / "6.pt", spec(6), state, last=6)
    assert not state.exists()


def test_a_further_state_is_neither_used_nor_overwritten(tmp_path: Path) -> None:
    """A milestone that is put in between later, or made anew: stopped, it goes on from a state of its own."""
    state, path, own = (tmp_path / name for name in ("state.pt", "out.pt", "out.pt.partial"))
    run(tmp_path / "8.pt", spec(8), state)
    further = state.read_bytes()
    stopped(path, spec(6), state, 4)
    assert step_of(own) == 4
    assert run(path, spec(6), state, spoiled(range(1, 5))) == run(tmp_path / "whole.pt", spec(6))
    assert not own.exists()
    assert state.read_bytes() == further
    assert run(path, spec(LAST), state, spoiled(range(1, 9))) == run(tmp_path / "whole.pt", spec(LAST))


@pytest.mark.parametrize("strange", [spec(2, seed=1), spec(2, learning_rate=0.1), spec(8, learning_rate=0.1)])
def test_a_state_of_other_settings_is_not_used_and_overwritten(strange: TrainSpec, tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    run(tmp_path / "strange.pt", strange, state)
    assert run(tmp_path / "out.pt", spec(4), state) == run(tmp_path / "whole.pt", spec(4))
    assert run(tmp_path / "out.pt", spec(5), state, spoiled(range(1, 5))) == run(tmp_path / "whole.pt", spec(5))


def _flipped(state: Path) -> None:
    flip(state, state.stat().st_size // 3)


def _directory(state: Path) -> None:
    state.unlink()
    state.mkdir()
    (state / "something").touch()


def _a_checkpoint(state: Path) -> None:
    run(state, spec(3))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (Path.unlink, ""),
        (_flipped, "damaged: its content is not what was written"),
        (lambda state: os.truncate(state, 100), "truncated, or not written by this diffbench"),
        (_directory, "cannot be read: Is a directory"),
        (_a_checkpoint, "not a checkpoint of diffbench"),
    ],
    ids=["deleted", "flipped", "truncated", "directory", "checkpoint"],
)
def test_without_a_whole_state_training_starts_anew(
    damage: Callable[[Path], None], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state.pt"
    run(tmp_path / "out.pt", spec(3), state)
    damage(state)
    capsys.readouterr()
    assert run(tmp_path / "out.pt", spec(5), state) == run(tmp_path / "whole.pt", spec(5))
    notes = re.findall("^note: .*; it is dropped, .*$", capsys.readouterr().err, re.MULTILINE)
    assert [f"{told}" in note for note in notes] == [True] * bool(told)


def test_two_jobs_that_write_one_state_at_once_end_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another job of the run does all its work between two saves of this one."""
    state, save, others = tmp_path / "state.pt", RunState.save, [spec(8), spec(5)]

    def interrupted(run_state: RunState, reached: dict[str, Any]) -> None:
        save(run_state, reached)
        if others and reached["step"] in (3, 6):
            other = others.pop()
            run(tmp_path / f"{other.factors['step']}.pt", other, state, save_seconds=-1)

    monkeypatch.setattr(RunState, "save", interrupted)
    run(tmp_path / "9.pt", spec(LAST), state, save_seconds=-1)
    monkeypatch.undo()
    assert others == []
    for step in (5, 8, LAST):
        assert (tmp_path / f"{step}.pt").read_bytes() == run(tmp_path / "whole.pt", spec(step))
    assert sorted(os.listdir(tmp_path)) == ["5.pt", "8.pt", "9.pt", "losses.csv", "whole.pt"]


KILLED = """
import sys
from pathlib import Path
from tests.test_train_stage import run, spec
out, state, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
run(out, spec(steps, dropout=0.1), state, save_seconds=0.02)
"""


def test_killed_by_sigkill_and_resumed(tmp_path: Path) -> None:
    """A real kill at a moment that nobody chose: the same command then ends with the bytes of a straight run."""
    path, state, steps = tmp_path / "out.pt", tmp_path / "state.pt", 400
    command = [sys.executable, "-c", KILLED, str(path), str(state), str(steps)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not path.exists()
    assert 0 < step_of(state) < steps
    assert run(path, spec(steps, dropout=0.1), state) == run(tmp_path / "whole.pt", spec(steps, dropout=0.1))


@pytest.mark.parametrize("save_seconds", [-1.0, 1000.0])
def test_divergence_is_one_error_and_writes_nothing_bad(save_seconds: float, tmp_path: Path) -> None:
    path, state = tmp_path / "out.pt", tmp_path / "state.pt"
    with pytest.raises(DiffbenchError, match=r"diverged by step .*; lower training\.learning_rate"):
        run(path, spec(9), state, spoiled(range(4, 5)), save_seconds)
    assert not path.exists()
    assert state.exists() == (save_seconds < 0)
    if state.exists():
        assert step_of(state) == 3


def test_a_retry_repeats_no_training_that_diverged_but_a_later_run_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []

    def diverge(*_: Any) -> None:
        trained.append(1)
        raise train.DivergedError("diverged by step 4")

    monkeypatch.setattr(train, "read_training_set", lambda *_: some_images())
    monkeypatch.setattr(train, "train_segment", diverge)

    def attempts(*numbers: int) -> int:
        trained.clear()
        for number in numbers:
            with pytest.raises(DiffbenchError, match=r"^diverged by step 4$"):
                train.run(spec(9), tmp_path, tmp_path, tmp_path / "out.pt", device="cpu", attempt=number)
        return len(trained)

    assert attempts(1, 2, 3) == 1
    assert layout.lies_beside(str(layout.divergence(Path("mlp-small/n8/none/seed0/step9/checkpoint.pt"))))
    assert attempts(1, 2) == 1
    (tmp_path / "out.pt.diverged").unlink()  # as where the first attempt was killed
    assert attempts(2) == 1


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


def test_training_goes_on_where_its_state_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = run(tmp_path / "whole.pt", spec(8))
    state = tmp_path / "state.pt"

    def refuse(path: Path, *_: Any) -> None:
        raise UnwritableError(f"{path}: disk full")

    monkeypatch.setattr(run_state, "write_checkpoint", refuse)
    assert run(tmp_path / "out.pt", spec(8), state, save_seconds=-1) == whole
    assert re.findall("^note: .*$", capsys.readouterr().err, re.MULTILINE) == [
        f"note: {state}: disk full; training goes on, but if it is stopped this part is trained anew"
    ]


FULL = """
import sys
from pathlib import Path
from tests.test_train_stage import run, spec
run(Path(sys.argv[1]), spec(9), Path(sys.argv[1]).with_name("state.pt"), save_seconds=-1, last=100)
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
