"""What the 2D laboratory says of the fifth claim: localization, and what suppresses exact recall.

Its numbers are exact but for quadrature: their intervals are bounds on the numerical error, not on chance.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.files import store
from diffbench.files.estimates import Estimate, undefined
from diffbench.files.store import StageFile
from diffbench.study.layout import TOPIC
from diffbench.summary.verdicts import ClaimTest

GAP_ERROR = 1e-3
"""Relative numerical error of a peak gap; tests hold it below."""

RECALL_ERROR = 1e-5
"""Numerical error of a recall probability."""


def laboratory_tests(results: Path) -> tuple[ClaimTest, ...]:
    """Tests of claim 5 from lab/*.h5 inside `results`; none if there is no laboratory."""
    if not (results / TOPIC.of({"topic": "gap"})).parent.exists():
        return ()
    return (_localization(results), *_recall(results))


def _localization(results: Path) -> ClaimTest:
    """ln(peak gap with the least delta / with the largest), the other factors at the topic's centre."""
    statement = "logarithm of the peak gap's ratio, least model error over largest, on the circle"
    try:
        gap = store.read(results / TOPIC.of({"topic": "gap"}), "lab")
    except DiffbenchError as error:
        return ClaimTest("localization", statement, undefined(str(error), 0), "localization", above=True)
    swept = np.flatnonzero((gap["guidance"] == 0) & (gap["points"] == gap["points"][0]))
    peaks = gap["peak_gap"][swept][np.argsort(gap["delta"][swept])]
    if len(peaks) < 2 or peaks[-1] <= 0:
        estimate = undefined("one error scale alone, or no gap above rounding", 0)
    else:
        value = float(np.log(peaks[0] / peaks[-1]))
        estimate = Estimate(value, value - 2 * GAP_ERROR, value + 2 * GAP_ERROR, 1)
    return ClaimTest("localization", statement, estimate, "localization", above=True)


def _recall(results: Path) -> Iterator[ClaimTest]:
    """Loss of recall from the least to the largest delta, and from the fewest to the most training points."""
    try:
        recall: StageFile | None = store.read(results / TOPIC.of({"topic": "recall"}), "lab")
        reason = ""
    except DiffbenchError as error:
        recall, reason = None, str(error)
    losses = {"error": ("model error, with the fewest training points", undefined(reason, 0))}
    losses["support"] = ("dense support, at the middle of the error scales", undefined(reason, 0))
    if recall is not None:
        table = recall["recall"][np.argsort(recall["points"])]  # (points, delta), both rising
        middle = table[:, table.shape[1] // 2]
        losses["error"] = (losses["error"][0], _loss(table[0]))
        losses["support"] = (losses["support"][0], _loss(middle))
    for name, (words, estimate) in losses.items():
        statement = f"loss of the probability of exact recall by {words}"
        yield ClaimTest(f"recall_lost_to_{name}", statement, estimate, "recall_lost", above=True)


def _loss(probabilities: np.ndarray) -> Estimate:
    """First minus last."""
    if len(probabilities) < 2:
        return undefined("the laboratory sweeps one value alone", 0)
    value = float(probabilities[0] - probabilities[-1])
    return Estimate(value, value - 2 * RECALL_ERROR, value + 2 * RECALL_ERROR, 1)
