"""Report: the pages of a study, from its summary and pictures."""

from pathlib import Path

from diffbench.report.claims import write_claims
from diffbench.report.controls import write_controls
from diffbench.report.index import write_index
from diffbench.report.lab import write_laboratory
from diffbench.report.results import load_results
from diffbench.settings.report import ReportSettings


def run(spec: ReportSettings, results: Path) -> None:
    """Write into report/: index.html, claims.html and data/*.csv; controls.html and lab.html where a study has them."""
    found = load_results(results)
    for old in (results / "report").glob("**/*"):
        if old.suffix in (".html", ".csv"):  # what an earlier report had and this one has not must not stand beside
            old.unlink()
    write_index(found, spec)
    write_claims(found, spec)
    if found.study.has_controls:
        write_controls(found, spec)
    if found.study.lab is not None:
        write_laboratory(found, spec)
