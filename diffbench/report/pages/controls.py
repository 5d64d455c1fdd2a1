"""The page of the controls: what measures say of samples and models whose truth is known, and must say."""

from diffbench.report.charts.controls import expected_figure
from diffbench.report.pages.page import write_study_page
from diffbench.report.tables.controls import matrices
from diffbench.report.tables.results import Results, load_controls
from diffbench.settings.report import ReportSettings
from diffbench.summary.controls import MET, UNDEFINED, UNMET


def write_controls(results: Results, settings: ReportSettings) -> None:
    """Write the page and its table inside the study's results."""
    judged = load_controls(results)
    figure = expected_figure(judged, settings.chart_width)
    names = list(dict.fromkeys(judged["model"]))
    write_study_page(
        results,
        "controls",
        [figure] if figure else [],
        matrices=matrices(judged, list(results.study.models)),
        counts={verdict: int((judged["verdict"] == verdict).sum()) for verdict in (MET, UNMET, UNDEFINED)},
        unmet=[f"{row.measure} of {row.model}: {row.why}" for row in judged[judged["verdict"] == UNMET].itertuples()],
        definitions={name: results.study.definition(name).model_dump(mode="json") for name in names},
    )
