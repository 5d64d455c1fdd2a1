"""The page of the five claims: verdicts, the tests behind them, laws of the field, pair consistency."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from diffbench.report.charts.claims import claim_figure
from diffbench.report.pages.page import write_study_page
from diffbench.report.tables.results import Results, load_claims, load_laws, tested
from diffbench.report.tables.shown import Shown, show
from diffbench.report.tables.timescales import consistency_table
from diffbench.settings.report import ReportSettings
from diffbench.summary.verdicts import UNBOUNDED

LAW = "law"
"""What records of laws call their number."""


class ShownTest(NamedTuple):
    """A test of a claim as the page shows it."""

    statement: str
    place: str
    shown: Shown
    seeds: int
    asks: str  # where the claim wants the value
    verdict: str
    note: str
    reason: str


class Row(NamedTuple):
    """The tests of one place, in the order of the statistics; None where a statistic is not asked."""

    name: str
    cells: tuple[ShownTest | None, ...]


class ShownClaim(NamedTuple):
    """A claim with its tests: a column per statistic and a row per place, or one column where nothing has places."""

    number: int
    statement: str
    verdict: str
    words: tuple[str, ...]
    figure: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    controls: tuple[Row, ...]


class Divide(NamedTuple):
    """A threshold, why it lies there, and the tests that use it."""

    reason: str
    thresholds: tuple[str, ...]
    claims: tuple[int, ...]  # or laws


def write_claims(results: Results, settings: ReportSettings) -> None:
    """Write the page and its tables inside the study's results. Laws stand on it where some test of one has a value."""
    claims, laws = load_claims(results), load_laws(results)
    judged = [law for law in laws if tested(law)]
    pairs = results.table("consistency")
    figures = [claim_figure(claim, settings.chart_width) for claim in claims]
    figures += [claim_figure(law, settings.chart_width, LAW) for law in judged]
    write_study_page(
        results,
        "claims",
        [figure for figure in figures if figure],
        claims=[_shown_claim(claim) for claim in claims],
        divides=divides(claims),
        laws=[_shown_claim(law, LAW) for law in judged],
        untested=[_untested(law) for law in laws if law not in judged],
        law_divides=divides(judged, LAW),
        consistency=consistency_table(pairs, results.study),
    )


def _untested(law: dict[str, Any]) -> tuple[str, str]:
    """Statement of a law that the study says nothing of, and why."""
    return law["statement"], next(test["reason"] for test in law["tests"] if not test["control"])


def _shown_claim(claim: dict[str, Any], kind: str = "claim") -> ShownClaim:
    tests, controls = (
        [_shown_test(test) for test in claim["tests"] if test["control"] == control] for control in (False, True)
    )
    placed = any(test.place for test in [*tests, *controls])
    columns = tuple(dict.fromkeys(test.statement for test in [*tests, *controls])) if placed else ("",)
    return ShownClaim(
        number=claim[kind],
        statement=claim["statement"],
        verdict=claim["verdict"],
        words=tuple(claim["words"]),
        figure=f"{kind}-{claim[kind]}",
        columns=columns,
        rows=_rows(tests, columns),
        controls=_rows(controls, columns),
    )


def _rows(tests: Sequence[ShownTest], columns: Sequence[str]) -> tuple[Row, ...]:
    if columns == ("",):
        return tuple(Row(test.statement, (test,)) for test in tests)
    at = {(test.place, test.statement): test for test in tests}
    places = dict.fromkeys(test.place for test in tests)
    return tuple(Row(place, tuple(at.get((place, column)) for column in columns)) for place in places)


def _shown_test(test: dict[str, Any]) -> ShownTest:
    fields = (test["seeds"], _asks(test), test["verdict"], test["note"], test["reason"])
    return ShownTest(test["statement"], test["place"], _shown(test), *fields)


def _shown(test: dict[str, Any]) -> Shown:
    numbers = {name: math.nan if test[name] is None else test[name] for name in ("value", "low", "high")}
    if test["reason"] == UNBOUNDED:
        numbers["value"] = math.inf
    return show(pd.Series(numbers | {"reason": test["reason"], "n": test["seeds"]}, dtype=object))


def _asks(test: dict[str, Any]) -> str:
    return f"{test['supported_if']} {test['threshold']:g}".replace("-", "−")


def divides(claims: Sequence[dict[str, Any]], kind: str = "claim") -> list[Divide]:
    """Thresholds by their reason, each once."""
    uses_by_reason: dict[str, list[tuple[str, int]]] = {}
    for claim in claims:
        for test in claim["tests"]:
            uses_by_reason.setdefault(test["threshold_reason"], []).append((_asks(test), claim[kind]))
    return [
        Divide(reason, *(tuple(dict.fromkeys(values)) for values in zip(*uses, strict=True)))
        for reason, uses in uses_by_reason.items()
    ]
