"""One broken file takes nothing else down: it is named with the reason and marked, all others are reported."""

import csv
import json
import os
import re
import shutil
from html import unescape
from pathlib import Path

import h5py
import pytest

from diffbench.conventions import DiffbenchError
from diffbench.files import store
from diffbench.files.estimates import Estimate, scalar_variables
from diffbench.report.pages.index import write_index
from diffbench.report.pages.lab import write_laboratory
from diffbench.report.pages.samples import write_samples
from diffbench.report.tables.board import board
from diffbench.report.tables.findings import find
from diffbench.report.tables.results import load_results
from diffbench.settings.report import ReportSettings
from diffbench.stages import report, summary
from diffbench.study import layout
from diffbench.study.lineage import FACTORS, Lineage
from diffbench.study.specs import SummarySpec
from diffbench.study.study import Study
from tests.damaged_files import DAMAGES, copied, edit_sealed, flip, without_array
from tests.lab_studies import SMALL_LAB, all_topics
from tests.report_studies import PROVENANCE, make_study

PLANE = {
    "data": {"name": "circle-random", "points": 200},
    "pairs": True,
    "seeds": [0],
    "steps": [100, 400],
    "center": {"model": "mlp-small", "train_size": 32, "granularity": "none", "guidance": 0.0},
    "sweeps": [{"model": ["mlp-small", "optimal"]}],
    "lab": SMALL_LAB,
}
PLACE = {"model": "mlp-small", "train_size": 32, "granularity": "none", "seed": 0, "step": 400, "guidance": "0"}
KINDS = ["data", "features", "optimum", "denoise", "equivalent", "samples", "memorization", "overlap", "consistency"]
FILES = {name: layout.KINDS[name].of(PLACE) for name in KINDS} | {"topic": "lab/gap.h5"}
ONLY_REPORT = ("samples",)
"""Kinds that the report alone reads."""

ONLY_PAGE_OF_RISK = {
    *(f"{name}_{field}" for name in ("extraction", "extraction_floor") for field in ("size", "value", "low", "high")),
    *("neighbor_of", "isolation"),
}
"""Arrays that the report alone reads."""

SHOWN = ["half left", "a flipped bit", "without attributes", "a directory", "a dangling link"]
"""Damages that are tried on the report."""

