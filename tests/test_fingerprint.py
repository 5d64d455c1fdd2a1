"""Fingerprints of the user's files go by names and contents, and by nothing else."""

import hashlib
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffbench.files.fingerprint import contents_of, hashes_of


def content(path: Path) -> str:
    return contents_of([path])[str(path)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/0.png", "a/1.png", "2.png"):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
    return tmp_path / "set"


def test_hashes_are_those_of_sha256sum(folder: Path) -> None:
    expected = {
        name: hashlib.sha256(f"content of {name}".encode()).hexdigest() for name in ("2.png", "a/0.png", "a/1.png")
    }
    assert hashes_of(folder) == expected
    assert list(hashes_of(folder)) == sorted(expected)
    assert hashes_of(folder / "2.png") == {"": expected["2.png"]}


def test_files_larger_than_a_block_are_read_to_their_end(tmp_path: Path) -> None:
    path = tmp_path / "large.npy"
    path.write_bytes(bytes(3_000_001))
    assert hashes_of(path) == {"": hashlib.sha256(bytes(3_000_001)).hexdigest()}


def test_paths_are_told_as_they_were_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    found = contents_of(["a", "./a", "a/0.png", folder / "a", "none"])
    assert list(found) == ["a", "./a", "a/0.png", str(folder / "a"), "none"]
    assert len({found["a"], found["./a"], found[str(folder / "a")]}) == 1
    assert found["none"] == ""
    assert all(len(found[path]) == 16 and int(found[path], 16) for path in ("a", "a/0.png"))


def test_times_and_what_is_hidden_change_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = content(folder)
    os.utime(folder / "2.png", (1e9, 1e9))
    for name in (".DS_Store", ".ipynb_checkpoints/0.png", "a/__pycache__/x.pyc", "a/Thumbs.db", "results/tiny/data.h5"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("hidden")
    monkeypatch.chdir(folder)  # so that "results" are the results
    assert content(folder) == first
    assert contents_of(["."]) == {".": first}
    monkeypatch.chdir(folder.parent)
    assert content(folder) != first
    assert content(folder / "results") != ""


def test_every_change_of_names_or_contents_makes_another_fingerprint(folder: Path) -> None:
    seen = [content(folder)]
    (folder / "2.png").write_text("CONTENT of 2.png")
    seen.append(content(folder))
    (folder / "2.png").rename(folder / "3.png")
    seen.append(content(folder))
    (folder / "3.png").rename(folder / "a/3.png")
    seen.append(content(folder))
    (folder / "a/new.png").write_text("")
    seen.append(content(folder))
    (folder / "a/0.png").unlink()
    seen.append(content(folder))
    (folder / "a/3.png").rename(folder / "swap")
    (folder / "a/1.png").rename(folder / "a/3.png")
    (folder / "swap").rename(folder / "a/1.png")
    seen.append(content(folder))
    seen.append(content(folder / "a"))
    assert len(set(seen)) == len(seen)


def test_links_are_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/2.png").symlink_to(folder / "2.png")
    (tmp_path / "linked/a").symlink_to(folder / "a")
    (tmp_path / "all").symlink_to(folder)
    assert content(tmp_path / "linked") == content(tmp_path / "all") == content(folder)
    first = content(tmp_path / "linked")
    (folder / "a/0.png").write_text("other")
    assert content(tmp_path / "linked") != first


def test_two_links_to_one_folder_are_both_followed(folder: Path) -> None:
    (folder / "b").symlink_to(folder / "a")
    assert list(hashes_of(folder)) == ["2.png", "a/0.png", "a/1.png", "b/0.png", "b/1.png"]


def test_links_that_lead_back_do_not_hang(folder: Path) -> None:
    names = list(hashes_of(folder))
    for name in ("x", "y", "z"):
        (folder / "a" / name).symlink_to(folder)
    (folder / "loop").symlink_to("loop")
    (folder / "gone.png").symlink_to(folder / "nowhere")
    found = hashes_of(folder)
    assert sorted(found) == sorted([*names, "gone.png", "loop"])
    assert found["gone.png"] == found["loop"] == ""
    assert content(folder / "loop") == ""


def test_what_is_no_file_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert hashes_of(folder)["pipe"] == ""
    assert content(folder / "pipe") == ""


TREES = st.dictionaries(
    st.sampled_from(["0", "1", "a/0", "a/1", "a/b/0", "b/0", "\udc80"]), st.sampled_from([b"", b"x", b"0\0x", b"y" * 9])
)


def write_tree(folder: Path, tree: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, text in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
    return folder


@settings(max_examples=200, deadline=None)
@given(TREES, TREES)
def test_fingerprints_are_equal_where_names_and_contents_are(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as place:
        first = content(write_tree(Path(place, "one"), one))
        assert (content(write_tree(Path(place, "other"), other)) == first) == (one == other)
        assert content(write_tree(Path(place, "again"), dict(reversed(one.items())))) == first
