"""What the 2D laboratory says of the fifth claim: localization, and what suppresses exact recall.

Its numbers are exact but for quadrature: their intervals are bounds on the numerical error, not on chance. What they
show depends on model error beside the spacing of the training points, so tests go from where it is small to where it
is large, and a sweep that lacks either decides nothing. Controls ask the same where it must not be so.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.data.planar import spacing
from diffbench.files.estimates import Estimate, undefined
from diffbench.files.store import StageFile
from diffbench.study.layout import TOPIC
from diffbench.summary.reading import Reader
from diffbench.summary.verdicts import ClaimTest

GAP_ERROR = 1e-3
"""Numerical error of a peak gap, relative and absolute; tests hold it below."""

RECALL_ERROR = 1e-5
"""Numerical error of a recall probability; tests hold it below."""

SMALL = 1 / 10
"""Model error over spacing up to which a model is near the optimum: it recalls 1 - exp(-(1/4)^2 / (2 SMALL^2)) = 96 %
of its points at least, since d1/d2 < 1/3 within a quarter of the spacing around a training point."""

LARGE = 1 / 4
"""Model error over spacing from which it leads out of that quarter."""


class Loss(NamedTuple):
    """What may lose recall, where, and what the topic's sweeps must hold for the test."""

    cause: str
    place: str
    needed: str
    control: bool


BY_ERROR, BY_SUPPORT = "model error, with the fewest training points", "dense support, at one model error"
GROWS, STAYS = "from small to large error", "error stays small"
FEWEST, MOST = (f"of the spacing of the {which} training points" for which in ("fewest", "most"))
LOSSES = {
    "error": Loss(BY_ERROR, GROWS, f"one δ of at most {SMALL:g} and one of at least {LARGE:g} {FEWEST}", False),
    "support": Loss(BY_SUPPORT, GROWS, f"a δ of at most {SMALL:g} {FEWEST} and at least {LARGE:g} {MOST}", False),
    "error_small": Loss(BY_ERROR, STAYS, f"two δ of at most {SMALL:g} {FEWEST}", True),
    "support_small": Loss(BY_SUPPORT, STAYS, f"two numbers of points, and a δ of at most {SMALL:g} {MOST}", True),
}
"""By the end of the test's name. Error is small or large beside the spacing."""


class Found(NamedTuple):
    """A statistic, and the settings that it is of in words."""

    estimate: Estimate
    settings: str = ""


def laboratory_tests(reader: Reader) -> tuple[ClaimTest, ...]:
    """Tests of claim 5 from the files of the laboratory's topics; none if the study has no laboratory."""
    if reader.study.lab is None:
        return ()
    return (*_localization(reader, reader.study.lab.gap.points), *_recall(reader))


def _localization(reader: Reader, points: int) -> Iterator[ClaimTest]:
    """The peak gap with the least and, as a control, the largest delta; other factors at the topic's centre."""
    try:
        gap = reader.read(TOPIC, {"topic": "gap"})
        least, largest = (_peak(gap, points, control) for control in (False, True))
    except DiffbenchError as error:
        least = largest = Found(undefined(str(error), 0))
    for name, found, place, control in (
        ("localization", least, "least model error", False),
        ("localization_blurred", largest, "largest model error", True),
    ):
        yield ClaimTest(
            name,
            "peak gap on the circle",
            found.estimate,
            "localization",
            above=True,
            control=control,
            note=found.settings,
            place=place,
        )


def _peak(gap: StageFile, points: int, largest: bool) -> Found:
    """The peak gap at the largest or the least delta of the sweep, if that is large or small beside the spacing.

    It is infinite, and so above any limit, where delta is too small for float64 to tell the training error from 0.
    """
    swept = np.flatnonzero((gap["guidance"] == 0) & (gap["points"] == points))
    deltas = gap["delta"][swept]
    row = swept[deltas.argmax() if largest else deltas.argmin()]
    delta, value = float(gap["delta"][row]), float(gap["peak_gap"][row])
    share = delta / spacing(points // 2)
    settings = f"δ = {delta:g}, {share:.2g} of the spacing of {points // 2} training points"
    if share < LARGE if largest else share > SMALL:
        wanted = f"at least {LARGE:g}" if largest else f"at most {SMALL:g}"
        return Found(undefined(f"{settings}: give lab.gap.deltas one of {wanted} of it", 0), settings)
    return Found(Estimate(value, value * (1 - GAP_ERROR) - GAP_ERROR, value * (1 + GAP_ERROR) + GAP_ERROR, 1), settings)


def _recall(reader: Reader) -> Iterator[ClaimTest]:
    """Loss of recall by error and by dense support, and both as controls while all errors are small."""
    try:
        found = _losses(reader.read(TOPIC, {"topic": "recall"}))
    except DiffbenchError as error:
        found = dict.fromkeys(LOSSES, Found(undefined(str(error), 0)))
    for end, loss in LOSSES.items():
        yield ClaimTest(
            f"recall_lost_to_{end}",
            f"loss of the probability of exact recall by {loss.cause}",
            found[end].estimate,
            "recall_lost",
            above=True,
            control=loss.control,
            note=found[end].settings,
            place=loss.place,
        )


def _losses(recall: StageFile) -> dict[str, Found]:
    """Of each of LOSSES, between settings that are chosen by model error beside spacing."""
    few, dense = int(recall["points"].argmin()), int(recall["points"].argmax())
    share = recall["delta"] / recall["spacing"][:, None]  # (points, delta); delta rises
    small, large = share <= SMALL, share >= LARGE
    near, far = np.flatnonzero(small[few]), np.flatnonzero(large[few])
    turned, kept = np.flatnonzero(small[few] & large[dense])[-1:], np.flatnonzero(small[dense])[-1:]
    ways = {
        "error": [(few, at) for at in (*near[:1], *far[-1:])],
        "support": [(row, at) for row in (few, dense) for at in turned],
        "error_small": [(few, at) for at in (*near[:1], *near[1:][-1:])],
        "support_small": [(row, at) for row in dict.fromkeys((few, dense)) for at in kept],
    }
    return {end: _loss(recall, way, LOSSES[end].needed) for end, way in ways.items()}


def _loss(recall: StageFile, way: list[tuple[int, int]], needed: str) -> Found:
    """Recall at the first of two settings (row, delta's index) minus that at the second."""
    if len(way) < 2:
        return Found(undefined(f"lab.recall lacks {needed}", 0))
    first, last = (float(recall["recall"][setting]) for setting in way)
    words = [
        f"{value:.3g} with {recall['points'][row] // 2} training points and δ = {recall['delta'][at]:g}"
        for value, (row, at) in zip((first, last), way, strict=True)
    ]
    lost = first - last
    return Found(Estimate(lost, lost - 2 * RECALL_ERROR, lost + 2 * RECALL_ERROR, 1), f"from {words[0]} to {words[1]}")
