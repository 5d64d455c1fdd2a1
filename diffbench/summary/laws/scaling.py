"""Law 2: the time to memorize is proportional to n, the time to generalize constant (Bonnaire et al., 2505.17638)."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from diffbench.files.estimates import Estimate, undefined
from diffbench.study.study import Study
from diffbench.summary.claims.seeds import magnitude, number, text
from diffbench.summary.verdicts import ClaimTest

Rows = Sequence[Mapping[Any, Any]]
"""Of the table of time scales, by column."""

OPEN = "the interval of the exponent is open: some time may lie beyond the milestones"


def scaling_tests(study: Study, scales: Rows) -> Iterator[ClaimTest]:
    """Exponents b of times proportional to n^b, at the centre but for n, over seeds.

    Memorization is read from tau_half: the floor, at which tau_mem is read, differs with n. tau_mem stands beside it.
    """
    at = f"{study.center.model}, {study.center.granularity}"
    yield _test(study, scales, "tau_half", 1, f"|b − 1| of τ half ∝ n^b, {at}", beside="tau_mem")
    yield _test(study, scales, "tau_gen", 0, f"|b| of τ gen ∝ n^b, {at}")


def _test(study: Study, scales: Rows, tau: str, law: float, statement: str, beside: str = "") -> ClaimTest:
    exponent = _exponent(study, scales, tau)
    away = Estimate(exponent.value - law, exponent.low - law, exponent.high - law, exponent.n)
    said = f"b = {text(exponent)}"
    if exponent.reason:
        away, said = undefined(exponent.reason, 0), ""
    if math.isinf(exponent.high):
        away, said = undefined(OPEN, exponent.n), f"b = {number(exponent.value)}, with an open interval"
    if said and beside:
        other = _exponent(study, scales, beside)
        said += f"; of {beside.replace('tau_', 'τ ')}: {other.reason or text(other)}"
    return ClaimTest(f"{tau}_exponent", statement, magnitude(away), "exponent", above=False, note=said)


def _exponent(study: Study, scales: Rows, tau: str) -> Estimate:
    """The exponent over seeds at the study's centre."""
    factors = study.center.factors
    name = f"{tau}_exponent"
    rows = [
        row
        for row in scales
        if row["measure"] == name and all(row[each] == factors[each] for each in ("model", "granularity", "guidance"))
    ]
    if not rows:
        return undefined("the study has no two training sizes with two milestones each at its centre", 0)
    of_all = [row for row in rows if pd.isna(row["seed"])]
    if not of_all:
        return undefined("one seed gives no interval", 1)
    (row,) = of_all
    return Estimate(*(row[each] for each in ("value", "low", "high", "n", "reason")))
