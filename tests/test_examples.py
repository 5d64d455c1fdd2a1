"""The programs of examples/, run as people run them; the results that one of them opens are those of another."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import diffbench
from tests.sites import check_site
from tests.snakemake_runs import ROOT

pytestmark = pytest.mark.pipeline


def run(*command: str, **environment: str) -> str:
    """Output of a Python program that must succeed, started in the repository's root."""
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=os.environ | paths | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `diffbench inspect` found of the network that examples/own_model.py trained."""
    folder = tmp_path_factory.mktemp("own-model")
    run("examples/own_model.py", str(folder))
    options = {
        "model": "examples.own_model:factory", "weights": folder / "model.pt", "train": folder / "train.npy",
        "held-out": folder / "held-out.npy", "range": "0,16", "samples": 32, "device": "cpu", "out": folder / "found",
    }  # fmt: skip
    run("-m", "diffbench", "inspect", *(str(text) for name, value in options.items() for text in (f"--{name}", value)))
    return folder / "found"


def test_a_network_of_ones_own_has_a_gap_and_a_report(inspected: Path) -> None:
    table = pd.read_csv(inspected / "summary/denoise.csv").set_index("measure")
    assert table.loc["peak_gap", "low"] > 0.2  # pyright: ignore[reportOperatorIssue]
    losses = table[table.index == "mse_validation"].sort_values("sigma")["value"]
    assert losses.iloc[0] < 1e-3, "at low noise the answer is nearly x"
    assert (inspected / "report/index.html").stat().st_size > 1000


@pytest.mark.browser
def test_every_page_of_an_inspection_holds(open_page, inspected: Path) -> None:
    check_site(open_page, inspected / "report")


def test_results_open_as_tables_and_arrays(inspected: Path) -> None:
    said = run("examples/open_results.py", RESULTS=str(inspected))
    assert re.search(r"memorized_floor\s+memorized_fraction", said)
    assert re.search(r"best known training images: \[\s*\d+", said)
    assert re.search(r"scaled from -\d\S* to \d\S*, raw from -?\d", said)
    chart = (inspected / "my-chart.html").read_text()
    assert "vega" in chart
    assert not re.search(r'<script[^>]+src="http', chart), "the chart asks the network"


def test_every_measure_stands_on_a_page_of_methods(inspected: Path) -> None:
    pages = " ".join(page.read_text() for page in (ROOT / "docs/methods").glob("*.md"))
    paths = [path for path in (inspected / "summary").glob("*.csv") if path.read_text().strip()]
    tables = [pd.read_csv(path) for path in paths]
    measures = {name for table in tables if "measure" in table for name in table["measure"]}
    assert len(measures) > 40
    assert {name for name in measures if not re.search(rf"`{name}`", pages)} == set()


def test_planted_copies_are_found_and_nothing_else(tmp_path: Path) -> None:
    said = run("examples/audit_arrays.py", str(tmp_path / "audited"))
    assert "100 samples are copies; 100 of them were planted" in said
    assert re.search(r"memorized_fraction\s+0\.500", said)
    assert (tmp_path / "audited/audit.html").exists()


def test_a_network_that_a_plain_loop_trained_is_measured_by_the_command_that_is_printed(tmp_path: Path) -> None:
    said = run("examples/other_libraries.py", "flow", str(tmp_path), "1000")
    command = shlex.split(said.replace("build/inspection", str(tmp_path / "found")).replace("\\\n", " "))
    run(*command[1:], "--quick", "--device", "cpu")
    table = pd.read_csv(tmp_path / "found/summary/denoise.csv").set_index("measure")
    losses = table[table.index == "mse_train"].sort_values("sigma")["value"]
    assert losses.iloc[0] < 1e-4, "at low noise the answer is nearly x"
    assert losses.is_monotonic_increasing
    assert losses.iloc[-1] < 0.2, "at high noise it is the mean of a class, of images whose variance is 0.25"


def test_arrays_and_a_denoiser_at_hand_are_measured(tmp_path: Path) -> None:
    said = run("examples/in_python.py", str(tmp_path / "found"))
    assert re.search(r"memorized_fraction +0\.5 ", said)
    assert re.search(r"memorized_floor +0\.0 ", said)
    assert "memorized samples: 1.0" in said
    assert (tmp_path / "found/report/index.html").exists()


def test_examples_keep_to_stable_names() -> None:
    """They use the command line and what `import diffbench` names, so that a moved module breaks none of them."""
    programs = sorted((ROOT / "examples").glob("*.py"))
    assert programs
    for program in programs:
        text = program.read_text()
        assert set(re.findall(r"^ *(?:import|from) diffbench.*", text, re.MULTILINE)) <= {"import diffbench"}, program
        assert set(re.findall(r"\bdiffbench\.(\w+)\(", text)) <= set(diffbench.__all__), program
