"""Train: one segment of a run, from where its state is (or from fresh weights) to a milestone."""

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
from diffbench.files.checkpoint import MEASURED, write_checkpoint
from diffbench.files.output import UnwritableError, atomic
from diffbench.files.run_state import RunState
from diffbench.files.surroundings import Log
from diffbench.files.training_losses import write_losses
from diffbench.settings.models import Dit, Mlp, Unet
from diffbench.study.layout import divergence, losses_beside, side_file
from diffbench.study.specs import TrainSpec
from diffbench.training.allocator import keep_freed_memory
from diffbench.training.trainer import Trainer, TrainingStep

SAVE_SECONDS = 30.0
"""Between saves of the state from which a killed segment resumes."""
KEEP_SECONDS = 120.0
"""Of training: where a run took no longer to its last milestone, its state is worth less than its disk."""
SHOW_SECONDS = 5.0
"""Between updates of the progress bar: reading the loss makes a GPU wait."""


class DivergedError(DiffbenchError):
    """Training has diverged. It is a function of its settings, so trying again is of no use."""


def run(
    spec: TrainSpec,
    data: Path,
    conditions: Path,
    out: Path,
    state: Path | None = None,
    last: int = 0,
    device: str = "auto",
    attempt: int = 1,
) -> None:
    """Train to step factors["step"], from the run's `state` where that can be.

    last: step of the last milestone that the study has for the run. attempt: how often this run of the study has begun
    the job; where training diverged the first time it does so again, and is not repeated.
    """
    diverged = divergence(out)
    if attempt == 1:
        diverged.unlink(missing_ok=True)
    elif diverged.exists():
        raise DivergedError(diverged.read_text(encoding="utf-8"))
    keep_freed_memory()
    training_set = read_training_set(data, conditions, spec.inputs)
    trainer = fresh_trainer(spec, training_set, pick_device(device))
    try:
        train_segment(trainer, spec, training_set, out, state, last)
    except DivergedError as error:
        with atomic(diverged) as temporary:
            temporary.write_text(str(error), encoding="utf-8")
        raise


def fresh_trainer(spec: TrainSpec, training_set: TrainingSet, device: torch.device) -> Trainer:
    """A trainer at step 0. DiffbenchError if the model cannot be trained on such data."""
    if not isinstance(spec.model, Mlp | Unet | Dit):
        raise DiffbenchError(f"a model of kind '{spec.model.kind}' cannot be trained")
    shape = training_set.shape
    if spec.training.horizontal_flip and len(shape) != 3:
        raise DiffbenchError("training.horizontal_flip: the data are no images; set it to false")
    seed = seed_of("weights", int(spec.factors["seed"]))
    count, vectors = training_set.label_count, training_set.scaled_vectors
    network = fresh_network(spec.model, shape, count, seed, spec.training.dropout, vectors)
    return Trainer(network.to(device), spec.training)


def train_segment(
    trainer: Trainer,
    spec: TrainSpec,
    training_set: TrainingSet,
    out: Path,
    state: Path | None = None,
    last: int = 0,
    save_seconds: float = SAVE_SECONDS,
) -> None:
    """Train a fresh trainer to a milestone and write its checkpoint.

    Training goes on from the state of the run, which is saved every `save_seconds` and at the milestone, before its
    checkpoint. It stays there if milestones are to follow, or if training has taken long.
    """
    seed, stop = int(spec.factors["seed"]), int(spec.factors["step"])
    own = side_file(out)
    run_state = RunState(state or own, own, _settings(spec), stop)
    found = _resume(trainer, run_state)
    started = time.monotonic() - found.get("seconds", 0.0)
    losses = _losses_so_far(trainer, found, stop)
    images = torch.from_numpy(training_set.train).to(trainer.device)
    labels = torch.from_numpy(training_set.train_labels).to(trainer.device)
    steps = trainer.run(images, labels, seed, stop)
    reached = partial(_reached, trainer, spec, started, losses)
    recorded = _recording(steps, losses)
    if not _all_done(recorded, trainer.step, stop, lambda: run_state.save(reached()), save_seconds):
        raise DiffbenchError(_memory_advice(trainer, images, labels))
    assert trainer.step == stop
    end = reached()
    keep = stop < last or end["seconds"] > KEEP_SECONDS
    if keep:
        run_state.save(end)
    write_checkpoint(out, {name: end[name] for name in sorted(MEASURED)}, spec.fingerprint)
    _write_losses(out, end["losses"])
    run_state.finish(keep)


def _resume(trainer: Trainer, run_state: RunState) -> dict[str, Any]:
    """Go on from the run's state, if it can be. Returns the state, empty where there is none."""
    found = run_state.load()
    if found is None:
        return {}
    trainer.load(found)
    return found


def _losses_so_far(trainer: Trainer, found: dict[str, Any], stop: int) -> Tensor:
    """Room for the mean loss of every step to `stop`; nan where it is not known, as in states of earlier versions."""
    losses = torch.full((stop,), math.nan, device=trainer.device)
    if "losses" in found:
        losses[: trainer.step] = found["losses"].to(trainer.device)
    return losses


def _recording(steps: Iterator[TrainingStep], losses: Tensor) -> Iterator[TrainingStep]:
    """The same steps; each one's mean loss is kept on the device, so that nothing waits for it."""
    for record in steps:
        losses[record.step - 1] = record.losses.mean()
        yield record


def _write_losses(checkpoint: Path, losses: Tensor) -> None:
    """Beside the checkpoint. Where that cannot be it is told, and training ends well: no result needs them."""
    try:
        write_losses(losses_beside(checkpoint), losses.numpy())
    except UnwritableError as error:
        print(f"note: {error}; the losses over steps are not kept", file=sys.stderr)


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


def _show(bar: "tqdm[Any]", record: TrainingStep) -> None:
    """Loss and rate beside the bar, which shows the time left itself."""
    rate = len(record.losses) * (bar.n - bar.initial) / bar.format_dict["elapsed"]
    bar.set_postfix(loss=f"{float(record.losses.mean()):.4f}", images_per_s=f"{rate:.0f}", refresh=False)


def _reached(trainer: Trainer, spec: TrainSpec, started: float, losses: Tensor) -> dict[str, Any]:
    """The state of the run now, unless training has diverged: bad weights must not pass for a result."""
    if not trainer.finite:
        raise DivergedError(
            f"training diverged by step {trainer.step}: weights are not finite; lower training.learning_rate"
        )
    told = {"seconds": time.monotonic() - started, "losses": losses[: trainer.step].cpu().clone()}
    return trainer.state() | {"settings": _settings(spec)} | told


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
