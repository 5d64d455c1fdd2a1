"""Studies whose claims are known, and the tables that the summary would read of them."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from diffbench.data.catalog import facts
from diffbench.files.estimates import Estimate
from diffbench.settings.models import Optimal
from diffbench.study.file import parse_study
from diffbench.study.grid import Cell
from diffbench.study.study import Study
from diffbench.summary.claims.judge import judge
from diffbench.summary.verdicts import Claim
from tests.looked_up import lookup_of

STUDY = parse_study(
    {
        "name": "planted",
        "seeds": [0, 1, 2],
        "steps": [100, 1000],
        "center": {"model": "mlp-medium", "train_size": 128, "granularity": "classes", "guidance": 0},
        "sweeps": [
            {"model": ["mlp-small", "mlp-medium", "mlp-large", "optimal"]},
            {"train_size": [16, 64, 128, 512]},
            {"granularity": ["none", "classes", "kmeans-20", "unique", "random-50"]},
            {"granularity": ["unique"], "train_size": [64]},
            {"guidance": [0, 1]},
        ],
    },
    "planted.yaml",
)
PARAMETERS = {"mlp-small": 10**4, "mlp-medium": 10**5, "mlp-large": 10**6}
LABELS = {"none": 1, "classes": 10, "kmeans-20": 20, "unique": 128, "random-50": 1}
CENTER = {"step": 1000, "model": 10**5, "labels": 10, "size": 128}
"""Where the planted peak is 20."""

SIGMAS = [0.01, 0.1, 1.0, 10.0]
COPIES = {"excess": 0.9, "likeness": 0.95, "inside": 0.95}
"""What is measured of copies."""

Tables = dict[str, list[dict[str, Any]]]


def add(tables: Tables, stage: str, cell: Cell, estimates: Mapping[str, Estimate], sigma: float = math.nan) -> None:
    """Rows of a cell, or of its checkpoint where the stage is denoise."""
    factors = cell.factors | ({"guidance": math.nan} if stage == "denoise" else {})
    for measure, each in estimates.items():
        fields = {"value": each.value, "low": each.low, "high": each.high, "n": each.n, "reason": each.reason}
        tables.setdefault(stage, []).append(factors | {"measure": measure, "sigma": sigma} | fields)


def about(value: float, error: float = 0.01) -> Estimate:
    """A value with the interval of a standard error of `error`."""
    return Estimate(value, value - 1.96 * error, value + 1.96 * error, 500)


def copies(study: Study, cell: Cell) -> bool:
    """Whether the cell's samples are copies by design."""
    run = cell.checkpoint.run
    few = run.train_size <= (64 if run.granularity == "unique" else 16)
    return few or isinstance(study.definition(run.model), Optimal)


def plateau(cell: Cell) -> float:
    """2 / (n_c - 1) with ten classes, and other numbers of labels."""
    run = cell.checkpoint.run
    return 2 / (run.train_size / LABELS[run.granularity] - 1) if run.granularity != "unique" else 0.0


