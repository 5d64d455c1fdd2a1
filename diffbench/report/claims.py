"""The page of the five claims: verdicts, the tests behind them, time scales and pair consistency."""

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.report.charts_claims import claim_figure
from diffbench.report.leaderboard import Shown, show
from diffbench.report.page import write_page
from diffbench.report.results import Results, read_table
from diffbench.report.timescales import consistency_table, onset_figure, recall_table, run_table
from diffbench.settings.report import ReportSettings


class Trial(NamedTuple):
    """A test of a claim as the page shows it."""

    statement: str
    shown: Shown
    seeds: int
    asks: str  # where the claim wants the value
    verdict: str
    reason: str


class Section(NamedTuple):
    """A claim with its tests."""

    number: int
    statement: str
    verdict: str
    figure: str
    tests: tuple[Trial, ...]


class Divide(NamedTuple):
    """A threshold, why it lies there, and the tests that use it."""

    reason: str
    thresholds: tuple[str, ...]
    claims: tuple[int, ...]


def load_claims(results: Results) -> list[dict[str, Any]]:
    """The records of claims.json (see `summary.verdicts.as_records`). DiffbenchError if it cannot be read."""
    path = results.folder / "claims.json"
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DiffbenchError(f"{path}: no readable claims ({error}); run snakemake to make them") from None


def write_claims(results: Results, settings: ReportSettings) -> None:
    """Write report/claims.html and its tables inside the study's results."""
    claims = load_claims(results)
    scales, pairs = (
        read_table(results.folder / "summary" / f"{name}.csv", results.study) for name in ("timescales", "consistency")
    )
    figures = [claim_figure(claim, settings.chart_width) for claim in claims]
    figures.append(onset_figure(scales, results.study, settings.chart_width))
    write_page(
        results.folder / "report" / "claims.html",
        "claims.html",
        [figure for figure in figures if figure],
        study=results.study,
        manifest=results.manifest,
        sections=[_section(claim) for claim in claims],
        divides=divides(claims),
        runs=run_table(scales, results.study),
        recall=recall_table(scales, results.study),
        consistency=consistency_table(pairs, results.study),
    )


def _section(claim: dict[str, Any]) -> Section:
    tests = tuple(
        Trial(test["statement"], _shown(test), test["seeds"], _asks(test), test["verdict"], test["reason"])
        for test in claim["tests"]
    )
    return Section(claim["claim"], claim["statement"], claim["verdict"], f"claim-{claim['claim']}", tests)


def _shown(test: dict[str, Any]) -> Shown:
    numbers = {name: math.nan if test[name] is None else test[name] for name in ("value", "low", "high")}
    return show(pd.Series(numbers | {"reason": test["reason"], "n": test["seeds"]}, dtype=object))


def _asks(test: dict[str, Any]) -> str:
    return f"{test['supported_if']} {test['threshold']:g}".replace("-", "−")


def divides(claims: Sequence[dict[str, Any]]) -> list[Divide]:
    """Thresholds by their reason, each once."""
    found: dict[str, list[tuple[str, int]]] = {}
    for claim in claims:
        for test in claim["tests"]:
            found.setdefault(test["threshold_reason"], []).append((_asks(test), claim["claim"]))
    return [
        Divide(reason, *(tuple(dict.fromkeys(values)) for values in zip(*uses, strict=True)))
        for reason, uses in found.items()
    ]
