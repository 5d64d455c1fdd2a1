"""The milestone at which a run's validation loss is least, by noise level: from the losses of all its milestones."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.measures.gap import onset
from diffbench.study.grid import Checkpoint
from diffbench.study.layout import DENOISE
from diffbench.summary.kept import Shelf
from diffbench.summary.reading import Reader


def onsets(reader: Reader, before: Shelf | None, now: Shelf) -> Iterator[dict[str, Any]]:
    """A row of `timescales` per run and noise level. They are kept on the shelf `now`.

    Of a run whose files are those that `before` has the rows of, no file is read.
    """
    for run, checkpoints in groupby(reader.study.checkpoints, key=lambda checkpoint: checkpoint.run):
        members = list(checkpoints)
        entries = [now.entries.get(DENOISE.of(each.factors)) for each in members]
        seals = [entry.seal if entry else "" for entry in entries]
        known, rows = before.derived.get(run.path, ([], [])) if before else ([], [])
        if known != seals:
            rows = list(_of_run(reader, members))
        now.derived[run.path] = [seals, rows]
        yield from (run.factors | {"measure": "gap_onset"} | row for row in rows)


def _of_run(reader: Reader, checkpoints: Sequence[Checkpoint]) -> Iterator[dict[str, Any]]:
    losses, sigmas, steps = [], np.array([]), []
    for checkpoint in checkpoints:
        try:
            file = reader.read(DENOISE, checkpoint.factors)
        except DiffbenchError:
            continue
        sigmas = file["sigma"]
        losses.append(file["loss_validation"])
        steps.append(checkpoint.step)
    if len(steps) < 2:
        return
    for level, sigma in enumerate(sigmas.tolist()):
        estimate = onset(np.array(steps), np.stack([loss[level] for loss in losses]), seed=0)
        numbers = {name: float(getattr(estimate, name)) for name in ("value", "low", "high")}
        yield numbers | {"n": estimate.n, "reason": estimate.reason, "sigma": sigma}
