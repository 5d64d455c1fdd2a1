"""Files damaged in every way, at every stage: whoever reads one names it, and the next run makes all anew to the same.

tests/test_broken_files.py does this for summary and report, tests/test_verify.py for `verify`.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from diffbench import cli
from diffbench.planning.standing import files_of
from diffbench.study import layout
from diffbench.study.file import parse_study
from diffbench.study.inventory import outdated
from diffbench.study.lineage import Lineage
from tests.damaged_files import DAMAGES, edit_sealed, seal_anew
from tests.faults.conftest import Undisturbed
from tests.faults.study import LONG, NAME, STUDY, completed, run, wrong
from tests.jobs import path_of, run_job

pytestmark = pytest.mark.pipeline

LINEAGE = Lineage(parse_study(STUDY, "plane.yaml"))
CELL = {"model": "mlp-small", "train_size": 32, "granularity": "none", "seed": 0, "step": 12, "guidance": "0"}
READERS = {
    "data": "conditions",
    "conditions": "train",
    "optimum": "denoise",
    "checkpoint": "sample",
    "losses": "equivalent",
    "features": "memorization",
    "samples": "memorization",
    "trajectories": "overlap",
    "twin_samples": "consistency",
}
"""A stage that reads the files of a kind, by the name of its input."""
STAGED = dict.fromkeys(kind for kind, _ in files_of(LINEAGE.study) if kind != layout.TRAJECTORIES)
FILES = [kind.of(CELL | {"topic": "gap"}) for kind in STAGED]
FOLDER = layout.TOPIC.of({"topic": "flow"})


def of_an_older_schema(path: Path) -> None:
    edit_sealed(path, lambda file: file.attrs.__setitem__("schema_version", 1))
    seal_anew(path, "0123456789abcdef")  # to which the schema belongs


KINDS: dict[str, Callable[[Path], None]] = {name: act for name, (act, _) in DAMAGES.items()}
KINDS["of an older schema"] = of_an_older_schema
OF_HDF5 = {"without attributes", "of an older schema"}
OTHERWISE = {"a directory", "without attributes"}
"""What no run makes anew: a folder, which it does not remove, and what someone changed by hand and sealed himself."""


def kinds_for(file: Path | str) -> list[str]:
    """What can become of a file."""
    return [damage for damage in KINDS if str(file).endswith(".h5") or damage not in OF_HDF5]


@pytest.fixture(scope="module")
def results(undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with trajectories, which are temporary."""
    results = tmp_path_factory.mktemp("damaged") / NAME
    shutil.copytree(undisturbed.folder / NAME, results)
    assert run_job(LINEAGE, "sample", CELL, results) == 0
    return results


@pytest.mark.parametrize("name", READERS)
def test_a_job_names_the_file_that_it_cannot_use(
    name: str, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = results / path_of(LINEAGE, name, CELL)
    for damage in kinds_for(whole):
        damaged = tmp_path / damage / whole.name
        damaged.parent.mkdir()
        shutil.copy(whole, damaged)
        KINDS[damage](damaged)
        capsys.readouterr()
        assert run_job(LINEAGE, READERS[name], CELL, results, **{name: damaged, "out": tmp_path / "out"}) == 1
        told = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
        assert len(told) == 1
        assert re.match(rf"diffbench {READERS[name]}: error: {damaged}: \w+", told[0]), told
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("turn", range(len(KINDS)) if LONG else [0])
def test_a_run_makes_anew_what_is_damaged(
    turn: int, undisturbed: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """Every file in another way; in the long form each file in every way. One is a folder, which no run removes."""
    folder, results = tmp_path / "run", tmp_path / "run" / NAME
    shutil.copytree(undisturbed.folder, folder)
    monkeypatch.chdir(folder)
    for number, file in enumerate(FILES):
        damages = [damage for damage in kinds_for(file) if damage not in OTHERWISE]
        KINDS[damages[(turn + number) % len(damages)]](results / file)
    capsys.readouterr()
    assert cli.main(["verify", NAME]) == 1
    told = capsys.readouterr().out
    assert [file for file in FILES if file not in told] == []
    assert cli.main(["adopt", "--study", "plane.yaml"]) == 0  # marks what only those see who read all of a file
    assert set(outdated(LINEAGE, results)) >= {file for file in FILES if (results / file).exists()}
    KINDS["a directory"](results / FOLDER)
    done = run(folder)
    assert done.returncode == 1
    told = f"{NAME}/{FOLDER}: cannot be written (Is a directory); move that folder away and run again"
    assert told in done.stdout + done.stderr
    shutil.rmtree(results / FOLDER)
    completed(folder)
    assert wrong(folder, undisturbed.folder) == []
