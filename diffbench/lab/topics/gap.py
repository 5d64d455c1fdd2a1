"""The noise-free gap over sigma for sweeps of delta, points and guidance, with a Monte-Carlo cross-check."""

import math

import numpy as np

from diffbench.conventions import karras_sigmas
from diffbench.data.planar import equidistant
from diffbench.files.store import Variable
from diffbench.lab.circle import LEVELS, find_peak, ideal_denoiser, symmetric_curve
from diffbench.lab.montecarlo import SampledGap, sampled_gap
from diffbench.settings.lab import GapTopic

CHECKED_LEVELS = np.geomspace(0.3, 10.0, 10)
"""Noise levels of the cross-check: around the peak, and on both flanks."""

Setting = tuple[int, float, float, float]
"""Points, delta, guide delta (nan without guidance), guidance weight."""


def variables(topic: GapTopic) -> dict[str, Variable]:
    """Curves (setting, sigma) of mean errors and gap, peaks (setting,), and the cross-check (check,)."""
    settings = swept(topic)
    curves = [symmetric_curve(points, delta, _or_none(guide), w) for points, delta, guide, w in settings]
    peaks = [find_peak(curve) for curve in curves]
    columns = zip(*settings, strict=True)
    texts = {
        "points": "points of the symmetric circle, half of which train",
        "delta": "error scale of the denoiser",
        "guide_delta": "error scale of the denoiser that is guided away from; nan: none",
        "guidance": "guidance weight",
    }
    swept_over = {
        name: Variable(np.array(column), ("setting",), texts[name]) for name, column in zip(texts, columns, strict=True)
    }
    results = {"sigma": Variable(karras_sigmas(LEVELS), ("sigma",), "noise level")}
    for name, text in {
        "train": "mean L2 norm of the error at training points",
        "validation": "mean L2 norm of the error at validation points",
        "gap": "(validation - train) / train of the mean norms",
        "gap_square": "(validation - train) / train of the mean squares",
        "change": "relative change of an error at the quadrature's last doubling",
    }.items():
        values = np.stack([getattr(curve, name) for curve in curves])
        results[name] = Variable(values, ("setting", "sigma"), text)
    for name in ("peak_gap", "sigma_at_peak", "train_error", "validation_error"):
        values = np.array([getattr(peak, name) for peak in peaks])
        results[name] = Variable(values, ("setting",), f"{name.replace('_', ' ')}; nan: no gap above rounding")
    return swept_over | results | _check(topic)


def swept(topic: GapTopic) -> list[Setting]:
    """The settings of the three sweeps, each once."""
    center = (topic.points, topic.delta)
    settings = (
        [(topic.points, delta, math.nan, 0.0) for delta in topic.deltas]
        + [(points, topic.delta, math.nan, 0.0) for points in topic.point_counts]
        + [(*center, topic.guide_delta if weight else math.nan, weight) for weight in topic.guidances]
    )
    return list(dict.fromkeys(settings))


def _or_none(guide_delta: float) -> float | None:
    return None if math.isnan(guide_delta) else guide_delta


def _check(topic: GapTopic) -> dict[str, Variable]:
    """The gap of the central setting by Monte Carlo, with its interval, beside that of the quadrature."""
    both = equidistant(topic.points)
    denoiser = ideal_denoiser(both[0::2], topic.delta)
    sampled = [
        sampled_gap(denoiser, both[:1], both[1:2], float(sigma), topic.draws, seed)
        for seed, sigma in enumerate(CHECKED_LEVELS)
    ]
    exact = symmetric_curve(topic.points, topic.delta, sigmas=CHECKED_LEVELS).gap
    values = {"check": CHECKED_LEVELS, "check_exact": exact}
    texts = {"check": "noise level of the cross-check", "check_exact": "gap by quadrature"}
    for index, name in enumerate(SampledGap._fields[:3]):
        values[f"check_{name}"] = np.array([row[index] for row in sampled])
        texts[f"check_{name}"] = f"{name} of the gap by Monte Carlo and its interval"
    return {name: Variable(value, ("check",), texts[name]) for name, value in values.items()}
