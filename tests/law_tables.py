"""Studies that vary what a law needs each, and the tables that the summary would read of them."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import expit

from diffbench.data.catalog import facts
from diffbench.files.estimates import Estimate
from diffbench.measures.intervals import proportion
from diffbench.study.file import parse_study
from diffbench.study.study import Study
from diffbench.summary.laws.judge import judge_laws
from diffbench.summary.timescales import timescales
from diffbench.summary.verdicts import Claim
from tests.claim_tables import Tables, about, add
from tests.looked_up import lookup_of

SAMPLES = 2048


def study_of(*sweeps: dict, steps: tuple[int, ...] = (480,), **changes: object) -> Study:
    """A study around 64 digits with true labels, four seeds."""
    center = {"model": "mlp-medium", "train_size": 64, "granularity": "classes", "guidance": 0}
    known = {"name": "planted", "seeds": [0, 1, 2, 3], "steps": list(steps), "center": center, "sweeps": list(sweeps)}
    return parse_study(known | changes, "planted.yaml")


LABELS = study_of({"granularity": ["none", "random-10", "random-20", "unique"]})
SCALING = study_of({"train_size": [16, 64, 256, 1024]}, steps=tuple(60 * 2**power for power in range(10)))
"""With sizes 64 times apart, since the best of milestones that double is known up to a factor of 2."""
PAIRS = study_of({"train_size": [16, 64, 512]}, pairs=True)
GUIDANCE = study_of({"guidance": [0.5, 1, 2, 8]})


def hits(share: float, spread: float, rng: np.random.Generator) -> Estimate:
    """The memorized fraction of a seed's samples, whose share varies from seed to seed."""
    return proportion(int(rng.binomial(SAMPLES, min(max(share + spread * rng.standard_normal(), 0), 1))), SAMPLES)


def of_labels(shares: Mapping[str, float], seed: int = 0, spread: float = 0.02) -> Claim:
    """Law 1 of memorized fractions by granularity."""
    rng, tables = np.random.default_rng(seed), {}
    for cell in LABELS.cells:
        share = shares.get(cell.checkpoint.run.granularity, 0.0)
        add(tables, "memorization", cell, {"memorized_fraction": hits(share, spread, rng)})
    return law(1, LABELS, tables)


def of_times(mem: float, gen: float, seed: int = 0, spread: float = 0.05) -> Claim:
    """Law 2 of times proportional to n^mem and n^gen; samples are best at the milestone of the latter."""
    rng, tables = np.random.default_rng(seed), {}
    of_seed = {number: math.exp(spread * rng.standard_normal()) for number in SCALING.seeds}
    for cell in SCALING.cells:
        run, step = cell.checkpoint.run, cell.checkpoint.step
        time = 1600 * of_seed[run.seed] * (run.train_size / 128) ** mem
        away = abs(math.log(step / (960 * (run.train_size / 128) ** gen)))
        estimates = {
            "memorized_fraction": hits(float(expit(4 * math.log(step / time))), 0.0, rng),
            "memorized_floor": proportion(1, SAMPLES),
            "fd": about(1 + away + 0.001 * rng.standard_normal(), 0.01),
        }
        add(tables, "memorization", cell, estimates)
    return law(2, SCALING, tables)


def of_pairs(twins: Mapping[int, float], own: Mapping[int, float], seed: int = 0, spread: float = 0.02) -> Claim:
    """Law 3 of correlations by training size."""
    rng, tables = np.random.default_rng(seed), {}
    for cell in PAIRS.cells:
        size = cell.checkpoint.run.train_size
        first, second = spread * rng.standard_normal(2)
        correlations = {"pair_correlation": twins[size] + first, "correlation_to_own_train": own[size] + second}
        add(tables, "consistency", cell, {name: about(value, 0.01) for name, value in correlations.items()})
    return law(3, PAIRS, tables)


def of_guidance(shares: Mapping[float, float], seed: int = 0, spread: float = 0.02) -> Claim:
    """Law 4 of memorized fractions by weight."""
    rng, tables = np.random.default_rng(seed), {}
    for cell in GUIDANCE.cells:
        share = shares.get(cell.guidance.weight, 0.0)
        estimates = {"memorized_fraction": hits(share, spread, rng), "fd": about(1 + cell.guidance.weight)}
        add(tables, "memorization", cell, estimates | {"memorized_floor": proportion(1, SAMPLES)})
    return law(4, GUIDANCE, tables)


def law(number: int, study: Study, tables: Tables) -> Claim:
    """A law by its number, judged from tables."""
    return laws(study, tables)[number - 1]


def laws(study: Study, tables: Tables) -> tuple[Claim, ...]:
    """All laws, judged from tables."""
    lookup = lookup_of({stage: pd.DataFrame(rows) for stage, rows in tables.items()})
    return judge_laws(study, lookup, timescales(study, lookup), facts(study.data))
