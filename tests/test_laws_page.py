"""Laws on the pages: those of which the study says something, with the numbers of laws.json; else no word of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from diffbench.report.pages.claims import divides
from diffbench.settings.report import ReportSettings
from diffbench.stages import report
from tests.report_studies import make_study
from tests.test_claims_page import page, table_rows, text, value_of

CHANGES = {
    "seeds": [0, 1, 2],
    "steps": [1600],
    "pairs": True,
    "sweeps": [
        {"train_size": [16, 32, 64]},
        {"granularity": ["none", "random-10", "unique"]},
        {"guidance": [1, 4]},
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of three laws, whose single milestone has no time scales; one test of law 3 has no value."""
    folder = tmp_path_factory.mktemp("laws")
    make_study(folder, CHANGES)
    report.run(ReportSettings(), folder)
    return folder


def laws_of(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "laws.json").read_text())


def test_every_test_of_a_law_is_shown_with_the_numbers_of_laws_json(folder: Path):
    shown = [law for law in laws_of(folder) if law["law"] != 2]
    assert len(shown) == 3
    for law in shown:
        section = page(folder).partition(f'id="law-{law["law"]}-section"')[2].partition("</section>")[0]
        assert text(section.partition("<h2>")[2].partition("</h2>")[0]).endswith(law["verdict"])
        blocks = section.partition("<tbody")[2].partition("</table>")[0].split("<tbody")
        columns = table_rows(section)[0][1:]
        for test in law["tests"]:
            rows = {row[0]: row[1:] for row in table_rows(blocks[test["control"]])}
            cells = dict(zip(columns, rows[test["place"] or test["statement"]], strict=False))
            cell = cells[test["statement"] if test["place"] else ""]
            assert cell.startswith(value_of(test))
            assert f"{test['verdict']} wants {test['supported_if']} {test['threshold']:g}" in cell
            assert test["reason"] in cell
            assert test["note"] in cell
        assert f'data-figure="law-{law["law"]}"' in section


def test_laws_that_the_study_cannot_test_are_named_with_the_reason(folder: Path):
    section = text(page(folder).partition('<section id="laws">')[2].partition("</section>")[0])
    untested = laws_of(folder)[1]
    assert f"Not tested here: {untested['statement']} {untested['tests'][0]['reason']}" in section
    assert section.count("Not tested here") == 1


def test_thresholds_of_laws_are_listed_with_their_reasons(folder: Path):
    shown = [law for law in laws_of(folder) if law["law"] != 2]
    rows = table_rows(page(folder).partition('id="law-thresholds"')[2].partition("</table>")[0])
    assert {row[2] for row in rows[1:]} == {divide.reason for divide in divides(shown, "law")}


def test_the_index_names_verdicts_of_laws_that_lead_to_them(folder: Path):
    assert text(page(folder, "index")).count("Laws of the field") == 1
    for law in laws_of(folder):
        assert (f'href="claims.html#law-{law["law"]}-section"' in page(folder, "index")) == (law["law"] != 2)


def test_a_study_that_tests_no_law_says_nothing_of_them(tmp_path: Path):
    make_study(tmp_path, {"sweeps": [{"model": ["mlp-small", "mlp-large"]}], "steps": [400]})
    report.run(ReportSettings(), tmp_path)
    assert len(laws_of(tmp_path)) == 4
    assert {law["verdict"] for law in laws_of(tmp_path)} == {"inconclusive"}
    for name in ("claims", "index"):
        assert "Laws of the field" not in page(tmp_path, name)
        assert 'id="laws"' not in page(tmp_path, name)


@pytest.mark.browser
def test_charts_of_laws_draw(folder: Path, open_page):
    shown = open_page(folder / "report/claims.html", "light")
    for law in laws_of(folder):
        if law["law"] != 2:
            marks = shown.locator(f"#law-{law['law']} .mark-symbol path").count()
            assert marks == sum(test["value"] is not None for test in law["tests"])
