"""The page of the five claims: verdicts, the tests behind them, time scales and pair consistency."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from diffbench.report.charts.claims import claim_figure
from diffbench.report.charts.onset import onset_figure
from diffbench.report.charts.power_law import power_law_figure
from diffbench.report.pages.page import write_study_page
from diffbench.report.tables.advice import advice
from diffbench.report.tables.results import Results, load_claims
from diffbench.report.tables.shown import Shown, show
from diffbench.report.tables.timescales import consistency_table, exponent_table, recall_table, run_table
from diffbench.settings.report import ReportSettings


class ShownTest(NamedTuple):
    """A test of a claim as the page shows it."""

    statement: str
    shown: Shown
    seeds: int
    asks: str  # where the claim wants the value
    verdict: str
    reason: str


class ShownClaim(NamedTuple):
    """A claim with its tests."""

    number: int
    statement: str
    verdict: str
    figure: str
    tests: tuple[ShownTest, ...]


class Divide(NamedTuple):
    """A threshold, why it lies there, and the tests that use it."""

    reason: str
    thresholds: tuple[str, ...]
    claims: tuple[int, ...]


def write_claims(results: Results, settings: ReportSettings) -> None:
    """Write the page and its tables inside the study's results."""
    claims = load_claims(results)
    scales, pairs = results.table("timescales"), results.table("consistency")
    figures = [claim_figure(claim, settings.chart_width) for claim in claims]
    figures.append(power_law_figure(scales, results.study, settings.chart_width))
    figures.append(onset_figure(scales, results.study, settings.chart_width))
    write_study_page(
        results,
        "claims",
        [figure for figure in figures if figure],
        claims=[_shown_claim(claim) for claim in claims],
        divides=divides(claims),
        advice=advice(scales),
        runs=run_table(scales, results.study),
        exponents=exponent_table(scales, results.study),
        recall=recall_table(scales, results.study),
        consistency=consistency_table(pairs, results.study),
    )


def _shown_claim(claim: dict[str, Any]) -> ShownClaim:
    tests = tuple(
        ShownTest(test["statement"], _shown(test), test["seeds"], _asks(test), test["verdict"], test["reason"])
        for test in claim["tests"]
    )
    return ShownClaim(claim["claim"], claim["statement"], claim["verdict"], f"claim-{claim['claim']}", tests)


def _shown(test: dict[str, Any]) -> Shown:
    numbers = {name: math.nan if test[name] is None else test[name] for name in ("value", "low", "high")}
    return show(pd.Series(numbers | {"reason": test["reason"], "n": test["seeds"]}, dtype=object))


def _asks(test: dict[str, Any]) -> str:
    return f"{test['supported_if']} {test['threshold']:g}".replace("-", "−")


def divides(claims: Sequence[dict[str, Any]]) -> list[Divide]:
    """Thresholds by their reason, each once."""
    uses_by_reason: dict[str, list[tuple[str, int]]] = {}
    for claim in claims:
        for test in claim["tests"]:
            uses_by_reason.setdefault(test["threshold_reason"], []).append((_asks(test), claim["claim"]))
    return [
        Divide(reason, *(tuple(dict.fromkeys(values)) for values in zip(*uses, strict=True)))
        for reason, uses in uses_by_reason.items()
    ]
