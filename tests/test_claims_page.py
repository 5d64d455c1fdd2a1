"""The page of claims says what claims.json and the tables say, also where nothing was measured, and stays offline."""

import csv
import json
import math
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from diffbench.conventions import DiffbenchError
from diffbench.report.pages.claims import divides, write_claims
from diffbench.report.pages.training import write_training
from diffbench.report.tables.board import board
from diffbench.report.tables.findings import find
from diffbench.report.tables.format import count, number
from diffbench.report.tables.results import load_claims, load_results, read_table
from diffbench.report.tables.timescales import TIMES, run_table
from diffbench.settings.report import ReportSettings
from diffbench.stages import report, summary
from diffbench.study.file import load_study
from diffbench.study.specs import SummarySpec
from tests.damaged_files import vouch_anew
from tests.report_studies import make_study
from tests.snakemake_runs import ROOT

SWEEPS = [
    {"model": ["mlp-small", "mlp-large", "optimal"]},
    {"train_size": [16, 32, 128]},
    {"granularity": ["classes", "unique"]},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A study with three seeds that lacks one run's files, hence one test of the claims, and a row of consistency."""
    folder = tmp_path_factory.mktemp("claims")
    changes = {"seeds": [0, 1, 2], "steps": [400, 1600], "sweeps": SWEEPS}
    make_study(folder, changes, skip=lambda file: "mlp-large/n32/classes/seed1" in file)
    with (folder / "summary/consistency.csv").open("a") as file:
        file.write("mlp-small,32,classes,0,400,0,,pair_correlation,pixels,0.8125,0.75,0.875,40,\n")
        file.write("mlp-small,32,classes,0,400,0,,pair_consistency,pixels,,,,1,fewer than 2 pairs\n")
    vouch_anew(folder)
    results = load_results(folder)
    write_claims(results, ReportSettings())
    findings = find(results)
    write_training(findings, board(findings), ReportSettings())
    return folder


def page(folder: Path, name: str = "claims") -> str:
    return (folder / f"report/{name}.html").read_text()


def claims_of(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "claims.json").read_text())


def table_rows(html: str) -> list[list[str]]:
    """The text of all cells, row by row."""
    rows = re.findall(r"<tr.*?>(.*?)</tr>", html, re.DOTALL)
    return [[text(cell) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL)] for row in rows]


def text(html: str) -> str:
    return re.sub(r"[ \n]+", " ", unescape(re.sub(r"<[^>]+>", " ", html))).strip()


def test_study_has_tests_of_every_verdict(folder):
    """Without this the other tests would see one kind of verdict only."""
    tests = [test for claim in claims_of(folder) for test in claim["tests"]]
    assert {test["verdict"] for test in tests} == {"supported", "refuted", "inconclusive"}
    assert {test["reason"] == "unbounded" for test in tests if test["value"] is None} == {True, False}
    assert {test["verdict"] for test in tests if test["control"]} >= {"refuted"}
    assert any(test["note"] for test in tests)


def test_every_test_is_shown_with_the_numbers_of_claims_json(folder):
    """A column per statistic and a row per place, controls in a block of their own; or one column, without places."""
    for claim in claims_of(folder):
        section = page(folder).partition(f'id="claim-{claim["claim"]}-section"')[2].partition("</section>")[0]
        head = text(section.partition("<h2>")[2].partition("</h2>")[0])
        assert head.startswith(f"{claim['claim']}. {claim['statement']}")
        assert head.endswith(claim["verdict"])
        blocks = section.partition("<tbody")[2].partition("</table>")[0].split("<tbody")
        assert len(blocks) == 1 + any(test["control"] for test in claim["tests"])
        columns = table_rows(section)[0][1:]
        for test in claim["tests"]:
            rows = {row[0]: row[1:] for row in table_rows(blocks[test["control"]])}
            cells = dict(zip(columns, rows[test["place"] or test["statement"]], strict=False))
            shown = cells[test["statement"] if test["place"] else ""]
            assert shown.startswith(value_of(test)), (shown, test)
            assert f"{test['verdict']} wants {test['supported_if']} " in shown
            assert f"{test['threshold']:g}, {test['seeds']} seed".replace("-", "−") in shown
            assert re.sub(r"\s+", " ", test["reason"]) in shown
            assert re.sub(r"\s+", " ", test["note"]) in shown
        for words in claim["words"]:
            assert words in text(section.partition("<table")[0])
    assert "Positive controls: must be refuted" in page(folder)


