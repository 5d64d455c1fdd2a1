"""What the 2D laboratory says of the fifth claim: localization, and what suppresses exact recall.

Its numbers are exact but for quadrature: their intervals are bounds on the numerical error, not on chance.
"""

from collections.abc import Iterator

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.files.estimates import Estimate, undefined
from diffbench.study.layout import TOPIC
from diffbench.summary.reading import Reader
from diffbench.summary.verdicts import ClaimTest

GAP_ERROR = 1e-3
"""Relative numerical error of a peak gap; tests hold it below."""

RECALL_ERROR = 1e-5
"""Numerical error of a recall probability."""


SMALL = 1 / 20
"""Of the training points' spacing: a model error so small loses no recall, whatever the rest."""

WORDS = {
    "error": "model error, with the fewest training points",
    "support": "dense support, at the middle of the error scales",
}
"""What loses recall."""


def laboratory_tests(reader: Reader) -> tuple[ClaimTest, ...]:
    """Tests of claim 5 from the files of the laboratory's topics; none if the study has no laboratory."""
    if reader.study.lab is None:
        return ()
    return (*_localization(reader), *_recall(reader))


def _localization(reader: Reader) -> Iterator[ClaimTest]:
    """The peak gap with the least and, as a control, the largest delta; other factors at the topic's centre."""
    try:
        gap = reader.read(TOPIC, {"topic": "gap"})
        swept = np.flatnonzero((gap["guidance"] == 0) & (gap["points"] == gap["points"][0]))
        swept = swept[np.argsort(gap["delta"][swept])]
        ends = [(float(gap["delta"][at]), _peak(float(gap["peak_gap"][at]))) for at in (swept[0], swept[-1])]
    except DiffbenchError as error:
        ends = [(np.nan, undefined(str(error), 0))]
    for (delta, peak), control in zip(ends, (False, True), strict=False):
        statement = "peak gap on the circle" + (f", model error δ = {delta:g}" if np.isfinite(delta) else "")
        name = "localization_blurred" if control else "localization"
        yield ClaimTest(name, statement, peak, "localization", above=True, control=control)


def _peak(value: float) -> Estimate:
    """A peak gap with its numerical error; where none rises above rounding it is 0 within that error."""
    value = value if np.isfinite(value) else 0.0
    return Estimate(value, value * (1 - GAP_ERROR) - GAP_ERROR, value * (1 + GAP_ERROR) + GAP_ERROR, 1)


def _recall(reader: Reader) -> Iterator[ClaimTest]:
    """Loss of recall from the least to the largest delta, and from the fewest to the most training points.

    Controls: the same while model error is small beside every spacing.
    """
    losses: dict[tuple[str, bool], Estimate]
    try:
        recall = reader.read(TOPIC, {"topic": "recall"})
        order = np.argsort(recall["points"])
        table, spacings = recall["recall"][order], recall["spacing"][order]  # (points, delta), both rising
        small = table[:, recall["delta"] <= SMALL * spacings[-1]]
        losses = {
            ("error", False): _loss(table[0]),
            ("support", False): _loss(table[:, table.shape[1] // 2]),
        }
        if small.size and len(small) > 1:
            losses["support", True] = _loss(small[:, 0])
        if small.shape[1] > 1:
            losses["error", True] = _loss(small[0])
    except DiffbenchError as error:
        losses = {(cause, False): undefined(str(error), 0) for cause in WORDS}
    for (cause, control), estimate in losses.items():
        statement = f"loss of the probability of exact recall by {WORDS[cause]}"
        if control:
            statement = f"loss of the probability of exact recall by {WORDS[cause].split(',')[0]}, all errors small"
        name = f"recall_lost_to_{cause}" + ("_small" if control else "")
        yield ClaimTest(name, statement, estimate, "recall_lost", above=True, control=control)


def _loss(probabilities: np.ndarray) -> Estimate:
    """First minus last."""
    if len(probabilities) < 2:
        return undefined("the laboratory sweeps one value alone", 0)
    value = float(probabilities[0] - probabilities[-1])
    return Estimate(value, value - 2 * RECALL_ERROR, value + 2 * RECALL_ERROR, 1)
