"""The privacy report of one model, to be handed on: what attacks tell, what samples give away, and what was assumed."""

from typing import NamedTuple

from diffbench.report.charts.extraction import extraction_figure
from diffbench.report.charts.pictures import data_uris, told_of
from diffbench.report.pages.page import write_study_page
from diffbench.report.pages.risk import shown_risk
from diffbench.report.tables.format import number
from diffbench.report.tables.privacy import Exposed, privacy_of
from diffbench.report.tables.privacy_answers import attack_rows, privacy_answers, shown
from diffbench.report.tables.results import Results
from diffbench.report.tables.risk import extraction_over_seeds, risks, settings_by_extraction
from diffbench.settings.models import External
from diffbench.settings.report import ReportSettings
from diffbench.study.grid import Cell


class Named(NamedTuple):
    """A training image that an attack names."""

    image: int
    label: str  # its class
    rate: str
    picture: str  # a data URI, empty where images cannot be pictured


def write_privacy(results: Results, settings: ReportSettings, cell: Cell) -> None:
    """Write the page of the model's cell; it needs no other file. DiffbenchError if a file of it cannot be read."""
    privacy, run = privacy_of(results, cell), cell.checkpoint.run
    definition = results.study.definition(run.model)
    assert isinstance(definition, External)
    means = extraction_over_seeds(results)
    found = risks(results, settings_by_extraction(results, means))
    figure = extraction_figure(found, means, settings.chart_width)
    write_study_page(
        results,
        "privacy",
        [figure] if figure else [],
        definition=definition,
        run=run,
        contents=results.manifest.get("contents", {}),
        answers=privacy_answers(privacy),
        attacks=attack_rows(privacy),
        privacy=privacy,
        blind=privacy.of("blind_auc"),
        shown=shown,
        named=_named(privacy.exposed) if privacy.exposed else [],
        told=told_of(results.study.data, privacy.exposed.pictures.shape[1:]) if privacy.exposed else "",
        risk=shown_risk(found[0]) if found else None,
    )


def _named(exposed: Exposed) -> list[Named]:
    pictures = data_uris(exposed.pictures)
    columns = zip(exposed.rows.tolist(), exposed.classes, exposed.rates.tolist(), pictures, strict=True)
    return [Named(row, label, number(rate), picture) for row, label, rate, picture in columns]
