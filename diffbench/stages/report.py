"""Report: the pages of a study, from its summary and pictures."""

from pathlib import Path

from diffbench.protocol import ReportProtocol
from diffbench.report.claims import write_claims
from diffbench.report.index import write_index
from diffbench.report.lab import write_laboratory
from diffbench.report.results import load_results


def run(spec: ReportProtocol, results: Path) -> None:
    """Write report/index.html, report/claims.html and report/data/*.csv inside `results`; with a laboratory lab.html too."""
    found = load_results(results)
    write_index(found, spec)
    write_claims(found, spec)
    if found.study.lab is not None:
        write_laboratory(found, spec)
