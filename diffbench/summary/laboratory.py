"""What the 2D laboratory says of the fifth claim: localization, and what suppresses exact recall.

Its numbers are exact but for quadrature: their intervals are bounds on the numerical error, not on chance.
"""

from collections.abc import Iterator

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate, undefined
from diffbench.files.store import StageFile
from diffbench.study.layout import TOPIC
from diffbench.summary.reading import Reader
from diffbench.summary.verdicts import ClaimTest

GAP_ERROR = 1e-3
"""Relative numerical error of a peak gap; tests hold it below."""

RECALL_ERROR = 1e-5
"""Numerical error of a recall probability."""


def laboratory_tests(reader: Reader) -> tuple[ClaimTest, ...]:
    """Tests of claim 5 from the files of the laboratory's topics; none if the study has no laboratory."""
    if reader.study.lab is None:
        return ()
    return (_localization(reader), *_recall(reader))


def _localization(reader: Reader) -> ClaimTest:
    """ln(peak gap with the least delta / with the largest), the other factors at the topic's centre."""
    statement = "logarithm of the peak gap's ratio, least model error over largest, on the circle"
    try:
        estimate = _peaks_ratio(reader.read(TOPIC, {"topic": "gap"}))
    except DiffbenchError as error:
        estimate = undefined(str(error), 0)
    return ClaimTest("localization", statement, estimate, "localization", above=True)


def _peaks_ratio(gap: StageFile) -> Estimate:
    swept = np.flatnonzero((gap["guidance"] == 0) & (gap["points"] == gap["points"][0]))
    peaks = gap["peak_gap"][swept][np.argsort(gap["delta"][swept])]
    if len(peaks) < 2 or peaks[-1] <= 0:
        return undefined("one error scale alone, or no gap above rounding", 0)
    value = float(np.log(peaks[0] / peaks[-1]))
    return Estimate(value, value - 2 * GAP_ERROR, value + 2 * GAP_ERROR, 1)


def _recall(reader: Reader) -> Iterator[ClaimTest]:
    """Loss of recall from the least to the largest delta, and from the fewest to the most training points."""
    try:
        recall = reader.read(TOPIC, {"topic": "recall"})
        table = recall["recall"][np.argsort(recall["points"])]  # (points, delta), both rising
        of_error, of_support = _loss(table[0]), _loss(table[:, table.shape[1] // 2])
    except DiffbenchError as error:
        of_error = of_support = undefined(str(error), 0)
    for name, words, estimate in (
        ("error", "model error, with the fewest training points", of_error),
        ("support", "dense support, at the middle of the error scales", of_support),
    ):
        statement = f"loss of the probability of exact recall by {words}"
        yield ClaimTest(f"recall_lost_to_{name}", statement, estimate, "recall_lost", above=True)


def _loss(probabilities: np.ndarray) -> Estimate:
    """First minus last."""
    if len(probabilities) < 2:
        return undefined("the laboratory sweeps one value alone", 0)
    value = float(probabilities[0] - probabilities[-1])
    return Estimate(value, value - 2 * RECALL_ERROR, value + 2 * RECALL_ERROR, 1)
