"""The page of extraction and risk: how many training images samples give away, and which of them most."""

import math
from typing import NamedTuple

import pandas as pd

from diffbench.report.charts.extraction import extraction_figure
from diffbench.report.charts.pictures import data_uris, largest, told_of
from diffbench.report.pages.page import write_study_page, write_table
from diffbench.report.tables.choice import choices, texts
from diffbench.report.tables.exposed import ExposedImages, exposed_over_seeds
from diffbench.report.tables.format import interval, number
from diffbench.report.tables.membership import COLUMNS, attacked, attacks_over_seeds, differing
from diffbench.report.tables.results import Results
from diffbench.report.tables.risk import IMAGES, Risk, extraction_over_seeds, risks, settings_by_extraction, table
from diffbench.report.tables.risk_answers import risk_answers
from diffbench.report.tables.shown import show
from diffbench.settings.report import ReportSettings
from diffbench.study.layout import CHART_DATA
from diffbench.summary.claims.cells import UNIQUE

TABLE = "risk"
"""Table of all extracted training images of the settings on the page."""

ATTACKS = "attacks"
"""Table of what attacks tell of all settings."""

MAXIMUM_BYTES = 5_000_000
"""Of the pictures of extracted images, so that the page stays below 8 MB."""

NOT_MEASURED = "not measured"


class Tile(NamedTuple):
    """A training image at risk, as the page shows it."""

    image: int
    label: str  # its class
    times: int
    seeds: int
    interval: str
    above_even: bool  # whether the interval lies above what each would have, were all alike
    held_out: int
    isolation: str
    attack: str
    picture: str  # a data URI, empty where images cannot be pictured


class Named(NamedTuple):
    """A training image that attacks name."""

    image: int
    label: str  # its class
    rate: str  # mean over seeds
    span: str  # over seeds, where there are several
    picture: str  # a data URI, empty where images cannot be pictured


class Shown(NamedTuple):
    """A setting with its images."""

    name: str
    factors: dict[str, str]
    train_size: int
    extracted: int  # images that any seed extracts
    seeds: int
    samples: int
    evenly: str
    held_out: int  # 0 where they were not compared
    tiles: tuple[Tile, ...]


def write_risk(results: Results, settings: ReportSettings) -> None:
    """Write the page and its tables inside the study's results."""
    means = extraction_over_seeds(results)
    extracting = settings_by_extraction(results, means)
    found = risks(results, extracting)
    figure = extraction_figure(found, means, settings.chart_width)
    attacks = attacks_over_seeds(results)
    exposed = [] if results.inspects else exposed_over_seeds(results, attacks)  # its privacy page has them
    most = MAXIMUM_BYTES // (len(found) * max(1, largest(found[0].pictures.shape[1:]))) if found else 0
    shown = [shown_risk(risk, max(1, most)) for risk in found]
    pictured = [each.pictures for each in (*found, *exposed)]
    write_study_page(
        results,
        "risk",
        [figure] if figure else [],
        answers=risk_answers(results, means, extracting, found),
        shown=shown,
        choices=choices(results, [each.factors for each in shown]),
        exposed=[(each, show(pd.Series(vars(each.named))), _named(each)) for each in exposed],
        told=told_of(results.study.data, pictured[0].shape[1:]) if pictured else "",
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


def shown_risk(risk: Risk, most: int = IMAGES) -> Shown:
    """The images of a setting as pages show them, no more than `most`."""
    tiles = tuple(
        Tile(
            row["image"],
            row["class"],
            row["times"],
            row["seeds"],
            interval(row["low"], row["high"]),
            row["low"] > risk.evenly,
            row["held_out"],
            _isolation(row),
            number(row["attack_fpr"]) if row["attacked"] else NOT_MEASURED,
            picture,
        )
        for row, picture in zip(risk.images.to_dict("records"), data_uris(risk.pictures[:most]), strict=False)
    )
    counts = risk.factors["train_size"], len(risk.images), risk.seeds, risk.samples
    return Shown(risk.name, texts(risk.factors), *counts, number(risk.evenly), risk.held_out, tiles)


def _named(exposed: ExposedImages) -> list[Named]:
    pictures = data_uris(exposed.pictures)
    ends = zip(exposed.rates.min(axis=0), exposed.rates.max(axis=0), strict=True)
    spans = [interval(*each) if exposed.seeds > 1 else "" for each in ends]
    means = [number(rate) for rate in exposed.rates.mean(axis=0)]
    return [Named(*each) for each in zip(exposed.rows.tolist(), exposed.labels, means, spans, pictures, strict=True)]


def _isolation(row: dict) -> str:
    """The distance, and where it stands among all training images."""
    share = row["more_isolated_than"]
    beyond = "" if math.isnan(share) else f", beyond {100 * share:.0f} %"
    return f"{number(row['isolation'])}{beyond}"