def value_of(test: dict[str, Any]) -> str:
    if test["value"] is None:
        return "∞" if test["reason"] == "unbounded" else "undefined"
    ends = "" if test["low"] is None else f" [{number(test['low'])}, {number(test['high'])}]"
    return number(test["value"]) + ends


def test_table_beside_a_chart_holds_the_tests_at_full_precision(folder):
    drawn = re.findall(r'data-figure="claim-(\d)"', page(folder))
    assert drawn == ["1", "2", "3", "4"]
    for claim in claims_of(folder)[:4]:
        with (folder / f"report/data/claim-{claim['claim']}.csv").open() as file:
            rows = list(csv.DictReader(file))
        for row, test in zip(rows, claim["tests"], strict=True):
            for field in ("value", "low", "high", "threshold"):
                assert row[field] == "" if test[field] is None else float(row[field]) == test[field]


def test_every_threshold_is_listed_with_its_reason(folder):
    claims = claims_of(folder)
    listed = {divide.reason: divide for divide in divides(claims)}
    rows = {row[2]: row for row in table_rows(page(folder).partition('id="thresholds"')[2].partition("</table>")[0])}
    for claim in claims:
        for test in claim["tests"]:
            assert claim["claim"] in listed[test["threshold_reason"]].claims
            assert str(claim["claim"]) in rows[test["threshold_reason"]][0]
            assert f"{abs(test['threshold']):g}" in rows[test["threshold_reason"]][1]


def test_refuted_claim_is_told_by_symbol_and_word_here_and_on_the_index(tmp_path):
    make_study(tmp_path, {"sweeps": [], "steps": [100], "seeds": [0]})
    claims = claims_of(tmp_path)
    for claim in claims:
        for test in claim["tests"]:
            claim["verdict"] = test["verdict"] = "inconclusive"
    claims[0]["verdict"] = claims[0]["tests"][0]["verdict"] = "refuted"
    claims[0]["tests"][0] |= {"low": 0.5, "value": 0.75, "high": 1.0}
    (tmp_path / "claims.json").write_text(json.dumps(claims))
    vouch_anew(tmp_path)
    report.run(ReportSettings(), tmp_path)
    assert text(page(tmp_path)).count("✗ refuted") == 3  # at the top, beside the claim and beside the test
    assert "0.750 [0.500, 1.00]" in text(page(tmp_path))
    assert '"square"' in page(tmp_path)
    listed = page(tmp_path, "index").partition('<ul class="claims">')[2].partition("</ul>")[0]
    shown = re.findall(r'<li>(.*?)<a href="claims.html#(claim-(\d)-section)">', listed, re.DOTALL)
    assert [(text(badge), number) for badge, _, number in shown] == [
        ("✗ refuted", "1"),
        *(("? inconclusive", number) for number in "2345"),
    ]
    assert all(f'id="{anchor}"' in page(tmp_path) for _, anchor, _ in shown)


def scales(folder: Path) -> Iterator[dict[str, str]]:
    with (folder / "summary/timescales.csv").open() as file:
        yield from csv.DictReader(file)


