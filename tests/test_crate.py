"""A study as an RO-Crate: held against the disk, unpacked, verified, and run anew from its study file."""

import hashlib
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from rocrate.rocrate import ROCrate

from diffbench import cli
from diffbench.publishing.citation import read_citation
from diffbench.publishing.crate import description_of
from diffbench.study import layout
from tests.damaged_files import flip
from tests.moved_studies import MEMORIZATION, NAME, SAMPLES, copied
from tests.same_results import differences
from tests.snakemake_runs import TINY, command

pytestmark = pytest.mark.pipeline

CITATION = """cff-version: 1.2.0
message: cite it
type: dataset
title: A tiny study
abstract: It takes seconds.
authors:
  - {given-names: Ada, family-names: Doe, orcid: "https://orcid.org/0000-0002-1825-0097", affiliation: An institute}
  - {name: A group, website: "https://example.org"}
license: CC-BY-4.0
keywords: [diffusion, memorization]
doi: 10.5281/zenodo.1234567
"""


@pytest.fixture
def results(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    copied(tmp_path_factory, tmp_path)
    Path("CITATION.cff").write_text(CITATION)
    return Path(NAME)


def crate(*more: str) -> int:
    return cli.main(["crate", NAME, "tiny.zip", "--citation", "CITATION.cff", *more])


def test_a_crate_holds_what_was_verified_and_says_so_of_each_file(results: Path, capsys: Any) -> None:
    (results / "notes.txt").write_text("mine")
    (results / "mlp-small/n20/classes/seed0/training.pt").write_bytes((results / "data.h5").read_bytes())
    assert crate() == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "note: 1 left out, foreign, e.g. notes.txt"
    assert said[-1].startswith("tiny.zip: RO-Crate of study tiny: ")
    assert said[-1].endswith(" files, 2 of 2 cells")
    read: Any = ROCrate("tiny.zip")  # its values are of many types
    root = read.root_dataset
    assert (root["name"], root["license"].id) == ("A tiny study", "https://spdx.org/licenses/CC-BY-4.0")
    assert [author["name"] for author in root["author"]] == ["Ada Doe", "A group"]
    assert root["author"][0].id == "https://orcid.org/0000-0002-1825-0097"
    with zipfile.ZipFile("tiny.zip") as archive:
        names = set(archive.namelist())
        described = {each.id: each for each in root["hasPart"]}
        assert names == {*described, layout.CRATE_METADATA}
        assert {"notes.txt", ".lock", ".rows", "training.pt"}.isdisjoint(name.rpartition("/")[2] for name in names)
        for name in names - {layout.CRATE_METADATA, layout.STUDY_FILE}:
            content = archive.read(name)
            assert content == (results / name).read_bytes()
            assert described[name]["sha256"] == hashlib.sha256(content).hexdigest()
            assert described[name]["contentSize"] == str(len(content))
            assert "left by a run" not in described[name]["description"]


def test_a_crate_names_its_run_and_the_packages(results: Path) -> None:
    assert crate() == 0
    read: Any = ROCrate("tiny.zip")  # its values are of many types
    (action,) = read.get_by_type("CreateAction")
    assert action["object"].id == layout.STUDY_FILE
    assert {each.id for each in action["result"]} | {layout.STUDY_FILE} == {
        each.id for each in read.root_dataset["hasPart"]
    }
    manifest = json.loads((results / layout.MANIFEST).read_text())
    versions = {each["name"]: each["softwareVersion"] for each in action["instrument"]["softwareRequirements"]}
    made = manifest["provenance"]["versions"]
    assert versions == {name: version for name, version in made.items() if name != "diffbench"}


def test_its_study_file_makes_the_same_results_bit_for_bit(results: Path, tmp_path: Path) -> None:
    """And with it the manifest, of which it is a part."""
    assert crate() == 0
    with zipfile.ZipFile("tiny.zip") as archive:
        archive.extractall("unpacked")
    (tmp_path / "anew").mkdir()
    run = command(tmp_path / "anew", TINY, "--cores", "2")
    shutil.copyfile(tmp_path / "unpacked" / layout.STUDY_FILE, tmp_path / "anew/tiny.yaml")
    subprocess.run(run, check=True)
    for name in (layout.STUDY_FILE, layout.CRATE_METADATA):
        (tmp_path / "unpacked" / name).unlink()
    assert differences(tmp_path / "anew" / NAME, tmp_path / "unpacked") == []


def test_an_unpacked_crate_verifies(results: Path, capsys: Any) -> None:
    assert crate() == 0
    with zipfile.ZipFile("tiny.zip") as archive:
        archive.extractall("unpacked")
    capsys.readouterr()
    assert cli.main(["verify", "unpacked", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []


def test_damaged_results_make_no_crate_and_missing_ones_are_told(results: Path, capsys: Any) -> None:
    (results / MEMORIZATION).unlink()
    assert crate() == 0
    assert f"note: 1 missing, e.g. {MEMORIZATION}" in capsys.readouterr().out
    Path("tiny.zip").unlink()
    flip(results / SAMPLES, 1000)
    assert crate() == 1
    assert not list(Path().glob("*tiny.zip*"))
    assert f"diffbench crate: error: {NAME}/{SAMPLES}: damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("license: CC-BY-4.0\n", ""), "key 'license': field required"),
        (("A group", ""), "key 'authors': each needs a name"),
        (("0000-0002-1825-0097", "1"), "key 'authors.0.orcid'"),
        (("title: A tiny study", "title: [a"), "not valid YAML"),
    ],
)
def test_a_bad_citation_is_one_line_that_names_the_key(
    results: Path, capsys: Any, change: tuple[str, str], problem: str
) -> None:
    Path("CITATION.cff").write_text(CITATION.replace(*change))
    assert crate() == 1
    said = capsys.readouterr().err
    assert said.startswith("diffbench crate: error: CITATION.cff: ")
    assert problem in said
    assert said.count("\n") == 1


def test_the_own_citation_of_this_suite_can_be_read() -> None:
    assert read_citation(Path(__file__).parent.parent / "CITATION.cff").license == "MIT"


@pytest.mark.parametrize("name", layout.KINDS)
def test_every_kind_of_file_is_described(name: str) -> None:
    factors = {"model": "m", "train_size": 8, "granularity": "classes", "seed": 1, "step": 20, "guidance": "0"}
    path = layout.KINDS[name].of(factors | {"topic": "gap", "table": "denoise", "suffix": "csv", "page": "index"})
    assert description_of(path) != "left by a run"
