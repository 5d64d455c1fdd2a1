"""Report: the pages of a study, from its summary and pictures."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from diffbench.conventions import DiffbenchError
from diffbench.files.faults import BrokenFileError
from diffbench.report.pages.claims import write_claims
from diffbench.report.pages.controls import write_controls
from diffbench.report.pages.index import write_index
from diffbench.report.pages.lab import write_laboratory
from diffbench.report.pages.privacy import write_privacy
from diffbench.report.pages.publish import published
from diffbench.report.pages.risk import write_risk
from diffbench.report.tables.privacy import inspected_cell
from diffbench.report.tables.results import Results, load_results
from diffbench.settings.report import ReportSettings


def run(spec: ReportSettings, results: Path) -> None:
    """Write all pages of the study (index, claims, risk, and those that not every study has) and their tables.

    They replace those of an earlier report when all are complete. Files of stages that cannot be read are named on the
    index, and marked if they are damaged. A damaged file of the summary ends the report, and is removed, so that the
    next run makes it anew.
    """
    try:
        summarized = load_results(results)
        with published(summarized.pages) as folder:
            write_pages(replace(summarized, written_to=folder), spec)
    except BrokenFileError as error:
        with suppress(OSError):
            error.path.unlink()
        raise


def write_pages(results: Results, spec: ReportSettings) -> None:
    """Write all pages; the index last, since it names all files that could not be read for them."""
    write_claims(results, spec)
    write_risk(results, spec)
    if cell := inspected_cell(results):
        with suppress(DiffbenchError):  # the index names the file that it lacks
            write_privacy(results, spec, cell)
    if results.study.has_controls:
        write_controls(results, spec)
    if results.study.lab is not None:
        write_laboratory(results, spec)
    write_index(results, spec)
