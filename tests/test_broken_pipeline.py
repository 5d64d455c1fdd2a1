"""Damaged results in the workflow: the run that finds them fails in one line, and the next one makes them anew."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from diffbench.files import store
from tests.damaged_files import flip
from tests.snakemake_runs import TINY, planned_jobs, snakemake

pytestmark = pytest.mark.pipeline

RESULTS = "results/tiny"
CELL = "mlp-small/n20/classes/seed0/step12/w0"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    done = snakemake(folder, TINY, "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def study(finished: Path, tmp_path: Path) -> Path:
    """The finished study in a folder of its own, file times kept."""
    shutil.copytree(finished, tmp_path / "study")
    return tmp_path / "study"


def tables(folder: Path) -> dict[str, bytes]:
    base = folder / RESULTS / "summary"
    names = ("denoise", "memorization", "overlap", "timescales", "models")
    return {name: (base / f"{name}.csv").read_bytes() for name in names}


@pytest.mark.parametrize("file", [f"{CELL}/memorization.h5", f"{CELL}/samples.h5", "features.h5"])
def test_a_flipped_bit_fails_the_run_that_finds_it_and_the_next_one_is_complete(finished, study, file):
    path = study / RESULTS / file
    flip(path, path.stat().st_size // 3)
    found = snakemake(study, TINY, "--cores", "2", "--forcerun", "summary")
    output = found.stdout + found.stderr
    assert found.returncode == 1, output
    told = f"diffbench: error: 1 file is damaged, e.g. {RESULTS}/{file}: run again to make what is damaged anew"
    assert told in output
    assert "Traceback" not in output
    assert f"Report: {(study / RESULTS / 'report/index.html').resolve()}" in output
    assert f'<th scope="row">{file}</th><td>broken</td>' in (study / RESULTS / "report/index.html").read_text()
    assert (study / RESULTS / f"{file}.broken").exists()
    again = snakemake(study, TINY, "--cores", "2")
    assert again.returncode == 0, again.stdout + again.stderr
    assert tables(study) == tables(finished)
    stage = {"samples.h5": "sample", "memorization.h5": "memorization"}.get(path.name, "features")
    before, after = (store.read(folder / RESULTS / file, stage).arrays for folder in (finished, study))
    for name, values in before.items():
        np.testing.assert_array_equal(values, after[name], err_msg=name)
    assert planned_jobs(study, TINY) == {}
    assert not list(study.rglob("*.broken"))


def test_a_truncated_file_is_made_anew_at_once(finished, study):
    path = study / RESULTS / CELL / "memorization.h5"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    done = snakemake(study, TINY, "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert tables(study) == tables(finished)


def test_a_report_that_fails_leaves_the_old_pages(study):
    flip(study / RESULTS / "claims.json", 100)
    before = (study / RESULTS / "report/noise.html").read_bytes()
    failed = snakemake(study, TINY | {"report": {"chart_width": 400}}, "--cores", "1", "--no-hooks")
    assert failed.returncode != 0
    assert "claims.json: damaged: not what the summary wrote" in failed.stdout + failed.stderr
    assert (study / RESULTS / "report/noise.html").read_bytes() == before
    again = snakemake(study, TINY | {"report": {"chart_width": 400}}, "--cores", "1")
    assert again.returncode == 0, again.stdout + again.stderr
    assert (study / RESULTS / "report/noise.html").read_bytes() != before
