"""Report: the pages of a study, from its summary and pictures."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from diffbench.conventions import DiffbenchError
from diffbench.files.faults import BrokenFileError
from diffbench.report.pages.claims import write_claims
from diffbench.report.pages.controls import write_controls
from diffbench.report.pages.costs import write_costs
from diffbench.report.pages.factors import write_factors
from diffbench.report.pages.index import write_index
from diffbench.report.pages.lab import write_laboratory
from diffbench.report.pages.leaderboard import write_leaderboard
from diffbench.report.pages.methods import write_methods
from diffbench.report.pages.noise import write_noise
from diffbench.report.pages.privacy import write_privacy
from diffbench.report.pages.publish import published
from diffbench.report.pages.risk import write_risk
from diffbench.report.pages.samples import write_samples
from diffbench.report.pages.training import write_training
from diffbench.report.tables.board import board
from diffbench.report.tables.findings import find
from diffbench.report.tables.privacy import inspected_cell
from diffbench.report.tables.results import Results, load_results
from diffbench.settings.report import ReportSettings


def run(spec: ReportSettings, results: Path) -> None:
    """Write all pages of the study (`pages.site.SITE`) and their tables.

    They replace those of an earlier report when all are complete. Files of stages that cannot be read are named on the
    first page, and marked if they are damaged. A damaged file of the summary ends the report, and is removed, so that
    the next run makes it anew.
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
    """Write all pages that the report has; the first page last, since it names all files that others lacked."""
    if cell := inspected_cell(results):
        with suppress(DiffbenchError):  # the first page names the file that it lacks
            write_privacy(results, spec, cell)
    findings = find(results)
    whole = board(findings)
    if not results.inspects:
        write_leaderboard(findings, whole, spec)
        write_factors(findings, whole, spec)
        write_training(findings, whole, spec)
        write_claims(results, spec)
    write_noise(findings, spec)
    write_samples(findings, spec)
    write_risk(results, spec)
    if results.study.has_controls:
        write_controls(results, spec)
    if results.study.lab is not None:
        write_laboratory(results, spec)
    write_costs(findings, whole, spec)
    write_methods(results, whole)
    write_index(findings, whole)