def planted(
    study: Study = STUDY,
    *,
    step: float = 0.5,
    model: float = 0.3,
    labels: float = 0.2,
    size: float = -0.7,
    absolute: Mapping[str, float] | None = None,
    low_end: float = 0.02,
    high_end: float = 0.02,
    bump: bool = True,
    excess: float = 0.0,
    side: float = 0.0,
    auc: float = 0.0,
    fd: float = 0.0,
    likeness: float = 0.1,
    inside: float = 0.1,
    of_copies: Mapping[str, float] = COPIES,
    optimum: float = math.inf,
    skill: float = 0.2,
    spread: float = 0.01,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Tables of a study whose peak gap is a product of powers of the factors, up to noise of `spread` over seeds.

    excess to fd: growth from the first milestone to the last, above what is unbiased; likeness and inside: of states at
    the peak; of_copies: the same of cells whose samples are copies; optimum: the optimum's gap at the lowest level.
    """
    rng = np.random.default_rng(seed)
    tables: Tables = {}
    powers = {"step": step, "model": model, "labels": labels, "size": size}
    for cell in study.cells:
        run, last = cell.checkpoint.run, cell.checkpoint.step == max(study.steps)
        bases = {
            "step": cell.checkpoint.step or 1,
            "model": PARAMETERS.get(run.model, 1),  # of models that do not follow the trend
            "labels": LABELS[run.granularity],
            "size": run.train_size,
        }
        noise = math.exp(spread * rng.standard_normal())
        peak, alone = (
            20 * noise * math.prod((base / CENTER[name]) ** own[name] for name, base in bases.items())
            for own in (powers, powers | dict(absolute or {}))
        )
        if cell.guidance.weight == 0:
            is_optimum = isinstance(study.definition(run.model), Optimal)
            low = optimum if is_optimum else low_end if bump else 3 * peak
            curve = [low, peak, peak / 2, plateau(cell) + high_end]
            scalars = {"peak_gap": about(peak, 0.01 * peak), "peak_absolute_gap": about(alone, 0.01 * alone)}
            if is_optimum:
                scalars["peak_gap"] = Estimate(math.inf, math.nan, math.nan, 500, "unbounded")
                scalars["sigma_at_peak"] = Estimate(math.nan, math.nan, math.nan, 500, "unbounded")
            else:
                scalars["sigma_at_peak"] = Estimate(0.1, 0.1, 0.1, 500)
                scalars["skill_at_peak"] = about(skill)
            add(tables, "denoise", cell, scalars)
            for value, sigma in zip(curve, SIGMAS, strict=True):
                estimate = about(value, 0.01) if math.isfinite(value) else scalars["peak_gap"]
                add(tables, "denoise", cell, {"gap": estimate}, sigma)
        own = {"excess": excess, "likeness": likeness, "inside": inside}
        own |= of_copies if copies(study, cell) else {}
        grown = 1.0 if last else 0.0
        memorization = {
            "memorized_floor": about(0.01, 0.002),
            "memorized_fraction": about(0.01 + own["excess"], 0.002),
            "nearest_side_rate": about(0.52 + grown * side, 0.002),
            "mem_auc_floor": about(0.1, 0.002),
            "mem_auc": about(0.05 + grown * (auc + 0.05), 0.002),  # below the floor counts as the floor
            "fd_gap_shared_error": Estimate(0.005, math.nan, math.nan, 500),
            "fd_gap_floor": about(0.0, 0.02),
            "fd_gap": about(grown * fd + 0.01 * rng.standard_normal(), 0.02),
        }
        add(tables, "memorization", cell, memorization)
        for sigma in (0.012, 0.12, 1.2):
            at_peak = sigma == 0.12  # what holds away from the peak must not matter
            near, within = (own["likeness"], own["inside"]) if at_peak else (0.6, 0.6)
            overlap = {
                "train_likeness": about(near),
                "shell_radius_states": about(2.0 ** (1 - near), 0.002),
                "shell_radius_train": about(1.0, 0.002),
                "shell_radius_validation": about(2.0, 0.002),
                "states_inside": about(within),
                "validation_inside": about(0.02),
            }
            add(tables, "overlap", cell, overlap, sigma)
    return {stage: pd.DataFrame(rows) for stage, rows in tables.items()}


def judged(
    tables: dict[str, pd.DataFrame], study: Study = STUDY, parameters: Mapping[str, int] = PARAMETERS
) -> dict[int, Claim]:
    """Claims by number."""
    return {claim.number: claim for claim in judge(study, lookup_of(tables), parameters, facts(study.data))}


def verdicts(claim: Claim, control: bool = False) -> dict[str, str]:
    """Verdicts of a claim's tests by name."""
    return {test.name: test.verdict for test in claim.tests if test.control == control}
