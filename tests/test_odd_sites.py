"""Sites of odd studies: one cell, nothing defined, nothing made, names and reasons that look like code. They say so."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffbench.cli import main
from diffbench.report.pages.drawings import drawings_of
from diffbench.settings.report import ReportSettings
from diffbench.stages import report, summary
from diffbench.study import layout
from diffbench.study.lineage import Lineage
from tests.report_studies import make_study
from tests.sites import NARROW, check_page, check_site

pytestmark = pytest.mark.browser

ODD = (
    "<b onclick=alert(1)>\"quoted\"</b> & 'so' </script><script>console.log(1)</script> שלום \u202eABC {{ 7 * 7 }} "
    + "x" * 90
)
"""What no page may take for markup, break at or be widened by."""

LONG = "m" + "-longest.name" * 4
"""As long as names of models may nearly be, without a place to break."""

ONE_SEED = {"seeds": [0], "steps": [100, 400], "sweeps": [{"train_size": [32, 128]}]}


def words(page: Path) -> str:
    return " ".join(page.read_text(encoding="utf-8").split())


def reported(folder: Path, changes: dict[str, Any], **made: Any) -> Path:
    make_study(folder, ONE_SEED | changes, **made)
    report.run(ReportSettings(), folder)
    return folder / "report"


@pytest.fixture(scope="module")
def odd(tmp_path_factory) -> Path:
    """Results of one cell of a model of a long name, with a note, and a log that ends in what looks like code."""
    folder = tmp_path_factory.mktemp("odd") / "<i onclick=x> 'b' \"c\" שלום"
    models = {LONG: {"kind": "mlp", "width": 8, "blocks": 1}}
    center = {"model": LONG, "train_size": 32, "granularity": "none"}
    changes = ONE_SEED | {"steps": [100], "sweeps": [], "models": models, "center": center, "note": ODD}
    study = make_study(folder, changes, skip=lambda file: "overlap" in file)
    log = folder / layout.OVERLAP.log().format(**study.cells[0].factors)
    log.parent.mkdir(parents=True)
    log.write_text(f"{ODD}\n", encoding="utf-8")
    summary.run(Lineage(study).summary_spec, folder)
    report.run(ReportSettings(), folder)
    return folder


def test_names_and_reasons_stand_as_they_are(open_page, odd):
    check_site(open_page, odd / "report")
    page = open_page(odd / "report/index.html", width=390)
    assert page.locator("body > aside").first.inner_text() == ODD.strip()
    assert page.locator("#files td").last.inner_text() == ODD.replace("\u202e", "\ufffd").strip()


def test_comparison_of_folders_with_odd_names(open_page, odd, tmp_path):
    out = tmp_path / "both"
    assert main(["compare", str(odd), str(odd), "--out", str(out)]) == 0
    check_site(open_page, out)
    assert "שלום" in open_page(out / "index.html").title()


def test_nothing_defined(open_page, tmp_path):
    """No frame without a curve: the page names the chart and the reason."""
    pages = reported(tmp_path, {}, blank=True)
    check_site(open_page, pages)
    drawings, undefined = drawings_of(pages / "noise.html")
    assert drawings == []
    assert len(undefined) >= 5


def test_nothing_made(open_page, tmp_path):
    check_site(open_page, reported(tmp_path, {}, skip=lambda file: True))


def test_audit_without_held_out_images(open_page, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("<b> & 'samples'", "train"):
        np.save(tmp_path / f"{name}.npy", rng.random((60, 1, 5, 5)))
    files = ("--samples", str(tmp_path / "<b> & 'samples'.npy"), "--train", str(tmp_path / "train.npy"))
    assert main(["audit", *files, "--out", str(tmp_path / "audit.h5")]) == 0
    check_page(open_page, tmp_path / "audit.html", [NARROW])
    assert "undefined</span>: " in words(tmp_path / "audit.html")
