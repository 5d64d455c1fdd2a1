"""Report: the pages of a study, from its summary and pictures."""

from pathlib import Path

from diffbench.report.pages.claims import write_claims
from diffbench.report.pages.controls import write_controls
from diffbench.report.pages.index import write_index
from diffbench.report.pages.lab import write_laboratory
from diffbench.report.tables.results import load_results
from diffbench.settings.report import ReportSettings
from diffbench.study.layout import page


def run(spec: ReportSettings, results: Path) -> None:
    """Write the pages of index and claims, of controls and laboratory where a study has them, and their tables."""
    summarized = load_results(results)
    for old in (results / page("index")).parent.glob("**/*"):
        if old.suffix in (".html", ".csv"):  # what an earlier report had and this one has not must not stand beside
            old.unlink()
    write_index(summarized, spec)
    write_claims(summarized, spec)
    if summarized.study.has_controls:
        write_controls(summarized, spec)
    if summarized.study.lab is not None:
        write_laboratory(summarized, spec)
