"""What every measure must say of samples and models whose truth is known, and whether it does: one table.

A value outside its range tells of a wrong measure, not of a wrong model. Ranges around floors reach as far as the
floor's 95 % interval is wide, on either side; two independent samples leave that about once in 200 times.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from diffbench.files.estimates import Estimate
from diffbench.measures.attacks import ATTACKS
from diffbench.measures.battery import CRITERIA, EXTRACTED
from diffbench.measures.extraction import coupon_collector
from diffbench.settings.models import CONTROLS, Constant, ModelDefinition, Optimal, Planted
from diffbench.study.grid import Cell
from diffbench.study.study import Study
from diffbench.summary.lookup import Lookup
from diffbench.summary.rows import FACTORS, Rows

MET, UNMET, UNDEFINED = "met", "not met", "undefined"
FLOORS = {name: floor for name, floor, _ in CRITERIA} | {matched: floor for _, matched, floor, _ in EXTRACTED}
FLOORS |= {
    "distance_to_validation": "distance_to_validation_floor",
    "fd": "fd_floor",
    "fd_gap": "fd_gap_floor",
}
COPIED = {name: 0.0 if name == "auth_pct" else 1.0 for name, _, _ in CRITERIA}
"""What each criterion says of exact copies of training images."""

COLUMNS = ["measure", "value", "low", "high", "n", "reason", "floor"]
COLUMNS += ["sigmas", "expected_low", "expected_high", "why", "verdict"]

SMALL_NOISE = 0.02
"""Up to this noise copies lie far nearer to their originals than images to each other; beyond, nothing is expected."""

ENOUGH = 100
"""Training images from which quality is judged: among fewer, single images are surrounded by all others."""

FAR_OFF = 30.0
"""Squared distance of unseen images to training images in units of the noise, which FLIPD of the optimum is, beyond
which training images lie far from each other too."""

LOWEST = (0.0, 0.003)
MODERATE = (0.0, 3.0)
"""Up to this noise a linear filter sees the image well enough for its gain to lie far above chance."""
EVERYWHERE = (0.0, math.inf)


@dataclass(frozen=True)
class Expectation:
    """The range in which a measure must lie, with both ends, and why."""

    measure: str
    low: float
    high: float
    why: str
    sigmas: tuple[float, float] | None = None  # for curves: it must hold at every defined level in this range


def expectations(
    definition: ModelDefinition, train_size: int, scalars: Mapping[str, Estimate]
) -> Iterator[Expectation]:
    """What must be measured of a control, given its own scalars by name, which hold the floors."""
    if isinstance(definition, Planted):
        if definition.noise <= SMALL_NOISE:
            yield from _of_planted(definition, scalars)
            yield from _extraction_of_planted(definition, train_size, scalars)
        if definition.noise <= SMALL_NOISE and train_size >= ENOUGH:
            yield from _of_real_images(definition, scalars)
    elif isinstance(definition, Optimal):
        yield from _of_optimum(scalars)
        yield from _extraction_of_optimum(train_size, scalars)
    elif isinstance(definition, Constant):
        yield from _of_constant(train_size, scalars)


def _of_planted(definition: Planted, scalars: Mapping[str, Estimate]) -> Iterator[Expectation]:
    share, rest = definition.copies, 1 - definition.copies
    for measure, copied in COPIED.items():
        floor = scalars.get(FLOORS[measure])
        if floor is None or math.isnan(floor.low):
            continue
        width, one = floor.high - floor.low, 1 / scalars[measure].n
        blur = 0.15 * share if definition.noise and measure == "mem_auc" else 0.0
        low = share * copied + rest * max(0.0, floor.value - width) - one - blur
        high = share * copied + rest * min(1.0, floor.value + width) + one
        why = f"{copied:g} for the {share:.0%} copies, the floor for the others" if rest else f"{copied:g} for copies"
        yield Expectation(measure, max(0.0, low), min(1.0, high), why if share else "the floor: all images are unseen")
    if share == 0:
        yield Expectation("c_t", -3.0, 3.0, "unseen images are no nearer than others: 0, a standard normal score")
    if share == 1:
        yield _copying_score()
    side = scalars.get("nearest_side_rate")
    if side and side.n and (definition.rest == "unseen" or share == 1):
        spread = 1.5 * math.sqrt(rest / side.n) + 1 / side.n
        center = share + rest / 2
        why = "1 for copies, 1/2 for unseen images, within 3 standard errors"
        yield Expectation("nearest_side_rate", center - spread, min(1.0, center + spread), why)


def _extraction_of_planted(
    definition: Planted, train_size: int, scalars: Mapping[str, Estimate]
) -> Iterator[Expectation]:
    """Originals are planted in turn (stages/plant.py), so that none is drawn twice before all are drawn once."""
    extracted, floor = (scalars.get(name) for name in ("extracted_images", "extracted_images_floor"))
    if extracted is None or floor is None or math.isnan(floor.low):
        return
    copies = round(definition.copies * extracted.n)
    originals, others = min(copies, train_size), extracted.n - copies
    size = min(extracted.n, floor.n)  # that the floor is of
    chance = max(1.0, others / size) * (floor.value + floor.high - floor.low) if others else 0.0
    why = f"the {originals} originals" + (", and what the others extract by chance" if others else "")
    why = why if copies else "no more than as many held-out images: all are unseen"
    yield Expectation("extracted_images", originals, min(train_size, originals + chance), why)
    if copies:
        yield from _blind_to_isolation(train_size, scalars, "originals are planted in turn, not by their isolation")


def _extraction_of_optimum(train_size: int, scalars: Mapping[str, Estimate]) -> Iterator[Expectation]:
    extracted = scalars.get("extracted_images")
    if extracted is None:
        return
    mean, deviation = coupon_collector(train_size, extracted.n)
    why = "each image is as likely as any other: the coupon collector's, more where labels spread the samples"
    yield Expectation("extracted_images", max(1.0, mean - 3 * deviation), min(train_size, extracted.n), why)
    if extracted.n >= train_size:
        yield Expectation("extraction_chao1", 0.7 * train_size, train_size, "all images can be extracted")
    yield from _blind_to_isolation(train_size, scalars, "each image is as likely as any other, however isolated")


def _blind_to_isolation(train_size: int, scalars: Mapping[str, Estimate], why: str) -> Iterator[Expectation]:
    """Independent ranks have a correlation of variance 1 / (n - 1), whatever their ties."""
    measure = "isolation_extraction_spearman"
    if (found := scalars.get(measure)) and math.isfinite(found.value):
        spread = 3 / math.sqrt(train_size - 1)
        yield Expectation(measure, max(-1.0, -spread), min(1.0, spread), f"{why}: 0, within 3 standard errors")


def _of_real_images(definition: Planted, scalars: Mapping[str, Estimate]) -> Iterator[Expectation]:
    for ending in ("", "_train"):
        yield Expectation(f"coverage{ending}", 0.8, 1.0, "real images cover real images")
        yield Expectation(f"precision{ending}", 0.7, 1.0, "real images lie among real images")
    gap = scalars.get("fd_gap")
    if gap is None or math.isnan(gap.low):
        return
    if definition.copies == 0 and definition.rest == "unseen":
        width = 1.5 * (gap.high - gap.low) / 2
        yield Expectation(
            "fd_gap", -width, width, "unseen images are as near to either set: 0, within 3 standard errors"
        )
    if definition.copies == 1:
        yield Expectation("fd_gap", 0.1, math.inf, "copies are nearer to the training set")
        yield Expectation("fld", 100.0, math.inf, "kernels at copies explain no unseen image")


def _copying_score() -> Expectation:
    return Expectation("c_t", -math.inf, -3.0, "copies lie nearer than unseen images: strongly negative")


def _of_optimum(scalars: Mapping[str, Estimate]) -> Iterator[Expectation]:
    whole = "the optimum samples training images only"
    yield Expectation("memorized_fraction", 1.0, 1.0, whole)
    yield Expectation("mem_auc", 0.9, 1.0, whole)
    yield Expectation("auth_pct", 0.0, 0.01, whole)
    yield Expectation("nearest_side_rate", 0.99, 1.0, whole)
    yield _copying_score()
    yield Expectation("fd_gap", 0.1, math.inf, whole)
    yield Expectation("peak_gap", math.inf, math.inf, "unbounded: the training loss falls to 0 with σ")
    yield Expectation("memorized_share", 0.999, 1.001, "all that can be memorized is", EVERYWHERE)
    yield Expectation("membership_auc", 1.0, 1.0, "every training image has a lower loss", LOWEST)
    yield from _of_attacks(0.99, 1.0, "it knows its training images and no others")
    yield Expectation("dataset_inference_p", 0.0, 1e-6, "it was trained on them")
    yield Expectation("dataset_inference_images", 2.0, 10.0, "few images suffice")
    yield Expectation("privacy_epsilon", 2.0, math.inf, "every guess is right")
    yield _blind()
    off = scalars.get("flipd_validation")
    if off and off.low > FAR_OFF:
        for measure in ("jacobian_trace_train", "jacobian_norm_train", "flipd_train", "flipd_samples"):
            yield Expectation(measure, -0.01, 0.1, "all around a training image becomes that image: a point")
        yield Expectation("r2_wiener", -math.inf, 0.99, "it takes an unseen image for a training image", LOWEST)
    yield Expectation("skill_train", 0.999, 1.0, "no error is left where a linear filter has some", LOWEST)
    yield Expectation("skill_validation", -math.inf, 0.0, "it takes an unseen image for a training image", LOWEST)
    yield Expectation("r2_labelled_optimum", 1 - 1e-9, 1.0, "the model is that closed form", EVERYWHERE)
    yield Expectation("train_likeness", 0.8, math.inf, "states are noised training images", (0.05, 0.5))
    yield Expectation("states_inside", 0.8, 1.0, "states are noised training images", (0.05, 0.5))
    yield Expectation("largest_weight_states", 0.999, 1.001, "the posterior is on one image", LOWEST)
    yield Expectation("model_error_states", 0.0, 1e-9, "the model is the optimum", EVERYWHERE)


def _of_constant(train_size: int, scalars: Mapping[str, Estimate]) -> Iterator[Expectation]:
    yield Expectation("memorized_fraction", 0.0, 0.0, "the mean image is no training image")
    yield Expectation("extracted_images", 0.0, 0.0, "the mean image is no training image")
    if train_size >= ENOUGH:
        yield Expectation("coverage", 0.0, 0.1, "one image does not cover the data")
        yield Expectation("recall", 0.0, 0.1, "one image does not span the data")
    peak = scalars.get("peak_gap")
    if peak and math.isfinite(peak.low):
        width = peak.high - peak.low
        yield Expectation("peak_gap", -width, width, "it ignores its input: 0, within the width of the interval")
    for measure in ("skill_train", "skill_validation"):
        yield Expectation(measure, -math.inf, 0.0, "a linear filter makes use of its input", MODERATE)
    yield Expectation("skill_at_peak", -math.inf, 0.0, "a linear filter makes use of its input")
    for name in ("jacobian_trace", "jacobian_norm"):
        for where in ("train", "validation", "gap"):
            yield Expectation(f"{name}_{where}", 0.0, 0.0, "it ignores its input")
    gap = scalars.get("flipd_gap")
    if gap and math.isfinite(gap.low):
        width = gap.high - gap.low
        yield Expectation("flipd_gap", -width, width, "unseen images are as far from the mean: 0, within the interval")
    for name in ("optimum", "wiener", "locality"):
        yield Expectation(f"r2_{name}", -math.inf, 0.5, "it ignores its input, which a closed form follows", LOWEST)
    yield Expectation("membership_auc", 0.4, 0.6, "its loss tells nothing of membership", EVERYWHERE)
    yield from _of_attacks(0.4, 0.6, "the distance to the mean tells nothing of membership")
    yield Expectation("dataset_inference_p", 1e-3, 1.0, "it was trained on none of them: uniform")
    yield Expectation("privacy_epsilon", 0.0, 0.5, "guesses are no better than chance")
    yield _blind()


def _of_attacks(low: float, high: float, why: str) -> Iterator[Expectation]:
    for attack in ATTACKS:
        yield Expectation(f"attack_{attack}_auc", low, high, why)


def _blind() -> Expectation:
    return Expectation("blind_auc", 0.4, 0.6, "training and unseen images are of one distribution")


def judge_controls(study: Study, lookup: Lookup) -> pd.DataFrame:
    """Every scalar of every control, and the curves of which something is expected: one row each.

    Result: FACTORS and COLUMNS; sigmas is text, verdict empty where nothing is expected. Of a curve, value is that
    furthest from what is expected, low and high are its least and largest.
    """
    rows: list[dict[str, Any]] = []
    for cell in study.cells:
        definition = study.definition(cell.checkpoint.run.model)
        if isinstance(definition, CONTROLS) and cell.guidance.weight == 0:
            rows.extend(_rows(cell, definition, lookup.of_stages(cell)))
    return pd.DataFrame(rows, columns=[*FACTORS, *COLUMNS])


def _rows(cell: Cell, definition: ModelDefinition, measured: Sequence[Rows]) -> Iterator[dict[str, Any]]:
    scalars = {measure: estimate for rows in measured for measure, estimate in rows.scalars}
    expected = list(expectations(definition, cell.checkpoint.run.train_size, scalars))
    named = {each.measure: each for each in expected if each.sigmas is None}
    absent = Estimate(math.nan, math.nan, math.nan, 0, "missing: see the files of the study")
    for measure in dict.fromkeys([*scalars, *named]):
        if measure not in FLOORS.values():
            floor = scalars.get(FLOORS.get(measure, ""))
            yield _row(cell, measure, scalars.get(measure, absent), named.get(measure), floor)
    for each in expected:
        if each.sigmas is not None:
            yield _row(cell, each.measure, _extreme(measured, each), each, None)


def _extreme(measured: Sequence[Rows], expectation: Expectation) -> Estimate:
    """The value of a curve that is furthest from what is expected, between the least and the largest."""
    assert expectation.sigmas
    least, most = expectation.sigmas
    curves = (rows.curve(expectation.measure).items() for rows in measured)
    levels = [estimate for sigma, estimate in chain.from_iterable(curves) if least <= sigma <= most]
    values = np.array([estimate.value for estimate in levels])
    values = values[np.isfinite(values)]
    if not len(values):
        return Estimate(math.nan, math.nan, math.nan, 0, "no level has a value")
    excess = np.maximum(expectation.low - values, values - expectation.high)
    n = max(estimate.n for estimate in levels)
    return Estimate(float(values[excess.argmax()]), float(values.min()), float(values.max()), n)


def _row(
    cell: Cell, measure: str, estimate: Estimate, expected: Expectation | None, floor: Estimate | None
) -> dict[str, Any]:
    judged = {"sigmas": "", "expected_low": math.nan, "expected_high": math.nan, "why": "", "verdict": ""}
    if expected:
        verdict = MET if expected.low <= estimate.value <= expected.high else UNMET
        judged = {
            "sigmas": _levels(expected.sigmas),
            "expected_low": expected.low,
            "expected_high": expected.high,
            "why": expected.why,
            "verdict": UNDEFINED if math.isnan(estimate.value) else verdict,
        }
    numbers = {name: getattr(estimate, name) for name in ("value", "low", "high", "n", "reason")}
    return cell.factors | {"measure": measure} | numbers | {"floor": floor.value if floor else math.nan} | judged


def _levels(sigmas: tuple[float, float] | None) -> str:
    if sigmas is None:
        return ""
    if sigmas == EVERYWHERE:
        return "every level"
    return f"σ ≤ {sigmas[1]:g}" if sigmas[0] == 0 else f"σ {sigmas[0]:g} to {sigmas[1]:g}"
