"""Report: the pages of a study, from its summary and pictures."""

from pathlib import Path

from diffbench.protocol import ReportProtocol
from diffbench.report.index import write_index
from diffbench.report.results import load_results


def run(spec: ReportProtocol, results: Path) -> None:
    """Write report/index.html and report/data/*.csv inside `results`."""
    write_index(load_results(results), spec)
