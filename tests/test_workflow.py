"""The workflow's own rules: Snakemake's linter, and where results lie."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from diffbench.conventions import DiffbenchError
from diffbench.study import layout
from diffbench.study.file import load_study, parse_study
from diffbench.summary.costs import stage_costs

ROOT = Path(__file__).parent.parent

FACTORS = {"model": "m", "train_size": 8, "granularity": "kmeans-4", "seed": 1, "step": 20, "guidance": "0.5"}
OTHERS = {"topic": "gap", "table": "denoise", "suffix": "csv", "page": "index"}


@pytest.mark.pipeline
def test_snakemake_finds_nothing_but_that_rules_share_one_environment() -> None:
    """Jobs run with the Python that runs Snakemake: an environment per rule would never be used."""
    command = [sys.executable, "-m", "snakemake", "--lint", "--configfile", "config/studies/smoke.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lints = re.findall(r"^ +\* (.*):$", done.stdout + done.stderr, re.MULTILINE)
    assert set(lints) == {"Specify a conda environment or container for each rule."}


@pytest.mark.parametrize("name", layout.KINDS)
def test_the_stage_of_a_file_is_known_by_its_path_and_by_that_of_its_cost(name: str) -> None:
    kind = layout.KINDS[name]
    assert layout.stage_of(kind.of(FACTORS | OTHERS)) == kind.stage
    assert layout.stage_of(kind.cost.format(**FACTORS, **OTHERS)) == kind.stage
    with pytest.raises(ValueError, match="a file of no stage"):
        layout.stage_of(f"other/{kind.of(FACTORS | OTHERS)}")


def test_no_two_kinds_share_a_path_and_no_two_jobs_a_log() -> None:
    paths = [kind.of(FACTORS | OTHERS) for kind in layout.KINDS.values()]
    assert len(set(paths)) == len(paths)
    stages = {kind.log(): kind.stage for kind in layout.KINDS.values()}
    assert len(stages) == len({kind.stage for kind in layout.KINDS.values()})
    assert layout.TABLE.log() == "logs/summary.log"
    assert layout.PAGE.log() == "logs/report.log"


def test_no_model_may_bear_the_name_of_a_folder_of_the_results() -> None:
    assert {"conditions", "figures", "optimum", "lab", "logs", "report", "summary"} == layout.FOLDERS


def test_results_paths_are_spelled_in_the_layout_alone() -> None:
    """No other module or rule names a file of the results, or formats a folder of a run."""
    names = {Path(kind.pattern).name for kind in layout.KINDS.values() if "{" not in Path(kind.pattern).name}
    spelled = re.compile("|".join(rf"[\"'/]{re.escape(name)}[\"']" for name in names) + r"|/seed\{|/step\{|/n\{")
    places = [*ROOT.glob("diffbench/**/*.py"), *ROOT.glob("workflow/**/*.smk"), ROOT / "workflow/Snakefile"]
    spelling = {str(path.relative_to(ROOT)) for path in places if spelled.search(path.read_text())}
    assert spelling == {"diffbench/study/layout.py"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training": {"optimizer": "adam"}}, "key 'training.optimizer' is gone: every network is trained by Adam"),
        (
            {"models": {"theirs": {"kind": "foreign", "import": "a:b"}}},
            "key 'models.theirs.kind': 'foreign' is called 'external' now",
        ),
    ],
)
def test_words_of_earlier_study_files_say_what_took_their_place(change: dict[str, object], message: str) -> None:
    with pytest.raises(DiffbenchError, match=re.escape(f"mine.yaml: {message}")):
        parse_study({"name": "mine", "steps": [1]} | change, "mine.yaml")


SMOKE = ROOT / "config/studies/smoke.yaml"
MODULE = f"""
module suite:
    snakefile: "{ROOT / "Snakefile"}"
    config: {{"name": "changed", "steps": [2], "seeds": [0], "center": {{"model": "mlp-small", "train_size": 32}}}}
use rule * from suite
"""
INCLUDED = f"""
config["name"] = "changed"
include: "{ROOT / "workflow/Snakefile"}"
workflow.default_target = "all"
"""


@pytest.mark.pipeline
@pytest.mark.parametrize(
    ("text", "options"), [(MODULE, []), (INCLUDED, ["--configfile", str(SMOKE)])], ids=["module", "included"]
)
def test_a_workflow_that_uses_this_one_gives_it_its_study(tmp_path: Path, text: str, options: list[str]) -> None:
    (tmp_path / "Snakefile").write_text(text)
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--directory", str(tmp_path)]
    command += ["--snakefile", str(tmp_path / "Snakefile"), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(re.findall(r"results/(\w+)/", done.stdout + done.stderr)) == {"changed"}


def test_all_say_the_same_of_the_oldest_snakemake() -> None:
    said = {
        "pyproject.toml": r'"snakemake\[reports\]>=([\d.]+)"',
        "workflow/Snakefile": r'^min_version\("([\d.]+)"\)',
        "docs/guide/install.md": r"Snakemake ([\d.]+) or newer",
    }
    found = {name: re.findall(pattern, (ROOT / name).read_text(), re.MULTILINE) for name, pattern in said.items()}
    assert [len(versions) for versions in found.values()] == [1, 1, 1]
    assert len({versions[0] for versions in found.values()}) == 1


def test_every_study_that_comes_along_can_be_read() -> None:
    for path in (ROOT / "config").glob("**/*.yaml"):
        assert load_study(path).cells


def test_a_copy_of_results_beside_them_is_no_job_of_the_study(tmp_path: Path) -> None:
    own = layout.DENOISE.cost.format(**FACTORS)
    for path in (own, f"backup/{own}", f"old{layout.COST}"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text('{"seconds": 1.0, "cpu_seconds": 1.0, "max_rss_mb": 1.0}\n')
    assert list(stage_costs(tmp_path)[0]["job"]) == [own.removesuffix(layout.COST)]
