"""Train: one segment of a run, from the milestone before (or from fresh weights) to the next."""

import json
import os
import sys
import time
from pathlib import Path

import torch
from tqdm import tqdm

from diffbench.conventions import DiffbenchError, seed_of
from diffbench.data.training_set import read_training_set
from diffbench.denoisers.build import fresh_network
from diffbench.denoisers.checkpoint import read_checkpoint, write_checkpoint
from diffbench.denoisers.definitions import Mlp
from diffbench.devices import pick_device
from diffbench.specs import TrainSpec
from diffbench.training import Trainer

SAVE_SECONDS = 30.0
"""Between saves of the side file from which a killed segment resumes."""


def run(
    spec: TrainSpec, data: Path, conditions: Path, out: Path, start: Path | None = None, device: str = "auto"
) -> None:
    """Train to step factors["step"] from the checkpoint `start`, or from the side file that a killed run left."""
    training_set = read_training_set(data, conditions)
    where = pick_device(device)
    if not isinstance(spec.model, Mlp):
        raise DiffbenchError(f"a model of kind '{spec.model.kind}' cannot be trained")
    seed, stop = int(spec.factors["seed"]), int(spec.factors["step"])
    network = fresh_network(
        spec.model, training_set.shape, training_set.label_count, seed_of("weights", seed)
    ).to(where)
    trainer = Trainer(network, spec.training)
    settings = _settings(spec)
    side = out.with_name(f"{out.name}.partial")
    _resume(trainer, side, start, settings, stop)

    images = torch.from_numpy(training_set.train).to(where)
    labels = torch.from_numpy(training_set.train_labels).to(where)
    bar = tqdm(total=stop, initial=trainer.step, unit="step", mininterval=5, file=sys.stderr, disable=None)
    saved = shown = time.monotonic()
    for record in trainer.run(images, labels, seed, stop):
        now = time.monotonic()
        if now - shown > 5 or record.step == stop:
            loss = float(record.losses.mean())
            if loss != loss:
                raise DiffbenchError(f"training diverged at step {record.step}: the loss is not a number")
            bar.set_postfix(loss=f"{loss:.4f}", images_per_s=f"{_rate(bar, spec.training.batch):.0f}", refresh=False)
            shown = now
        bar.update()
        if now - saved > SAVE_SECONDS:
            write_checkpoint(side, trainer.state() | {"settings": settings})
            saved = now
    bar.close()
    write_checkpoint(out, trainer.state() | {"settings": settings})
    side.unlink(missing_ok=True)


def _rate(bar: "tqdm[None]", batch: int) -> float:
    return batch * (bar.format_dict["rate"] or 0.0)


def _settings(spec: TrainSpec) -> str:
    """What must agree between the segments of one run: all but the step."""
    run_factors = {name: value for name, value in spec.factors.items() if name != "step"}
    return json.dumps([run_factors, spec.model.model_dump(), spec.training.model_dump()], sort_keys=True)


def _resume(trainer: Trainer, side: Path, start: Path | None, settings: str, stop: int) -> None:
    """Load the latest usable state: the side file if it belongs to this run and segment, else the checkpoint before."""
    if side.exists():
        state = read_checkpoint(side)
        if state["settings"] == settings and state["step"] <= stop:
            trainer.load(state)
            return
        os.remove(side)
    if start is not None:
        state = read_checkpoint(start)
        if state["settings"] != settings:
            raise DiffbenchError(f"{start}: made with other settings; delete it and run snakemake again to rebuild it")
        trainer.load(state)
