"""Train: one segment of a run, from the milestone before (or from fresh weights) to the next."""

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.data.training_set import TrainingSet, read_training_set
from diffbench.denoisers.build import fresh_network
from diffbench.devices import pick_device
from diffbench.files.checkpoint import read_checkpoint, write_checkpoint
from diffbench.files.faults import REBUILD, StaleFileError
from diffbench.files.output import UnwritableError
from diffbench.files.surroundings import Log
from diffbench.settings.models import Dit, Mlp, Unet
from diffbench.study.layout import side_file
from diffbench.study.specs import TrainSpec
from diffbench.training.allocator import keep_freed_memory
from diffbench.training.trainer import Trainer, TrainingStep

SAVE_SECONDS = 30.0
"""Between saves of the side file from which a killed segment resumes."""
SHOW_SECONDS = 5.0
"""Between updates of the progress bar: reading the loss makes a GPU wait."""


def run(
    spec: TrainSpec, data: Path, conditions: Path, out: Path, start: Path | None = None, device: str = "auto"
) -> None:
    """Train to step factors["step"] from the checkpoint `start`, or from the side file that a killed run left."""
    keep_freed_memory()
    training_set = read_training_set(data, conditions, spec.inputs)
    trainer = fresh_trainer(spec, training_set, pick_device(device))
    train_segment(trainer, spec, training_set, out, start)


def fresh_trainer(spec: TrainSpec, training_set: TrainingSet, device: torch.device) -> Trainer:
    """A trainer at step 0. DiffbenchError if the model cannot be trained on such data."""
    if not isinstance(spec.model, Mlp | Unet | Dit):
        raise DiffbenchError(f"a model of kind '{spec.model.kind}' cannot be trained")
    shape = training_set.shape
    if spec.training.horizontal_flip and len(shape) != 3:
        raise DiffbenchError("training.horizontal_flip: the data are no images; set it to false")
    seed = seed_of("weights", int(spec.factors["seed"]))
    network = fresh_network(spec.model, shape, training_set.label_count, seed, spec.training.dropout)
    return Trainer(network.to(device), spec.training)


def train_segment(
    trainer: Trainer,
    spec: TrainSpec,
    training_set: TrainingSet,
    out: Path,
    start: Path | None = None,
    save_seconds: float = SAVE_SECONDS,
) -> None:
    """Train a fresh trainer to the end of a segment and write its checkpoint.

    Every `save_seconds` the state goes to a side file. Training goes on from that of a killed segment, if there is one,
    else from the checkpoint `start`.
    """
    seed, stop = int(spec.factors["seed"]), int(spec.factors["step"])
    side = side_file(out)
    _resume(trainer, spec, side, start)
    images = torch.from_numpy(training_set.train).to(trainer.device)
    labels = torch.from_numpy(training_set.train_labels).to(trainer.device)
    steps = trainer.run(images, labels, seed, stop)
    side_save = SideSave(partial(_save, trainer, spec, side))
    if not _all_done(steps, trainer.step, stop, side_save, save_seconds):
        raise DiffbenchError(_memory_advice(trainer, images, labels))
    assert trainer.step == stop
    _save(trainer, spec, out)
    side.unlink(missing_ok=True)


def _all_done(
    steps: Iterator[TrainingStep], first: int, stop: int, save: Callable[[], None], save_seconds: float
) -> bool:
    """Do the steps with a progress bar, saving now and then. False if memory does not hold a batch."""
    saved = shown = time.monotonic()
    with tqdm(total=stop, initial=first, unit="step", mininterval=SHOW_SECONDS, file=Log()) as bar:
        try:
            for record in steps:
                now = time.monotonic()
                if now - shown > SHOW_SECONDS or record.step == stop:
                    _show(bar, record)
                    shown = now
                bar.update()
                if now - saved > save_seconds:
                    save()
                    saved = now
        except torch.OutOfMemoryError:
            return False  # the caller deals with it, where the frames that hold the memory are gone
    return True


class SideSave:
    """Saves the side file. Where it cannot be written that is told once, and training goes on: no result needs it."""

    def __init__(self, save: Callable[[], None]) -> None:
        self._save = save
        self._told = False

    def __call__(self) -> None:
        """Save, if that can be."""
        try:
            self._save()
        except UnwritableError as error:
            if not self._told:
                print(f"\nnote: {error}; training goes on, but if it is stopped this part is trained anew", file=Log())
            self._told = True


def _show(bar: "tqdm[Any]", record: TrainingStep) -> None:
    """Loss and rate beside the bar, which shows the time left itself."""
    rate = len(record.losses) * (bar.n - bar.initial) / bar.format_dict["elapsed"]
    bar.set_postfix(loss=f"{float(record.losses.mean()):.4f}", images_per_s=f"{rate:.0f}", refresh=False)


def _save(trainer: Trainer, spec: TrainSpec, path: Path) -> None:
    """Write a checkpoint, unless training has diverged: bad weights must not pass for a result."""
    if not trainer.finite:
        raise DiffbenchError(
            f"training diverged by step {trainer.step}: weights are not finite; lower training.learning_rate"
        )
    write_checkpoint(path, trainer.state() | {"settings": _settings(spec)}, spec.fingerprint)


def _memory_advice(trainer: Trainer, images: Tensor, labels: Tensor) -> str:
    """What to do where a batch does not fit: found by trying halves of it."""
    batch, parts = trainer.settings.batch, trainer.settings.accumulation
    message = f"training.batch: out of GPU memory with {math.ceil(batch / parts)} images at once"
    while parts < batch:
        parts = min(batch, 2 * parts)
        torch.cuda.empty_cache()
        fitting = math.ceil(batch / parts)
        if trainer.fits(images, labels, fitting):
            return f"{message}; {fitting} fit: set training.accumulation to {parts}, the result is the same"
    return f"{message}; not even one image fits: take a smaller model or another GPU"


def _settings(spec: TrainSpec) -> str:
    """What must agree between the segments of one run: data, labels and settings, all but the step."""
    run_factors = {name: value for name, value in spec.factors.items() if name != "step"}
    parts = [run_factors, spec.inputs, spec.model.model_dump(), spec.training.model_dump()]
    return json.dumps(parts, sort_keys=True)


def _resume(trainer: Trainer, spec: TrainSpec, side: Path, start: Path | None) -> None:
    """Load the latest state: the side file if it belongs to this segment, else the checkpoint before."""
    state = _side_state(side, spec)
    if state is None and start is not None:
        state = read_checkpoint(start)
        if state["settings"] != _settings(spec) or state["step"] > int(spec.factors["step"]):
            raise StaleFileError(start, f"made with other settings or data, or of a later step; {REBUILD}")
    if state is not None:
        trainer.load(state)


def _side_state(side: Path, spec: TrainSpec) -> dict[str, Any] | None:
    """What a killed segment left, if it is whole and of the same data, labels and settings; else it is dropped."""
    if not side.exists():
        return None
    try:
        state = read_checkpoint(side)
    except DiffbenchError as error:
        print(f"note: {error}; it is dropped, and what it held trained anew", file=sys.stderr)
    else:
        if state["settings"] == _settings(spec) and state["step"] <= int(spec.factors["step"]):
            return state
        print(f"note: {side}: of other data, labels or settings; it is dropped", file=sys.stderr)
    side.unlink()
    return None
