"""`diffbench run`, `init` and `studies`: what is handed to Snakemake, and what is refused in a line."""

import sys
from pathlib import Path

import pytest

from diffbench import bundled, cli
from diffbench.commands import run as command
from diffbench.study import layout
from diffbench.study.file import load_study


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The command that `diffbench run` becomes, typed in an empty folder."""
    found: list[str] = []
    monkeypatch.setattr(command.os, "execv", lambda program, arguments: found.extend([program, *arguments]))
    monkeypatch.chdir(tmp_path)
    return found


def option(found: list[str], name: str) -> str:
    return found[found.index(name) + 1]


def test_a_study_by_name_takes_all_cores_of_this_machine(handed: list[str]) -> None:
    assert cli.main(["run", "smoke"]) == 0
    assert handed[:4] == [sys.executable, sys.executable, "-m", "snakemake"]
    assert Path(option(handed, "--snakefile")).name == "Snakefile"
    assert load_study(option(handed, "--configfile")).name == "smoke"
    assert option(handed, "--cores") == "all"
    assert "rerun-triggers: [mtime, params]" in Path(option(handed, "--workflow-profile"), "profile.yaml").read_text()
    assert not list(Path().iterdir())


def test_what_stands_after_two_dashes_goes_to_snakemake(handed: list[str]) -> None:
    assert cli.main(["run", "smoke", "--cores", "3", "--", "--until", "train", "--", "x"]) == 0
    assert handed[-6:] == ["--cores", "3", "--until", "train", "--", "x"]


@pytest.mark.parametrize(
    ("told", "own"),
    [
        (["--profile", "slurm"], True),
        (["--", "--executor=slurm"], True),
        (["--", "-j9"], True),
        (["--profile", "default"], False),
        (["--", "--jobname", "x", "--config", "device=cpu"], False),
    ],
)
def test_other_machines_have_their_own_number_of_cores(
    handed: list[str], monkeypatch: pytest.MonkeyPatch, told: list[str], own: bool
) -> None:
    monkeypatch.setattr("diffbench.bundled.profile.find_spec", lambda name: name)
    assert cli.main(["run", "smoke", *told]) == 0
    assert ("--cores" not in handed) == own


def test_profiles_are_those_that_come_along_or_paths(
    handed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {"default", "slurm", "cluster-generic"} <= set(bundled.profiles())
    monkeypatch.setattr("diffbench.bundled.profile.find_spec", lambda name: None)
    assert cli.main(["run", "smoke", "--profile", "slurm"]) == 1
    assert "slurm needs snakemake-executor-plugin-slurm, which is not installed: pip" in capsys.readouterr().err
    monkeypatch.setattr("diffbench.bundled.profile.find_spec", lambda name: name)
    assert cli.main(["run", "smoke", "--profile", "slurm"]) == 0
    assert "executor: slurm" in Path(option(handed, "--profile"), "profile.yaml").read_text()
    handed.clear()
    Path("mine").mkdir()
    Path("mine/profile.v9+.yaml").write_text("jobs: 5")
    assert cli.main(["run", "smoke", "--profile", "mine"]) == 0
    assert option(handed, "--profile") == "mine"


def test_results_elsewhere_are_found_by_a_link(handed: list[str], tmp_path: Path) -> None:
    for _ in range(2):
        assert cli.main(["run", "smoke", "--results", "far away/smoke"]) == 0
    assert Path("results/smoke").resolve() == tmp_path / "far away/smoke"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smok"], "smok: no file, nor a study that comes along; did you mean smoke?"),
        (["none.yaml"], "none.yaml: cannot be read: No such file or directory"),
        (["smoke", "--profile", "slrm"], "--profile: slrm: no profile, nor one that comes along; did you mean slurm?"),
        (["smoke", "--profile", "empty"], "--profile: empty: no profile"),
        (["smoke", "--dry-run"], "--dry-run: no option of this command; diffbench run --help lists"),
        (["--until", "smoke"], "--until: no option of this command; diffbench run --help lists"),
        (["smoke", "--cores", "0"], "--cores: 0 is no number of cores"),
        (["smoke", "--results", "full"], "--results: full: holds other files than results"),
        (["smoke", "--results", "full/file"], "--results: full/file: no folder"),
        (["smoke", "--results", "theirs"], "--results: theirs: manifest.json"),
        (["circle", "--results", "new"], "--results: results/circle is there already"),
    ],
)
def test_mistakes_are_a_line_and_nothing_is_run(
    handed: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    for folder in ("empty", "full", "results/circle"):
        Path(folder).mkdir(parents=True)
    Path("full/file").write_text("x")
    if "theirs" in arguments:
        Path("theirs/summary").mkdir(parents=True)
        Path("theirs", layout.MANIFEST).write_text("{}")
        message = "damaged: not what the summary wrote"
    assert cli.main(["run", *arguments]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("diffbench run: error: ")
    assert said.count("\n") == 1
    assert not handed


def test_a_folder_that_cannot_be_written_is_a_line(
    handed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir("/proc")
    assert cli.main(["run", "smoke"]) == 1
    assert "error: /proc: cannot be written (" in capsys.readouterr().err
    assert not handed


def test_init_writes_a_study_into_an_empty_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["init", "new"]) == 0
    assert "cd new" in capsys.readouterr().out
    written = tmp_path / "new/study.yaml"
    assert len(load_study(written).cells) == 18
    written.write_text("mine")
    assert cli.main(["init", "new"]) == 1
    assert "new: not empty; give a new folder" in capsys.readouterr().err
    assert written.read_text() == "mine"
    monkeypatch.chdir(tmp_path / "new")
    written.unlink()
    assert cli.main(["init"]) == 0
    assert "cd " not in capsys.readouterr().out


def test_studies_that_come_along_are_listed_by_name_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["studies"]) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = bundled.studies()
    assert [line.split()[0] for line in lines] == list(listed)
    assert next(iter(listed)) == "digits"
    for name, path in listed.items():
        assert load_study(name).name == name
        assert name in (path.stem, "digits")
        assert bundled.summary_of(path)[-1] in ".?"


def test_an_installation_that_lost_its_links_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bundled, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(bundled.DiffbenchError, match="did not come along with this installation"):
        bundled.snakefile()


def test_help_shows_what_people_type_first_and_stages_last(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = capsys.readouterr().out
    places = [said.index(f"\n  {name} ") for name in ("init", "run", "inspect", "merge", "train", "report")]
    assert places == sorted(places)
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"diffbench {cli.__version__}\n"
    assert cli.main(["rum"]) == 1
    assert "no such command; did you mean run?" in capsys.readouterr().err
