"""Made-up studies whose files have the real layout and known numbers: what report tests read."""

import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from diffbench.conventions import karras_sigmas, log_sigmas
from diffbench.files import store
from diffbench.files.cost import Cost
from diffbench.files.estimates import Estimate, curve_variables, scalar_variables, undefined
from diffbench.measures.battery import EXTRACTED, extraction_variables
from diffbench.measures.extraction import extraction
from diffbench.measures.intervals import proportion
from diffbench.measures.rank_correlation import spearman
from diffbench.stages import summary
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.grid import Cell, Checkpoint, Run
from diffbench.study.lineage import Lineage
from diffbench.study.specs import SummarySpec
from diffbench.study.study import Study

SMALL = {
    "name": "made-up",
    "data": {"name": "digits", "validation": 64},
    "seeds": [0, 1],
    "steps": [100, 400],
    "center": {"model": "mlp-small", "train_size": 32, "granularity": "classes", "guidance": 0.0},
    "sweeps": [
        {"model": ["mlp-small", "mlp-large"]},
        {"train_size": [32, 128]},
        {"guidance": [0.0, 1.0]},
    ],
}
PROVENANCE: dict[str, Any] = {"wall_seconds": 1.5, "peak_memory_mb": 200.0, "device": "cpu"}
SIZES = {"mlp-small": 0.6, "mlp-medium": 1.0, "mlp-large": 1.4}
SAMPLES = 40

Variables = dict[str, store.Variable]
Write = Callable[[layout.Kind, dict[str, Any], Variables, dict[str, Any]], None]
"""Writes the file of a kind with these factors."""

Attacked = Callable[[Run], np.ndarray]


def strength(checkpoint: Checkpoint) -> float:
    """How far a made-up checkpoint memorizes: grows with model and steps, falls with the training set."""
    run = checkpoint.run
    wobble = 1 + 0.15 * math.sin(3 + 5 * run.seed + len(run.granularity))
    finer = 1.8 if run.granularity == "unique" else 1.0
    model = SIZES.get(run.model, 2.0)
    return wobble * finer * model * math.log1p(checkpoint.step / 80) * math.sqrt(64 / run.train_size)


def make_study(
    results: Path,
    changes: dict[str, Any] | None = None,
    skip: Callable[[str], bool] = lambda file: False,
    blank: bool = False,
    shape: tuple[int, ...] = (1, 8, 8),
    attacked: Attacked | None = None,
) -> Study:
    """Write the files of a study into `results`, but those that `skip` names; `blank` leaves all values undefined.

    attacked: attack scores of the training images of a run, where there are any.
    """
    study = parse_study(SMALL | (changes or {}), "made-up.yaml")
    write_files(results, study, {file for file in study.files if not skip(file)}, blank, shape, attacked)
    _write_costs(results, study)
    summary.run(SummarySpec(study=study), results)
    return study


def write_files(
    results: Path,
    study: Study,
    made: set[str],
    blank: bool = False,
    shape: tuple[int, ...] = (1, 8, 8),
    attacked: Attacked | None = None,
) -> None:
    """Write the images of a study, and of its measures' files those in `made`, samples beside them."""
    rng = np.random.default_rng(0)
    largest = max(run.train_size for run in study.runs)
    lineage = Lineage(study)

    def write(kind: layout.Kind, factors: dict[str, Any], variables: Variables, attributes: dict[str, Any]) -> None:
        fingerprint = lineage.fingerprint(kind, factors)
        store.write(results / kind.of(factors), kind.stage, variables, PROVENANCE | attributes, fingerprint)

    _write_data(write, rng, largest, shape)
    _write_measures(write, study, made, blank, shape, attacked)


def _write_measures(
    write: Write, study: Study, made: set[str], blank: bool, shape: tuple[int, ...], attacked: Attacked | None
) -> None:
    for run in study.runs:
        if layout.OPTIMUM.of(run.factors) in made:
            write(layout.OPTIMUM, run.factors, {}, {})
    for checkpoint in study.checkpoints:
        if layout.DENOISE.of(checkpoint.factors) in made:
            _write_denoise(write, checkpoint, blank, attacked)
        if layout.EQUIVALENT.of(checkpoint.factors) in made:
            _write_equivalent(write, checkpoint)
    for cell in study.cells:
        if layout.MEMORIZATION.of(cell.factors) in made:
            _write_memorization(write, cell, blank, shape)
        if layout.OVERLAP.of(cell.factors) in made:
            _write_overlap(write, cell, blank)
        if layout.CONSISTENCY.of(cell.factors) in made:
            alike = {"pair_correlation": _estimate(0.5 + 0.1 * strength(cell.checkpoint), 0.1, SAMPLES, blank)}
            write(layout.CONSISTENCY, cell.factors, scalar_variables(alike), {})


