"""The pipeline run for real: from study file to report, what a change recomputes, kills, and failed cells."""

import copy
import html
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from diffbench import cli
from diffbench.files.store import read
from diffbench.report.tables.catalog import OTHER, measure
from diffbench.report.tables.results import load_results
from diffbench.study.file import parse_study
from diffbench.study.layout import PAGES
from diffbench.study.lineage import Lineage
from tests.packed_boards import unpacked
from tests.snakemake_runs import TINY, command, planned_jobs, snakemake

pytestmark = pytest.mark.pipeline

ROOT = Path(__file__).parents[1]

GUIDED = [
    {
        "step": [12],
        "guidance": [
            1,
            {"weight": 1, "interval": [0.1, 2]},
            {"weight": 1, "step": 4},
            {"weight": 1, "model": "mlp-medium", "step": 12, "interval": [0.1, 2]},
        ],
    }
]


def changed(**changes):
    study = copy.deepcopy(TINY)
    for key, value in changes.items():
        section, _, name = key.partition("__")
        if name:
            study.setdefault(section, {})[name] = value
        else:
            study[section] = value
    return study


def checkpoints_made_anew(count: int) -> dict[str, int]:
    """Jobs of so many checkpoints that are trained, each with one cell, and of all that is made of them."""
    stages = ("train", "denoise", "sample", "memorization", "overlap")
    return dict.fromkeys(stages, count) | {"summary": 1, "report": 1}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    done = snakemake(folder, TINY, "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout + done.stderr


def test_pages_show_each_measure_that_the_readme_names(finished):
    """In "How to read the results" they stand between asterisks; each is a title of a page or of a chart's axis."""
    report = finished[0] / "results/tiny/report"
    named = (ROOT / "README.md").read_text().partition("[start:read]")[2].partition("[end:read]")[0]
    measures = {" ".join(name.split()) for name in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", named)} - {"inconclusive"}
    assert len(measures) > 20
    shown = " ".join(html.unescape(path.read_text()) for path in report.glob("*.html") if path.name != "methods.html")
    shown = " ".join(shown.replace("\\u003c", "<").lower().split())
    assert {name for name in measures if name.lower() not in shown} == set()
    pages = set(re.findall(r"`(\w+\.html)`", named)) - {"index.html"}
    assert len(pages) > 7
    assert all((report / page).exists() for page in pages)


def test_snakemakes_own_report_holds_pages_and_tables_whose_links_act(finished, browser, open_page, tmp_path):
    """Unpacked and opened as people do: it says nothing on the console, and its pages find each other in it."""
    done = snakemake(finished[0], TINY, "--report", str(tmp_path / "report.zip"))
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "report.zip") as packed:
        packed.extractall(tmp_path)
    held = {path.name: path for path in (tmp_path / "report/data/raw").glob("*/*")}
    tables = {"leaderboard.csv", "status.csv", "models.csv", "costs.csv", "claims.json", "laws.json", "manifest.json"}
    assert set(held) == {f"{page}.html" for page in PAGES} | tables
    for name, path in held.items():
        (made,) = (each for each in (finished[0] / "results/tiny").rglob(name) if "figures" not in each.parts)
        assert path.read_bytes() == made.read_bytes()
    page = open_page(held["index.html"])
    page.wait_for_selector("[data-relinked]", state="attached")
    links = page.eval_on_selector_all("a[href]", "links => links.map((link) => link.href)")
    files = {Path(unquote(urlsplit(link).path)) for link in links} - {held["index.html"]}
    assert files == {held[f"{name}.html"] for name in PAGES if name != "index"}
    assert any("#" in link for link in links)
    whole, errors = browser.new_page(), []
    whole.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    whole.on("pageerror", lambda error: errors.append(str(error)))
    whole.goto((tmp_path / "report/report.html").as_uri())
    assert whole.get_by_text("Do diffusion models memorize").count()
    for category in ("Tables", "Configuration and versions", "Pages"):
        assert whole.get_by_text(category, exact=True).count()
    whole.get_by_role("link", name="Pages", exact=True).click()
    whole.locator("tr", has_text="overview").locator("a").first.click()
    inside = whole.frame_locator("iframe")
    inside.locator("[data-relinked]").wait_for(state="attached")
    inside.locator("#site").get_by_text("Claims").click()
    inside.locator("#claim-1-section").wait_for()
    whole.close()
    assert errors == []


def test_the_report_has_a_title_for_every_measure(finished):
    """And the leaderboard every scalar that the study computed, with a value or a reason."""
    results = load_results(finished[0] / "results/tiny")
    assert {name for name in results.scalars if measure(name).group == OTHER} == set()
    page = finished[0] / "results/tiny/report/leaderboard.html"
    held = {each["name"] for each in unpacked(page)["measures"]}
    undefined = html.unescape(page.read_text().partition('<details id="undefined">')[2].partition("</details>")[0])
    absent = {name for name in results.scalars if f"<li>{measure(name).title}: " in undefined}
    assert held | absent >= set(results.scalars)


@pytest.fixture
def copied(finished, tmp_path):
    """The finished study in a folder of its own, file times kept."""
    shutil.copytree(finished[0], tmp_path / "study")
    return tmp_path / "study"


def test_a_study_ends_with_the_path_of_its_report(finished):
    folder, output = finished
    report = folder / "results/tiny/report/index.html"
    assert f"Report: {report.resolve()}" in output
    assert report.stat().st_size > 1000
    status = pd.read_csv(folder / "results/tiny/summary/status.csv")
    assert set(status["state"]) == {"done"}
    assert status["peak_memory_mb"].max() < 1500
    assert not list(folder.rglob("trajectories.h5")), "trajectories are temporary"
    assert not list(folder.rglob("training.pt")), "states of quick trainings are temporary"


def test_stage_files_say_where_they_come_from(finished):
    for path in sorted(finished[0].rglob("*.h5")):
        with h5py.File(path) as file:
            for name in (
                "schema_version",
                "stage",
                "factors",
                "settings",
                "versions",
                "git_commit",
                "wall_seconds",
            ):
                assert name in file.attrs, f"{path} lacks {name}"


def test_measuring_a_checkpoint_loads_neither_dynamo_nor_sympy(finished, tmp_path):
    """They would cost each of many short jobs a second; counting operations loads them."""
    study = parse_study(TINY, "tiny")
    cell = next(each for each in study.cells if study.definition(each.checkpoint.run.model).trained)
    results, subset = finished[0] / "results/tiny", f"n{cell.checkpoint.run.train_size}"
    files = {
        "data": results / "data.h5",
        "conditions": results / f"conditions/{subset}/{cell.checkpoint.run.granularity}.h5",
        "optimum": results / f"optimum/{subset}/{cell.checkpoint.run.granularity}.h5",
        "checkpoint": results / cell.checkpoint.path / "checkpoint.pt",
        "out": tmp_path / "denoise.h5",
    }
    spec = Lineage(study).spec_json("denoise", cell.factors)
    loaded = "[name for name in ('torch._dynamo', 'sympy') if name in sys.modules]"
    program = f"import sys; from diffbench import cli; assert cli.main(sys.argv[1:]) == 0; print({loaded})"
    options = [text for name, path in files.items() for text in (f"--{name}", str(path))]
    done = subprocess.run(
        [sys.executable, "-c", program, "denoise", "--spec", spec, "--device", "cpu", *options],
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "[]", done.stderr
    assert files["out"].exists()


def test_a_finished_study_has_nothing_to_do(finished):
    assert planned_jobs(finished[0], TINY) == {}


@pytest.mark.parametrize(
    ("study", "jobs"),
    [
        (changed(report__chart_width=400), {"report": 1}),
        (
            changed(measures__gap={"levels": 5, "images": 20, "noises": 2}),
            {"optimum": 1, "denoise": 2, "summary": 1, "report": 1},
        ),
        (
            changed(measures__quality={"space": "pca", "dimensions": 8}),
            {"features": 1, "memorization": 2, "summary": 1, "report": 1},
        ),
        (
            changed(sampling__samples=30, sampling__trajectories=12, sampling__steps=5),
            {"sample": 2, "memorization": 2, "overlap": 2, "summary": 1, "report": 1},
        ),
        (
            changed(steps=[4, 8, 12]),  # a milestone in between must not retrain the later one
            checkpoints_made_anew(1),
        ),
        (
            changed(steps=[4, 12, 20]),
            checkpoints_made_anew(1),
        ),
        (
            changed(seeds=[0, 1]),
            checkpoints_made_anew(2),
        ),
        (
            changed(training__learning_rate=1e-3),  # all milestones in one go
            checkpoints_made_anew(2),
        ),
        (
            changed(data__split_seed=1),
            {"data": 1, "conditions": 1, "features": 1, "optimum": 1} | checkpoints_made_anew(2),
        ),
        (
            changed(sweeps=[{"guidance": [0, 1.5]}]),
            {"sample": 2, "memorization": 2, "overlap": 2, "summary": 1, "report": 1},
        ),
        (
            changed(sweeps=GUIDED),  # trains the guide that is not there yet, and does not measure it
            {"train": 1, "sample": 4, "memorization": 4, "overlap": 4, "summary": 1, "report": 1},
        ),
    ],
    ids=[
        "chart",
        "gap",
        "quality",
        "sampling",
        "milestone-between",
        "milestone-after",
        "seed",
        "training",
        "data",
        "guidance",
        "guides",
    ],
)
def test_a_change_computes_only_what_is_new(finished, study, jobs):
    planned = planned_jobs(finished[0], study)
    planned.pop("all")
    assert planned == jobs


@pytest.mark.browser
def test_every_kind_of_guidance_in_one_study_is_named_in_words(copied, open_page):
    done = snakemake(copied, changed(sweeps=GUIDED), "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    results = copied / "results/tiny"
    cells = {path.parent.name for path in (results / "mlp-small").rglob("samples.h5")}
    assert cells == {"w0", "w1", "w1_in-0.1-2", "w1_at-4", "w1_by-mlp-medium_at-12_in-0.1-2"}
    assert [path.name for path in (results / "mlp-medium").rglob("*.*") if path.suffix in (".h5", ".pt")] == [
        "checkpoint.pt"
    ]
    memorization = read(results / "summary/memorization.h5", "table")
    assert set(memorization["guidance"]) == {cell.removeprefix("w") for cell in cells}
    board = open_page(results / "report/leaderboard.html")
    options = board.locator("[data-filter=guidance] option").all_inner_texts()
    axis = (
        open_page(results / "report/factors.html")
        .locator("#outcomes-by-factor .role-axis-label text")
        .all_text_contents()
    )
    words = ["0", "1", "1, σ in (0.1, 2]", "1 by itself at step 4", "1 by mlp-medium at step 12, σ in (0.1, 2]"]
    assert options == ["all", *words]
    assert {each.replace(" ", "") for each in words} <= {each.replace(" ", "") for each in axis}, (
        "long ones in two lines"
    )


def test_a_milestone_in_between_gives_the_bytes_of_straight_training(copied):
    target = "results/tiny/mlp-small/n20/classes/seed0/step12/checkpoint.pt"
    straight = torch.load(copied / target, weights_only=True)
    (copied / target).unlink()
    done = snakemake(copied, changed(steps=[4, 7, 9, 12]), "--cores", "2", target)
    assert done.returncode == 0, done.stdout + done.stderr
    chained = torch.load(copied / target, weights_only=True)
    for name, tensor in straight["ema"].items():
        assert torch.equal(tensor, chained["ema"][name]), name


def test_a_killed_run_completes_with_the_same_results_when_repeated(finished, tmp_path):
    for delay in (6.0, 9.0):
        run = subprocess.Popen(
            command(tmp_path, TINY, "--cores", "2"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        time.sleep(delay)
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
    done = snakemake(tmp_path, TINY, "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("denoise", "memorization", "overlap"):
        paths = sorted((finished[0] / "results/tiny/mlp-small").rglob(f"{name}.h5"))
        assert paths
        for path in paths:
            expected, again = read(path, name), read(tmp_path / path.relative_to(finished[0]), name)
            assert expected.arrays.keys() == again.arrays.keys()
            for key, values in expected.arrays.items():
                np.testing.assert_array_equal(values, again[key], err_msg=f"{path} {key}")


def test_a_failed_cell_stops_no_other_the_summary_says_why_and_the_next_run_mends_it(copied):
    broken = copied / "results/tiny/mlp-small/n20/classes/seed0/step12/checkpoint.pt"
    content = bytearray(broken.read_bytes())
    content[len(content) // 2] ^= 1
    broken.write_bytes(content)
    study = changed(measures__gap={"levels": 5, "images": 20, "noises": 2})
    done = snakemake(copied, study, "--cores", "2")
    assert done.returncode != 0
    status = pd.read_csv(copied / "results/tiny/summary/status.csv").set_index("file")["reason"].dropna()
    assert list(status.index) == ["mlp-small/n20/classes/seed0/step12/denoise.h5"]
    assert "damaged: its content is not what was written" in status.to_list()[0]
    table = pd.read_csv(copied / "results/tiny/summary/denoise.csv")
    assert set(table["step"]) == {4}
    assert "1 of 2" in (copied / "results/tiny/report/index.html").read_text()
    assert "damaged" in broken.with_name("checkpoint.pt.broken").read_text()
    assert broken.read_bytes() == content
    done = snakemake(copied, study, "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert pd.read_csv(copied / "results/tiny/summary/status.csv")["reason"].isna().all()
    assert not list(copied.rglob("*.broken"))


@pytest.fixture
def carelessly_copied(finished, tmp_path):
    """As `cp -r` into a fresh clone leaves it: times of copying, in any order, and no record of Snakemake's."""
    study = tmp_path / "study"
    shutil.copytree(finished[0] / "results", study / "results", copy_function=shutil.copyfile)
    for age, path in enumerate(sorted(study.rglob("*"), key=lambda path: path.name)):
        os.utime(path, (1.7e9 + 60 * age, 1.7e9 + 60 * age))
    return study


def adopt(folder, study, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    command(folder, study)  # writes the study file
    assert cli.main(["adopt", "--study", "tiny.yaml"]) == 0
    return capsys.readouterr().out


def test_adopted_copies_are_left_as_they_are(carelessly_copied, capsys, monkeypatch):
    assert planned_jobs(carelessly_copied, TINY)["train"] == 2
    assert adopt(carelessly_copied, TINY, capsys, monkeypatch) == "results/tiny: 14 files are left as they are\n"
    assert planned_jobs(carelessly_copied, TINY) == {"summary": 1, "report": 1, "all": 1}


def test_what_is_damaged_or_of_another_study_is_not_adopted(carelessly_copied, capsys, monkeypatch):
    path = carelessly_copied / "results/tiny/mlp-small/n20/classes/seed0/step12/w0/samples.h5"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    other = changed(measures__quality={"space": "pca", "dimensions": 8})
    said = adopt(carelessly_copied, other, capsys, monkeypatch)
    assert said == (
        "results/tiny: 10 files are left as they are, 3 of other settings, which a run makes anew,"
        " 1 damaged, which a run makes anew\n"
    )
    planned = planned_jobs(carelessly_copied, other)
    assert planned == {"sample": 1, "features": 1, "memorization": 2, "overlap": 1, "summary": 1, "report": 1, "all": 1}


def test_bad_study_is_refused_in_one_line_before_any_job(tmp_path):
    done = snakemake(tmp_path, changed(sampling__sigma_min=-1.0), "--cores", "2")
    assert done.returncode != 0
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "error" in line]
    assert any("tiny.yaml: key 'sampling.sigma_min': input should be greater than 0" in line for line in lines)
    assert not (tmp_path / "results").exists()


def test_two_runs_of_one_study_at_once_are_refused(copied):
    import fcntl

    with (copied / "results/tiny/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = snakemake(copied, changed(report__chart_width=400), "--cores", "1")
    assert done.returncode != 0
    assert "another run writes results/tiny" in done.stdout + done.stderr
