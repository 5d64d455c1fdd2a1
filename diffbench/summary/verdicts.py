"""How a claim is judged: thresholds with their reasons, tests, verdicts.

Each claim is a set of tests. A test has one value per training seed, their mean, an interval over seeds (Student's t)
and a threshold; the verdict follows from where the interval lies, never from the eye. A claim is refuted if any of its
tests is, and supported if all are and each positive control is refuted, as it must be: a test that cannot fail supports
nothing. Else it is inconclusive.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.intervals import ALPHA

UNBOUNDED = "unbounded"
"""Reason of records whose value is infinite, which JSON cannot say; their verdict may be known."""

SUPPORTED, REFUTED, INCONCLUSIVE = "supported", "refuted", "inconclusive"


@dataclass(frozen=True)
class Threshold:
    """Where a test divides, and why there."""

    value: float
    reason: str


THRESHOLDS = {
    "peak": Threshold(0.0, "a bump stands above both ends, or it is none"),
    "ends": Threshold(0.1, "a tenth of the training loss: what is less is about 0 beside peaks of 0.3 and more"),
    "elasticity": Threshold(
        0.05, "doubling the factor must change the peak gap by more than 3.5 %, else it is no trend worth the name"
    ),
    "memorized_excess": Threshold(
        0.05, "one sample in twenty above the held-out floor is what an auditor would call memorization"
    ),
    "bias": Threshold(
        0.05, "one sample in twenty more on the side of the training images; a tenth of exact copies does as much"
    ),
    "frechet_bias": Threshold(
        0.1,
        "a tenth of a Frechet distance; three seeds resolve no less, so that strong bias alone is seen: among digits "
        "one exact copy in twenty adds 0.02",
    ),
    "growth": Threshold(0.0, "logarithm of the peak gap's ratio, last milestone over first: it grew or it did not"),
    "localization": Threshold(
        1.0,
        "between training points the error is twice that on them: the larger part is there because they are none",
    ),
    "recall_lost": Threshold(0.1, "a tenth of all generated points: less would not be seen in a sample of a hundred"),
    "likeness": Threshold(
        0.5, "half-way between noised unseen data (0) and noised training data (1): nearer to one or the other"
    ),
    "inside": Threshold(0.5, "most states lie outside of a ball that holds 95 of 100 noised training images"),
    "labels_alike": Threshold(
        0.1, "one sample in ten either way; unique labels made more than six in ten copies in Gu et al."
    ),
    "exponent": Threshold(
        0.25, "half-way to the square root of n: for 16 times as many images a factor of 2 from the law"
    ),
    "direction": Threshold(0.0, "the law names a direction and no size"),
    "bend": Threshold(0.0, "below 0 the middle lies between both ends: over the three weights the effect is monotone"),
}


@dataclass(frozen=True)
class ClaimTest:
    """One test: it supports its claim where the statistic lies on the stated side of the threshold."""

    name: str
    statement: str
    estimate: Estimate  # mean over seeds, interval over seeds, n = seeds
    threshold: str  # key of THRESHOLDS
    above: bool  # whether the claim asks for values above the threshold
    sign: float = 1.0  # of the threshold
    control: bool = False  # a positive control, where the truth is known: the same test must be refuted there
    note: str = ""  # what the number is to be read beside
    place: str = ""  # where, if the same is asked in several places: "n = 64"

    @property
    def limit(self) -> float:
        """The threshold with its sign."""
        return self.sign * THRESHOLDS[self.threshold].value

    @property
    def verdict(self) -> str:
        """Supported or refuted where the whole interval lies on one side, else inconclusive."""
        if self.estimate.reason or math.isnan(self.estimate.low):
            return INCONCLUSIVE
        if self.estimate.low > self.limit:
            return SUPPORTED if self.above else REFUTED
        if self.estimate.high < self.limit:
            return REFUTED if self.above else SUPPORTED
        return INCONCLUSIVE


@dataclass(frozen=True)
class Claim:
    """A claim with its tests."""

    number: int
    statement: str
    tests: tuple[ClaimTest, ...]
    words: tuple[str, ...] = ()  # what the tests say together, in sentences

    @property
    def verdict(self) -> str:
        """Of all tests together; controls can take support away, no more."""
        verdict = together(test.verdict for test in self.tests if not test.control)
        powerful = all(test.verdict == REFUTED for test in self.tests if test.control)
        return INCONCLUSIVE if verdict == SUPPORTED and not powerful else verdict


def together(verdicts: Iterable[str]) -> str:
    """Refuted if any is, supported if all are and there is one, else inconclusive."""
    of_all = set(verdicts)
    if REFUTED in of_all:
        return REFUTED
    return SUPPORTED if of_all == {SUPPORTED} else INCONCLUSIVE


def t_interval(values: Sequence[float], shared: Sequence[float] = ()) -> Estimate:
    """Mean of one value per seed with Student's interval. A single seed has a value but no interval.

    shared: standard errors of what all seeds have in common (images, noise), one per seed. Their agreement is no
    evidence there: the mean has the variance between seeds and, beside it, the shared one, with the degrees of freedom
    of the sum (Welch 1947, Satterthwaite 1946); the interval is never narrower than Student's. Simulated, three seeds
    cover 95 % where shared errors are exact, more where they are upper estimates.
    """
    count = sum(math.isfinite(value) for value in values)
    if count < max(1, len(values)):
        return undefined(f"only {count} of {len(values)} seeds have a finite value", count)
    mean = float(np.mean(values))
    if count == 1:
        return Estimate(mean, math.nan, math.nan, 1, "one seed gives no interval")
    own = float(np.var(values, ddof=1)) / count
    common = float(np.mean(np.square(shared))) if len(shared) else 0.0
    freedom = (count - 1) * (1 + common / own) ** 2 if own else math.inf
    half = max(_half_width(own, count - 1), _half_width(own + common, freedom))
    return Estimate(mean, mean - half, mean + half, count)


def _half_width(variance: float, freedom: float) -> float:
    return float(special.stdtrit(freedom, 1 - ALPHA / 2)) * math.sqrt(variance)


def as_records(claims: Sequence[Claim], kind: str = "claim") -> list[dict[str, Any]]:
    """The claims as plain values for JSON and pages; undefined numbers are None. kind: name of the number."""
    return [
        {
            kind: claim.number,
            "statement": claim.statement,
            "verdict": claim.verdict,
            "words": list(claim.words),
            "tests": [_record(test) for test in claim.tests],
        }
        for claim in claims
    ]


def _record(test: ClaimTest) -> dict[str, Any]:
    numbers = {name: getattr(test.estimate, name) for name in ("value", "low", "high")}
    return {
        "test": test.name,
        "statement": test.statement,
        "place": test.place,
        **{name: number if math.isfinite(number) else None for name, number in numbers.items()},
        "seeds": test.estimate.n,
        "threshold": test.limit,
        "supported_if": "above" if test.above else "below",
        "control": test.control,
        "note": test.note,
        "threshold_reason": THRESHOLDS[test.threshold].reason,
        "verdict": test.verdict,
        "reason": UNBOUNDED if math.isinf(test.estimate.value) else test.estimate.reason,
    }