def _estimate(value: float, half: float, n: int, blank: bool) -> Estimate:
    return undefined("made up without a value", n) if blank else Estimate(value, value - half, value + half, n)


def _write_data(write: Write, rng: np.random.Generator, pool: int, shape: tuple[int, ...]) -> None:
    axes = tuple(f"axis{index}" for index in range(len(shape)))
    angle = rng.uniform(0, 2 * math.pi, (pool + 64, 1))
    points = np.hstack([np.cos(angle), np.sin(angle)]) * 10
    yy, xx = np.mgrid[:8, :8]
    images = 16 * np.exp(-((yy - 4 - points[:, :1, None] / 4) ** 2 + (xx - 4 - points[:, 1:, None] / 4) ** 2) / 4)
    values = points if shape == (2,) else images.round().astype(np.uint8).reshape(-1, *shape)
    variables = {
        "pool": store.Variable(values[:pool], ("image", *axes), "training pool"),
        "pool_class": store.Variable(np.arange(pool) % 10, ("image",), "class"),
        "validation": store.Variable(values[pool:], ("held_out", *axes), "validation images"),
        "validation_class": store.Variable(np.arange(64) % 10, ("held_out",), "class"),
    }
    mean, spread = float(values.mean()), float(values.std())
    write(layout.DATA, {}, variables, {"mean": mean, "scale": 0.5 / spread, "classes": 10})


def _write_denoise(write: Write, checkpoint: Checkpoint, blank: bool, attacked: Attacked | None) -> None:
    run, sigmas, size = checkpoint.run, log_sigmas(24), strength(checkpoint)
    gap = 0.25 * size * np.exp(-((np.log(sigmas / 0.12)) ** 2) / 2.5)
    train = sigmas**2 / (sigmas**2 + 0.25) * 0.25
    explained, one_label = 0.7 + 0.28 * sigmas * size / (sigmas * size + 0.5), run.granularity == "none"
    curves = {
        "mse_train": [_estimate(v, 0.02 * v, 512, blank) for v in train],
        "mse_validation": [_estimate(v, 0.02 * v, 512, blank) for v in train * (1 + gap)],
        "gap": [_estimate(v, 0.02 + 0.05 * v, 1024, blank) for v in gap],
        "absolute_gap": [_estimate(v, 0.02 * v, 1024, blank) for v in train * gap],
        "membership_auc": [_estimate(v, 0.02, 1024, blank) for v in 0.5 + 0.4 * gap / (1 + gap)],
        "membership_tpr_at_1_percent": [undefined("needs at least 100 validation images", 1024) for _ in sigmas],
        "mse_optimum_validation": [_estimate(v, 0.02 * v, 512, blank) for v in 2 * train],
        "mse_wiener_validation": [_estimate(v, 0.02 * v, 512, blank) for v in 1.1 * train],
        "skill_validation": [_estimate(v, 0.02, 512, blank) for v in 1 - (1 + gap) / 1.1],
        "r2_wiener": [_estimate(v, 0.01, 64, blank) for v in 1 - 0.35 * sigmas / (sigmas + 0.5)],
        "r2_labelled_optimum": [_estimate(v, 0.01, 64, blank) for v in explained],
        "r2_optimum": [_estimate(v, 0.02, 64, blank) for v in explained * (1 if one_label else 0.9)],
        "r2_locality": [_estimate(v, 0.01, 64, blank) for v in 1 - 0.4 * sigmas / (sigmas + 0.5)],
        "memorized_share": [
            undefined("the optimal denoiser has no gap here within its interval", 1024)
            if sigma > 5
            else _estimate(v / 3, 0.02, 1024, blank)
            for v, sigma in zip(gap, sigmas, strict=True)
        ],
    }
    top = int(gap.argmax()) - run.seed % 5  # seeds differ in where they peak
    ends = Estimate(sigmas[top], sigmas[top - 1], sigmas[top + 1], 1024)
    absolute = train * gap
    scalars = {
        "peak_gap": _estimate(float(gap.max()), 0.04, 1024, blank),
        "peak_absolute_gap": _estimate(float(absolute.max()), 0.05 * float(absolute.max()), 1024, blank),
        "sigma_at_peak": undefined("made up without a value", 1024) if blank else ends,
        "skill_at_peak": _estimate(float((1 - (1 + gap) / 1.1)[gap.argmax()]), 0.02, 512, blank),
        "r2_crossing": _crossing(checkpoint, blank),
        "attack_sima_auc": _estimate(0.5 + 0.45 * size / (1 + size), 0.02, 512, blank),
        "attack_sima_sigma": undefined("made up without a value", 512) if blank else Estimate(0.2, 0.1, 0.3, 512),
        "gap_area": _estimate(float(gap.sum()) * 0.4, 0.1, 1024, blank),
    }
    if run.model == "optimal":
        unbounded = "unbounded: the training loss is 0 at sigma = 0.002"
        scalars["peak_gap"] = Estimate(math.inf, math.nan, math.nan, 1024, unbounded)
        scalars["sigma_at_peak"] = undefined(unbounded, 1024)
        curves["gap"][0] = scalars["peak_gap"]
    losses = np.outer(train * (1 + gap), np.linspace(0.9, 1.1, 8))
    variables = {
        "sigma": store.Variable(sigmas, ("sigma",), "noise level"),
        "loss_validation": store.Variable(losses, ("sigma", "held_out"), "loss of validation images"),
    }
    variables |= scalar_variables(scalars) | curve_variables(curves)
    if attacked is not None:
        variables["attack_fpr"] = store.Variable(attacked(run), ("image",), "false positive rate")
    write(layout.DENOISE, checkpoint.factors, variables, {"parameters": 1000})