TABLES = ("denoise", "memorization", "overlap", "consistency", "costs", "models")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, Study]:
    """A study that has every kind of file, with summary and report."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(all_topics(tmp_path_factory) / "lab", folder / "lab")
    fingerprint = Lineage(make_study(folder, PLANE, shape=(2,))).fingerprint(layout.FEATURES, {})
    accuracy = scalar_variables({"accuracy": Estimate(0.9, 0.8, 1.0, 100)})
    store.write(folder / FILES["features"], "features", accuracy, PROVENANCE | {"space": "raw"}, fingerprint)
    study = Study.model_validate_json(json.dumps(load_results(folder).manifest["study"]))
    summary.run(SummarySpec(study=study), folder)
    report.run(ReportSettings(), folder)
    assert {row["state"] for row in rows(folder, "status")} == {"done"}
    return folder, study


@pytest.fixture
def results(finished, tmp_path) -> Path:
    """A copy of it."""
    return copied(finished[0], tmp_path / "results")


def rows(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / layout.table(table)).open(newline="") as file:
        return list(csv.DictReader(file))


def status_of(folder: Path, file: str) -> tuple[str, str]:
    (row,) = [row for row in rows(folder, "status") if row["file"] == file]
    return row["state"], row["reason"]


def of_others(folder: Path, table: str, kinds: list[str]) -> list[dict[str, str]]:
    """Rows of a table but those that come from the damaged files of these kinds."""
    found = rows(folder, table)
    if table not in kinds:
        return found
    own = {name: str(value) for name, value in PLACE.items() if name in layout.KINDS[table].fields}
    return [row for row in found if any(row[name] != value for name, value in own.items())]


def marked(folder: Path) -> list[str]:
    """Files that the next run makes anew."""
    return sorted(path.relative_to(folder).as_posix().removesuffix(".broken") for path in folder.rglob("*.broken"))


def page_of(folder: Path, name: str = "index") -> str:
    return (folder / layout.page(name)).read_text(encoding="utf-8")


def listed(folder: Path) -> dict[str, tuple[str, str]]:
    """State and reason by file, as the first page lists them."""
    section = page_of(folder).partition('<section id="files">')[2].partition("</section>")[0]
    found = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td>', section)
    return {unescape(file): (state, unescape(reason)) for file, state, reason in found}


def pages(folder: Path) -> dict[str, bytes]:
    base = folder / "report"
    return {path.relative_to(base).as_posix(): path.read_bytes() for path in base.rglob("*") if path.is_file()}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", FILES)
def test_the_summary_names_a_file_of_any_kind_and_keeps_all_others(finished, results, kind, damage):
    act, state = DAMAGES[damage]
    act(results / FILES[kind])
    summary.run(SummarySpec(study=finished[1]), results)
    for table in TABLES:
        assert of_others(results, table, [kind]) == of_others(finished[0], table, [kind])
    others = [row for row in rows(results, "status") if row["file"] != FILES[kind]]
    assert {row["state"] for row in others} == {"done"}
    if kind in ONLY_REPORT or (kind in ("data", "features") and state == "missing"):
        assert FILES[kind] not in {row["file"] for row in rows(results, "status")}
        return
    found, reason = status_of(results, FILES[kind])
    assert found == state
    assert len(reason) > 10
    assert str(results) not in reason
    assert os.path.lexists(results / FILES[kind])
    assert marked(results) == ([FILES[kind]] if state == "broken" else [])


@pytest.mark.parametrize("damage", SHOWN)
def test_the_report_names_damaged_files_of_all_kinds_at_once(finished, results, damage):
    act, state = DAMAGES[damage]
    damaged = {kind: file for kind, file in FILES.items() if kind not in ONLY_REPORT}
    for file in damaged.values():
        act(results / file)
    summary.run(SummarySpec(study=finished[1]), results)
    report.run(ReportSettings(), results)
    found = listed(results)
    for kind, file in damaged.items():
        if kind != "features" or state != "missing":
            assert found[file][0] == state, file
    assert set(found) <= set(damaged.values())
    for table in TABLES[:4]:
        assert of_others(results, table, KINDS) == of_others(finished[0], table, KINDS)
    assert "0 of 3 cells complete" in " ".join(page_of(results).split())
    assert marked(results) == (sorted(damaged.values()) if state == "broken" else [])


@pytest.mark.parametrize("damage", SHOWN)
@pytest.mark.parametrize("kind", ["data", "samples"])
def test_pictures_of_a_file_damaged_since_the_summary_are_left_out_and_it_is_named(results, kind, damage):
    act, state = DAMAGES[damage]
    act(results / FILES[kind])
    pictures_and_index(results)
    assert listed(results)[FILES[kind]][0] == state
    assert marked(results) == ([FILES[kind]] if state == "broken" else [])
    section = page_of(results, "samples").partition('id="pictures"')[2].partition("</section>")[0]
    pictured = re.findall(r"<h3>(.*?)</h3>", section)
    assert len(pictured) == (0 if kind == "data" else 2)


def pictures_and_index(results: Path) -> None:
    """Write the pages that show pictures, and the first, which names what they lack: a tenth of a report's work."""
    findings = find(load_results(results))
    write_samples(findings, ReportSettings())
    write_index(findings, board(findings))


def test_samples_that_someone_removed_are_named(results):
    (results / FILES["samples"]).unlink()
    pictures_and_index(results)
    assert listed(results)[FILES["samples"]] == ("missing", "not made yet")


@pytest.mark.parametrize("kind", ["denoise", "memorization", "overlap", "consistency", "features"])
def test_a_file_that_lacks_an_array_which_a_table_needs_is_broken(finished, results, kind):
    with h5py.File(results / FILES[kind]) as file:
        names = list(file)
    unused = {"denoise": {"held_out"}, "memorization": {"sample", "rank", *ONLY_PAGE_OF_RISK}}.get(kind, set())
    for name in set(names) - unused:
        shutil.copy(finished[0] / FILES[kind], results / FILES[kind])
        without_array(name)(results / FILES[kind])
        summary.run(SummarySpec(study=finished[1]), results)
        state, reason = status_of(results, FILES[kind])
        assert (state, reason) == ("broken", f"holds no array '{name}'")
        assert of_others(results, kind, [kind]) == of_others(finished[0], kind, [kind]) if kind in TABLES else True


def test_a_file_without_the_time_that_it_took_is_broken(finished, results):
    edit_sealed(results / FILES["overlap"], lambda file: file.attrs.__delitem__("wall_seconds"))
    summary.run(SummarySpec(study=finished[1]), results)
    assert status_of(results, FILES["overlap"]) == ("broken", "holds no attribute 'wall_seconds'")
    assert rows(results, "overlap") == of_others(finished[0], "overlap", ["overlap"])


@pytest.mark.parametrize("topic", ["gap", "flow", "profile", "recall", "dimension", "discretization", "collapse"])
def test_the_laboratory_stands_whichever_array_of_a_topic_is_gone(results, topic):
    path = results / layout.TOPIC.of({"topic": topic})
    with h5py.File(path) as file:
        names = list(file)
    whole = path.read_bytes()
    shutil.rmtree(path.parent)  # of the other topics, which would be drawn each time
    path.parent.mkdir()
    path.write_bytes(whole)
    all_drawn, _ = laboratory_of(results)
    assert all_drawn
    lost = 0
    for name in names:
        path.write_bytes(whole)
        without_array(name)(path)
        drawn, html = laboratory_of(results)
        named = f"holds no array &#39;{name}&#39;" in html
        assert named or drawn == all_drawn
        lost += named
    assert lost