def test_time_scales_equal_the_table_and_undefined_ones_say_why(folder):
    section = page(folder, "training").partition('id="timescales"')[2].partition("</section>")[0]
    rows = {tuple(row[:5]): row[5:] for row in table_rows(section) if len(row) == 9}
    seen = {"defined": 0, "undefined": 0}
    for row in scales(folder):
        if row["measure"] not in TIMES:
            continue
        key = (row["model"], f"{float(row['train_size']):g}", row["granularity"], row["guidance"])
        shown = rows[*key, f"{float(row['seed']):g}"][TIMES.index(row["measure"])]
        if row["value"]:
            ends = (count(float(row[end])) for end in ("value", "low", "high"))
            assert shown == "{} [{}, {}]".format(*ends)
        else:
            assert shown == f"undefined {row['reason']}; n = {row['n']}"
        seen["defined" if row["value"] else "undefined"] += 1
    assert min(seen.values()) > 1


def test_earliest_onset_is_the_least_of_the_levels(folder):
    least: dict[tuple[str, str, str], float] = {}
    for row in scales(folder):
        if row["measure"] == "gap_onset" and float(row["seed"]) == 0:
            key = (row["model"], f"{float(row['train_size']):g}", row["granularity"])
            least[key] = min(least.get(key, math.inf), float(row["value"] or "inf"))
    study = load_results(folder).study
    table = run_table(read_table(folder / "summary/timescales.csv", study), study)
    shown = {names[:3]: values[3] for names, values in table.rows if names[4] == "0"}
    assert {key: value.value for key, value in shown.items() if value} == least


def test_names_that_look_like_numbers_stay_names(folder, tmp_path):
    path = tmp_path / "timescales.csv"
    path.write_text("model,train_size,guidance,value\n2,32,0,1.5\n10,32,,\n")
    table = read_table(path, load_results(folder).study)
    assert table["model"].tolist() == ["2", "10"]
    assert table["guidance"].fillna("any").tolist() == ["0", "any"]


def test_pair_consistency_is_shown_where_there_is_some(folder, tmp_path):
    section = page(folder).partition('<section id="consistency">')[2].partition("</section>")[0]
    (row,) = [row for row in table_rows(section) if "mlp-small" in row]
    assert row[:6] == ["mlp-small", "32", "classes", "400", "0", "0"]
    assert row[6:] == ["0.812 [0.750, 0.875]", "not measured", "undefined fewer than 2 pairs; n = 1"]
    make_study(tmp_path, {"sweeps": [], "steps": [100], "seeds": [0]})
    report.run(ReportSettings(), tmp_path)
    assert "Pair consistency" not in page(tmp_path)


@pytest.mark.parametrize("name", ["smoke", "controls", "circle"])
def test_study_without_a_single_file_gives_all_its_pages(name, tmp_path):
    summary.run(SummarySpec(study=load_study(ROOT / f"config/studies/{name}.yaml")), tmp_path)
    report.run(ReportSettings(), tmp_path)
    assert text(page(tmp_path)).count("? inconclusive") >= 10
    assert "data-figure" not in re.sub(r"<script.*?</script>", "", page(tmp_path), flags=re.DOTALL)
    assert "0 of" in text(page(tmp_path, "index"))
    assert (tmp_path / "report/controls.html").exists() == (name != "smoke")


def test_broken_claims_are_one_clear_error(tmp_path):
    make_study(tmp_path, {"sweeps": [], "steps": [100], "seeds": [0]})
    (tmp_path / "claims.json").write_text("[")
    with pytest.raises(DiffbenchError, match=r"claims.json: damaged"):
        load_claims(load_results(tmp_path))


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_draw_and_nothing_leaves_the_page(folder, scheme, open_page):
    page = open_page(folder / "report/claims.html", scheme)
    for claim in claims_of(folder)[:4]:
        marks = page.locator(f"#claim-{claim['claim']} .mark-symbol path").count()
        assert marks == sum(test["value"] is not None for test in claim["tests"])
        shown = page.locator(f"#claim-{claim['claim']} svg").text_content()
        drawn = [test for test in claim["tests"] if test["value"] is not None and claim["claim"] != 2]
        assert all(("control: " if test["control"] else "") + test["place"] in shown for test in drawn)


@pytest.mark.browser
def test_the_page_fits_a_phone(folder, open_page):
    page = open_page(folder / "report/claims.html", "dark")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