def _crossing(checkpoint: Checkpoint, blank: bool) -> Estimate:
    """Falls with strength; a checkpoint that hardly trained has none."""
    if blank or checkpoint.run.train_size > 100 or checkpoint.step == 0:
        return undefined("the Wiener filter explains it better up to the highest level", 64)
    level = 0.5 / strength(checkpoint)
    return Estimate(level, 0.8 * level, 1.2 * level, 64)


def _write_equivalent(write: Write, checkpoint: Checkpoint) -> None:
    deltas = [Estimate(delta, delta / 2, 2 * delta, 64) for delta in (0.5, 1.0)]
    variables = {"sigma": store.Variable([0.5, 2.0], ("sigma",), "noise level")}
    write(layout.EQUIVALENT, checkpoint.factors, variables | curve_variables({"equivalent_delta": deltas}), {})


def memorized_hits(cell: Cell) -> int:
    """Copies among the SAMPLES samples of a made-up cell."""
    return min(SAMPLES, int(max(0.0, strength(cell.checkpoint) * (1 + 0.2 * cell.guidance.weight) - 1.6) * 12))


def _write_memorization(write: Write, cell: Cell, blank: bool, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(zlib.crc32(cell.path.encode()))
    hits = memorized_hits(cell)
    fraction = proportion(hits, SAMPLES)
    distance = 0.2 + 0.1 * strength(cell.checkpoint)
    scalars = {
        "memorized_fraction": undefined("made up without a value", SAMPLES) if blank else fraction,
        "memorized_floor": proportion(1, 64),
        "calibrated_fraction": undefined("needs more than 50 training images", SAMPLES),
        "fd": _estimate(distance, 0.03, SAMPLES, blank),
        "fd_floor": _estimate(0.3, 0.01, SAMPLES, False),
        "mem_auc": _estimate(min(1.0, distance), 0.02, SAMPLES, blank),
        "mem_auc_floor": _estimate(0.3, 0.02, 64, False),
        "nearest_side_rate": proportion(min(SAMPLES, round((0.5 + distance / 4) * SAMPLES)), SAMPLES),
        "fd_gap": _estimate(distance - 0.2, 0.1, SAMPLES, blank),
        "fd_gap_shared_error": undefined("made up without a value", SAMPLES)
        if blank
        else Estimate(0.02, math.nan, math.nan, SAMPLES),
        "fd_gap_floor": _estimate(0.0, 0.1, SAMPLES, False),
    }
    axes = tuple(f"axis{index}" for index in range(len(shape)))
    samples = rng.normal(0, 0.5, (SAMPLES, *shape)).astype(np.float32)
    second = rng.uniform(1.0, 2.0, SAMPLES)
    first = np.where(np.arange(SAMPLES) < hits, 0.1, 0.9) * second
    nearest = rng.integers(0, cell.checkpoint.run.train_size, SAMPLES)
    variables = {
        "nearest": store.Variable(nearest, ("sample",), "nearest training image"),
        "distance": store.Variable(np.stack([first, second], axis=1), ("sample", "rank"), "distances"),
    }
    extracted, others = _extracted(cell, nearest, hits, blank)
    variables |= scalar_variables(scalars | extracted) | others
    write(layout.MEMORIZATION, cell.factors, variables, {})
    drawn = {"samples": store.Variable(samples, ("sample", *axes), "generated images, scaled")}
    write(layout.SAMPLES, cell.factors, drawn, {})


def _extracted(
    cell: Cell, nearest: np.ndarray, hits: int, blank: bool
) -> tuple[dict[str, Estimate], dict[str, store.Variable]]:
    """Of a made-up cell, whose first `hits` samples are copies; of 64 held-out images none is."""
    size = cell.checkpoint.run.train_size
    own = extraction(nearest, np.arange(SAMPLES) < hits, size, 0)
    floor = extraction(np.zeros(64, np.int64), np.zeros(64, bool), size, 0)
    isolation = 1 + np.arange(size) / size
    told = Estimate(0.9, 0.8, 0.95, SAMPLES) if hits > 4 else undefined("made up without copies", SAMPLES)
    estimates = {"isolation_extraction_spearman": spearman(isolation, own.times), "jacobian_auc": told}
    for names, field in ((each[:3], each[3]) for each in EXTRACTED):
        estimates |= dict(zip(names, (getattr(each, field) for each in (own, own, floor)), strict=True))
    if blank:
        estimates = dict.fromkeys(estimates, undefined("made up without a value", SAMPLES))
    variables = extraction_variables(own, floor) | {
        "neighbor_of": store.Variable(np.arange(size), ("neighbor_of",), "row"),
        "isolation": store.Variable(isolation, ("neighbor_of",), "distance"),
    }
    return estimates, variables


def _write_overlap(write: Write, cell: Cell, blank: bool) -> None:
    sigmas, size = karras_sigmas(18), strength(cell.checkpoint)
    curves: dict[str, list[Estimate]] = {"train_likeness": []}
    for sigma in sigmas:
        likeness = -0.8 + 0.3 * size - 0.4 * math.log10(sigma + 0.01)
        hidden = sigma > 3
        reason = "noised training and validation images cannot be told apart here (AUC_VT holds 0.5)"
        curves["train_likeness"].append(undefined(reason, 512) if hidden else _estimate(likeness, 0.15, 512, blank))
        spread = 0.4 / (1 + sigma)
        for name, value in {
            "auc_vt": 0.5 + spread,
            "auc_qt": 0.5 + spread * (1.1 - 0.2 * size),
            "shell_radius_states": 1 + spread * (1.5 - 0.2 * size),
            "shell_radius_train": 1.0,
            "states_inside": min(1.0, 0.15 * size),
            "validation_inside": 0.05 + 0.9 * sigma / (1 + sigma),
            "shell_radius_validation": 1 + spread,
            "x_t_to_train": 0.1 + 0.02 * sigma / (1 + sigma),
            "x_t_to_validation": 0.11 + 0.02 * sigma / (1 + sigma),
            "x_r_train_to_train": 0.02 + 0.1 * sigma / (1 + sigma),
            "x_r_validation_to_validation": 0.05 + 0.1 * sigma / (1 + sigma),
            "largest_weight_states": 1 / (1 + sigma),
            "largest_weight_train": 1 / (1 + 0.3 * sigma),
            "largest_weight_validation": 1 / (1 + 0.8 * sigma),
        }.items():
            curves.setdefault(name, []).append(_estimate(value, 0.02 * value, 256, blank))
    variables = {"sigma": store.Variable(sigmas, ("sigma",), "noise level")} | curve_variables(curves)
    write(layout.OVERLAP, cell.factors, variables, {})


def _write_costs(results: Path, study: Study) -> None:
    for cell in study.cells:
        for kind, seconds in ((layout.SAMPLES, 3.0), (layout.MEMORIZATION, 1.0)):
            path = results / kind.cost.format(**cell.factors)
            path.parent.mkdir(parents=True, exist_ok=True)
            Cost(seconds, seconds / 2, 150.0).write(path)