def laboratory_of(results: Path) -> tuple[list[str], str]:
    """The figures of the laboratory's page, and the page."""
    write_laboratory(load_results(results), ReportSettings())
    html = (results / layout.page("lab")).read_text()
    return re.findall(r'data-figure="([^"]+)"', html), html


COST = layout.MEMORIZATION.cost.format(**PLACE)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\xff\xfe\x00junk",
        b"[]\n",
        b"3\n",
        b'{"seconds": 1}\n',
        b'{"seconds": "x", "cpu_seconds": 1, "max_rss_mb": 1}',
    ],
)
def test_a_cost_that_tells_nothing_costs_no_cell(finished, results, content):
    (results / COST).write_bytes(content)
    summary.run(SummarySpec(study=finished[1]), results)
    pictures_and_index(results)
    state, reason = status_of(results, COST)
    assert state == "broken"
    assert reason.startswith("the cost of its job is unknown")
    job = COST.removesuffix(layout.COST)
    assert rows(results, "costs") == [row for row in rows(finished[0], "costs") if row["job"] != job]
    assert listed(results) == {COST: (state, reason)}
    assert "3 of 3 cells complete" in " ".join(page_of(results).split())
    assert marked(results) == []


def test_a_study_without_costs_has_a_table_of_costs_all_the_same(finished, results):
    for path in results.rglob(f"*{layout.COST}"):
        path.unlink()
    summary.run(SummarySpec(study=finished[1]), results)
    report.run(ReportSettings(), results)
    assert (results / layout.table("costs")).read_text() == "job,seconds,cpu_seconds,max_rss_mb\n"
    assert "No costs were recorded." in page_of(results, "costs")


def write_log(results: Path, kind: layout.Kind, content: bytes, **changes: object) -> Path:
    path = results / kind.log().format(**PLACE | changes)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def reason_without(results: Path, study: Study, kind: str) -> str:
    (results / FILES[kind]).unlink()
    summary.run(SummarySpec(study=study), results)
    state, reason = status_of(results, FILES[kind])
    assert state == "missing"
    return reason


def test_bytes_in_a_log_that_are_no_text_are_replaced(finished, results):
    write_log(results, layout.MEMORIZATION, b"first\nerror: caf\xff\x00\x1b[0m \xe2\x82 bad\r\n\n")
    assert reason_without(results, finished[1], "memorization") == "error: caf���[0m � bad"
    report.run(ReportSettings(), results)
    assert "error: caf" in listed(results)[FILES["memorization"]][1]


def test_of_a_huge_log_the_end_is_read_and_a_long_line_is_cut(finished, results):
    path = write_log(results, layout.OVERLAP, b"")
    with path.open("wb") as file:
        file.seek(3 * 2**30)  # sparse
        file.write(b"\nerror: " + b"a" * 5000)
    assert reason_without(results, finished[1], "overlap") == "error: " + "a" * 993 + "..."


def test_a_log_that_is_a_directory_is_named(finished, results):
    path = write_log(results, layout.OVERLAP, b"")
    path.unlink()
    path.mkdir()
    assert reason_without(results, finished[1], "overlap") == f"its log {path} cannot be read (Is a directory)"


def test_the_log_of_a_job_whose_file_is_there_is_not_the_reason(finished, results):
    write_log(results, layout.SAMPLES, b"100%|####|\n")
    assert reason_without(results, finished[1], "memorization") == "not made yet"


DIVERGED = b"10%|#\ndiffbench train: error: training diverged by step 100: weights are not finite; lower the rate\n"


@pytest.mark.parametrize("kind", ["denoise", "memorization", "overlap", "consistency", "equivalent"])
def test_later_milestones_of_a_diverged_training_say_that_it_diverged(finished, results, kind):
    write_log(results, layout.CHECKPOINT, DIVERGED, step=100)
    reason = reason_without(results, finished[1], kind)
    assert reason.startswith("training stopped at the milestone of step 100: diffbench train: error: training diverged")


def test_a_training_that_went_on_since_has_not_diverged(finished, results):
    write_log(results, layout.CHECKPOINT, DIVERGED, step=100)
    (results / layout.CHECKPOINT.of(PLACE | {"step": 100})).write_text("made since")
    assert reason_without(results, finished[1], "denoise") == "not made yet"


def test_a_twin_that_diverged_is_the_reason_for_a_pair(finished, results):
    write_log(results, layout.CHECKPOINT, DIVERGED, granularity="none-twin", step=100)
    assert "training diverged by step 100" in reason_without(results, finished[1], "consistency")


