"""diffbench as an installed tool: a wheel of its own, far from the clone, runs a study whose results programs read."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from shutil import copytree, ignore_patterns

import numpy as np
import pandas as pd
import pytest
import yaml

import diffbench
from diffbench.study import layout
from tests.snakemake_runs import ROOT, TINY

pytestmark = pytest.mark.pipeline

PARTS = ("diffbench", "snakemake_logger_plugin_diffbench", "workflow", "profiles", "config")
STUDY = TINY | {"steps": [4], "sweeps": [{"guidance": [0, 1]}]}


def build(hook: str, folder: Path) -> list[str]:
    """Names of the files in a wheel made by setuptools' own hook, from a copy of the sources; it is unpacked beside."""
    source = folder / "source"
    source.mkdir(parents=True)
    for part in PARTS:
        copytree(ROOT / part, source / part, symlinks=True, ignore=ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    command = f"from setuptools import build_meta; build_meta.{hook}({str(folder)!r})"
    subprocess.run([sys.executable, "-c", command], cwd=source, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
        return archive.namelist()


def diffbench_run(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`diffbench run ...` in a folder, by the package in `site`."""
    command = [sys.executable, "-m", "diffbench", "run", *arguments]
    return subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(site)}, capture_output=True, text=True, timeout=600
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installed wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build("build_wheel", folder)
    return folder / "site"


@pytest.fixture(scope="module")
def ran(site: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which the wheel ran a study, with its results elsewhere, and what it said."""
    folder = tmp_path_factory.mktemp("some where")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(STUDY))
    done = diffbench_run(site, folder, "tiny.yaml", "--cores", "2", "--results", str(folder / "else where/tiny"))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout + done.stderr


def test_a_wheel_holds_what_a_clone_has(site: Path) -> None:
    for folder in ("workflow", "config"):
        own = {path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*") if path.is_file()}
        carried = site / "diffbench/bundled" / folder
        assert {path.relative_to(carried) for path in carried.rglob("*") if path.is_file()} >= own
    assert (site / "diffbench/bundled/workflow/profiles/slurm/profile.yaml").read_bytes() == (
        ROOT / "profiles/slurm/profile.yaml"
    ).read_bytes()


def test_a_study_runs_from_a_wheel_with_results_where_asked(ran: tuple[Path, str], site: Path) -> None:
    folder, said = ran
    assert f"Using workflow specific profile {site}" in said
    page = folder / "else where/tiny/report/index.html"
    assert f"Report: {page}" in said
    assert page.stat().st_size > 1000
    assert (folder / "results/tiny").resolve() == folder / "else where/tiny"


def test_an_editable_install_is_a_line_of_a_pth_file(tmp_path: Path) -> None:
    names = build("build_editable", tmp_path)
    (pth,) = (name for name in names if name.endswith(".pth"))
    assert (tmp_path / "site" / pth).read_text().strip() == str(tmp_path / "source")
    assert not [name for name in names if "finder" in name]


def test_the_workflow_by_its_path_finds_the_settings_of_the_profile(tmp_path: Path) -> None:
    """As the catalog of workflows and snakedeploy name it, from a folder of one's own, where an earlier report lies."""
    earlier = tmp_path / "results/tiny" / layout.page("index")
    earlier.parent.mkdir(parents=True)
    earlier.touch()
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(STUDY))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow/Snakefile"), "--cores", "1"]
    options = ["--configfile", "tiny.yaml", "--until", "data"]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"specific profile {ROOT / 'workflow/profiles/default'}" in done.stderr
    assert re.search(r"1 jobs done in \d+ s", done.stderr), "the profile's logger tells so"
    assert "Report:" not in done.stdout + done.stderr, "this run made none"


def test_tables_of_results_are_frames(ran: tuple[Path, str]) -> None:
    results = diffbench.load_results(ran[0] / "results/tiny")
    assert results.study == diffbench.load_study(ran[0] / "tiny.yaml")
    assert set(results.cells["guidance"]) == {"0", "1"}
    table = results.table("memorization")
    written = pd.read_csv(results.folder / layout.table("memorization"), dtype={"guidance": str})
    pd.testing.assert_series_equal(table["value"], written["value"])
    assert set(table["guidance"]) == {"0", "1"}, "labels, as in paths and cells"
    assert {"denoise", "overlap", "status", "costs", "models"} <= set(results.tables)
    assert [claim["claim"] for claim in results.claims] == [1, 2, 3, 4, 5]


def test_files_of_results_are_datasets_that_say_their_units(ran: tuple[Path, str]) -> None:
    results = diffbench.load_results(ran[0] / "results/tiny")
    images = results.open("data")
    samples = results.open("samples", **results.cells.iloc[0])
    losses = results.open("denoise", **results.cells.iloc[0])
    units = [file[name].attrs["units"] for file, name in ((images, "pool"), (samples, "samples"), (losses, "sigma"))]
    assert units == ["raw", "scaled", "scaled"]
    assert losses["loss_train"].attrs["units"] == "scaled^2"
    assert losses["score_loss_train"].attrs["units"] == "1"
    told = samples["samples"].attrs
    scaled = (images["pool"].values - told["mean"]) * told["scale"]
    assert scaled.mean() == pytest.approx(0, abs=1e-6)
    assert scaled.std() == pytest.approx(0.5)
    nearest = results.open("memorization", **results.cells.iloc[0])
    flat = scaled.reshape(len(scaled), -1)[:20]
    distances = np.linalg.norm(samples["samples"].values.reshape(-1, 1, 64) - flat, axis=2)
    np.testing.assert_allclose(nearest["distance"].values[:, 0], distances.min(axis=1), rtol=1e-4)


def test_what_is_no_result_is_told_in_a_line(ran: tuple[Path, str], tmp_path: Path) -> None:
    results = diffbench.load_results(ran[0] / "results/tiny")
    cell = dict(results.cells.iloc[0])
    for call, message in (
        (lambda: diffbench.load_results(tmp_path / "none"), "none: no such folder"),
        (lambda: diffbench.load_results(tmp_path), "manifest.json: no readable summary"),
        (lambda: results.table("memorisation"), "no table 'memorisation'; did you mean memorization?"),
        (lambda: results.open("sample", **cell), "no files 'sample' to open; did you mean samples?"),
        (lambda: results.open("pixels"), "no files 'pixels': the study has no decoder"),
        (lambda: results.open("samples", model="mlp-small"), "give train_size, granularity, seed, step, guidance"),
        (lambda: results.open("samples", **cell | {"seed": 7}), "seed 7 is none of the study's: 0"),
    ):
        with pytest.raises(diffbench.DiffbenchError, match=re.escape(message)):
            call()


def test_a_damaged_or_foreign_file_is_not_read(ran: tuple[Path, str], tmp_path: Path) -> None:
    copied = tmp_path / "tiny"
    copytree(ran[0] / "results/tiny", copied)
    results = diffbench.load_results(copied)
    first, second = (results.path("samples", **results.cells.iloc[row]) for row in (0, 1))
    first.write_bytes(second.read_bytes())
    with pytest.raises(diffbench.DiffbenchError, match="made with other settings, factors or inputs"):
        results.open("samples", **results.cells.iloc[0])
    content = bytearray(second.read_bytes())
    content[len(content) // 2] ^= 1
    second.write_bytes(content)
    with pytest.raises(diffbench.DiffbenchError, match="damaged: its content is not what was written"):
        results.open("samples", **results.cells.iloc[1])
    table = copied / layout.table("memorization")
    table.write_text(table.read_text().replace("pixels", "pixies", 1))
    with pytest.raises(diffbench.DiffbenchError, match="damaged: not what the summary wrote"):
        results.table("memorization")
