"""The page of extraction and risk: how many training images samples give away, and which of them most."""

import math
from typing import NamedTuple

import pandas as pd

from diffbench.report.charts.extraction import extraction_figure
from diffbench.report.charts.pictures import data_uris, told_of
from diffbench.report.pages.page import write_study_page, write_table
from diffbench.report.tables.format import number
from diffbench.report.tables.membership import COLUMNS, attacked, attacks_over_seeds, differing
from diffbench.report.tables.results import Results
from diffbench.report.tables.risk import Risk, extraction_over_seeds, risks, settings_by_extraction, table
from diffbench.report.tables.risk_answers import risk_answers
from diffbench.settings.report import ReportSettings
from diffbench.study.layout import CHART_DATA
from diffbench.summary.claims.cells import UNIQUE

TABLE = "risk"
"""Table of all extracted training images of the settings on the page."""

ATTACKS = "attacks"
"""Table of what attacks tell of all settings."""

NOT_MEASURED = "not measured"


class Tile(NamedTuple):
    """A training image at risk, as the page shows it."""

    image: int
    label: str  # its class
    times: int
    seeds: int
    isolation: str
    attack: str
    picture: str  # a data URI, empty where images cannot be pictured


class Shown(NamedTuple):
    """A setting with its images."""

    name: str
    train_size: int
    extracted: int  # images that any seed extracts
    seeds: int
    samples: int
    tiles: tuple[Tile, ...]


def write_risk(results: Results, settings: ReportSettings) -> None:
    """Write the page and its tables inside the study's results."""
    means = extraction_over_seeds(results)
    extracting = settings_by_extraction(results, means)
    found = risks(results, extracting)
    figure = extraction_figure(found, means, settings.chart_width)
    attacks = attacks_over_seeds(results)
    write_study_page(
        results,
        "risk",
        [figure] if figure else [],
        answers=risk_answers(results, means, extracting, found),
        shown=[shown_risk(risk) for risk in found],
        told=told_of(results.study.data, found[0].pictures.shape[1:]) if found else "",
        extracting=len(extracting),
        attack_columns=COLUMNS,
        attacks=attacked(attacks),
        attacks_table=CHART_DATA.format(name=ATTACKS),
        differing=differing(results),
        unique=any(run.granularity == UNIQUE for run in results.study.runs),
        attacked=any(risk.images["attacked"].any() for risk in found),
        table=CHART_DATA.format(name=TABLE),
    )
    write_table(results, TABLE, pd.concat(table(found)) if found else pd.DataFrame(columns=["image"]))
    write_table(results, ATTACKS, attacks)


def shown_risk(risk: Risk) -> Shown:
    """The images of a setting as pages show them."""
    tiles = tuple(
        Tile(
            row["image"],
            row["class"],
            row["times"],
            row["seeds"],
            _isolation(row),
            number(row["attack_fpr"]) if row["attacked"] else NOT_MEASURED,
            picture,
        )
        for row, picture in zip(risk.images.to_dict("records"), data_uris(risk.pictures), strict=False)
    )
    return Shown(risk.name, risk.factors["train_size"], len(risk.images), risk.seeds, risk.samples, tiles)


def _isolation(row: dict) -> str:
    """The distance, and where it stands among all training images."""
    share = row["more_isolated_than"]
    beyond = "" if math.isnan(share) else f", beyond {100 * share:.0f} %"
    return f"{number(row['isolation'])}{beyond}"