def test_what_cannot_be_read_just_now_is_named_and_left_where_it_is(finished, results, monkeypatch):
    read = store.excerpt

    def refused(path: Path, *arguments: str) -> store.StageFile:
        if path.name == "memorization.h5":
            raise DiffbenchError(f"{path}: cannot be read: Permission denied")
        return read(path, *arguments)

    monkeypatch.setattr(store, "excerpt", refused)
    (results / layout.ROWS).unlink()
    summary.run(SummarySpec(study=finished[1]), results)
    assert status_of(results, FILES["memorization"]) == ("unreadable", "cannot be read: Permission denied")
    assert (results / FILES["memorization"]).exists()
    assert marked(results) == []
    report.run(ReportSettings(), results)
    assert listed(results)[FILES["memorization"]] == ("unreadable", "cannot be read: Permission denied")


@pytest.mark.parametrize("writer", ["write_index", "write_laboratory"])
def test_a_report_that_fails_leaves_the_old_pages_byte_for_byte(results, monkeypatch, writer):
    before = pages(results)
    times = {path: path.stat().st_mtime_ns for path in (results / "report").rglob("*")}

    def failing(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report, writer, failing)
    with pytest.raises(DiffbenchError, match="report: disk full"):
        report.run(ReportSettings(chart_width=400), results)
    assert pages(results) == before
    assert {path: path.stat().st_mtime_ns for path in (results / "report").rglob("*")} == times
    assert not list(results.glob(".report*"))


def test_a_report_that_ends_well_replaces_all_and_leaves_no_folder(results):
    before = pages(results)
    (results / "report/old.html").write_text("of an earlier study")
    (results / "report/data/old.csv").write_text("of an earlier study")
    (results / "report/note.txt").write_text("mine")
    report.run(ReportSettings(chart_width=400), results)
    after = pages(results)
    assert set(after) == {*before, "note.txt"}
    assert after["noise.html"] != before["noise.html"]
    assert not list(results.glob(".report*"))


VOUCHED = [
    *(layout.table(name) for name in ("status", "costs", "timescales", "consistency", "controls")),
    layout.CLAIMS,
    layout.LAWS,
]


@pytest.mark.parametrize("file", [*VOUCHED, layout.table("denoise", "h5"), layout.MANIFEST])
def test_a_flipped_bit_in_the_summary_is_named_and_the_file_removed(results, file):
    size = (results / file).stat().st_size
    before = pages(results)
    for position in {0, size // 7, size // 2, size - 2, size - 1}:
        content = (results / file).read_bytes()
        flip(results / file, position, position % 8)
        with pytest.raises(DiffbenchError) as caught:
            report.run(ReportSettings(), results)
        assert str(caught.value) == (
            f"{results / file}: damaged: not what the summary wrote; run snakemake again to make it anew"
        )
        assert not (results / file).exists()
        (results / file).write_bytes(content)
    assert pages(results) == before


def test_every_bit_of_the_manifest_counts(results):
    from diffbench.summary.manifest import read_manifest

    path = results / layout.MANIFEST
    content = path.read_bytes()
    for position in range(0, len(content), 11):
        for bit in range(8):
            path.write_bytes(content)
            flip(path, position, bit)
            with pytest.raises(DiffbenchError, match="damaged"):
                read_manifest(results)


def test_the_line_on_images_is_shown(finished, results):
    account = {"read": 9, "not_read": 2, "why": "2 hidden, e.g. ._x.png", "notes": [], "repeated": 1}
    account |= {"unused": 3, "unused_why": " for class balance", "used": 5}
    text = json.dumps({"sets": {"data.path": account}, "near": [], "compared": ""})
    edit_sealed(results / FILES["data"], lambda file: file.attrs.__setitem__("account", text))
    summary.run(SummarySpec(study=finished[1]), results)
    report.run(ReportSettings(), results)
    line = "data.path: 9 read, 2 not read (2 hidden, e.g. ._x.png), 1 repeated, 3 unused for class balance, 5 used"
    assert json.loads((results / layout.MANIFEST).read_text())["images"] == line
    assert line in page_of(results)


def test_the_manifest_counts_files_by_state(finished, results):
    (results / FILES["overlap"]).unlink()
    os.truncate(results / FILES["denoise"], 10)
    summary.run(SummarySpec(study=finished[1]), results)
    manifest = json.loads((results / layout.MANIFEST).read_text())
    assert manifest["files"] == {"done": len(finished[1].files) - 2, "missing": 1, "broken": 1}
    assert (manifest["cells"], manifest["cells_complete"]) == (3, 2)


def test_factors_of_rows_are_those_of_the_place(finished):
    """Also where a file says nothing of them."""
    row = next(row for row in rows(finished[0], "memorization") if row["step"] == "400")
    assert {name: FACTORS[name](row[name]) for name in PLACE} == PLACE
