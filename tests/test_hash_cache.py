"""The cache of hashes saves reading files, and is never why a change goes unnoticed or anything fails."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from diffbench.files import hash_cache
from diffbench.files.fingerprint import contents_of
from tests.full_disks import small_disk

HOUR_NS = 3600 * 10**9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "set").mkdir()
    for name in "abc":
        (tmp_path / "set" / name).write_text(f"content {name}")
    return tmp_path / "set"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "results").mkdir()
    return tmp_path / "results/.contents.json"


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files were written long before they are read: times of change cannot be set, but the clock can."""
    now = time.time_ns()
    monkeypatch.setattr(hash_cache.time, "time_ns", lambda: now + HOUR_NS)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read."""
    names: list[str] = []
    original = hash_cache.sha256_of

    def recording(file: str) -> str:
        names.append(Path(file).name)
        return original(file)

    monkeypatch.setattr(hash_cache, "sha256_of", recording)
    return names


@pytest.fixture
def ask(folder: Path, cache: Path, read: list[str]) -> Callable[[], list[str]]:
    """Ask for the fingerprint with the cache, which must be that without. Names of the files that were read."""

    def asking() -> list[str]:
        expected = contents_of([folder])
        read.clear()
        assert contents_of([folder], cache) == expected
        return sorted(read)

    return asking


@pytest.mark.usefixtures("later")
def test_files_are_read_again_only_if_the_system_says_that_they_changed(
    folder: Path, ask: Callable[[], list[str]], cache: Path
) -> None:
    assert ask() == ["a", "b", "c"]
    assert ask() == []
    os.utime(folder / "a", (1e9, 1e9))
    assert ask() == ["a"]
    shutil.copy2(folder / "b", folder / "d")
    assert ask() == ["d"]
    (folder / "d").replace(folder / "a")
    assert ask() == ["a"]
    (folder / "b").unlink()
    assert ask() == []
    assert str(folder / "b") not in cache.read_text()


@pytest.mark.usefixtures("later")
def test_other_content_of_the_same_size_and_time_is_noticed(folder: Path, ask: Callable[[], list[str]]) -> None:
    ask()
    status = (folder / "a").stat()
    (folder / "a").write_text("CONTENT a")
    os.utime(folder / "a", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (folder / "a").stat().st_mtime_ns == status.st_mtime_ns
    assert ask() == ["a"]


def test_files_that_have_only_just_changed_are_read_again(
    folder: Path, ask: Callable[[], list[str]], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = (folder / "a").stat().st_ctime_ns
    newest = max((folder / name).stat().st_ctime_ns for name in "abc")
    os.utime(folder / "b", ns=(newest + HOUR_NS, newest + HOUR_NS))  # a time in the future
    monkeypatch.setattr(hash_cache.time, "time_ns", lambda: changed + 2 * 10**9)
    assert ask() == ["a", "b", "c"]
    assert ask() == ["a", "b", "c"]
    assert not cache.exists()
    monkeypatch.setattr(hash_cache.time, "time_ns", lambda: newest + 2 * 10**9 + 1)
    assert ask() == ["a", "b", "c"]
    assert ask() == ["b"]


@pytest.mark.usefixtures("later")
def test_the_cache_is_written_only_if_something_changed(
    folder: Path, ask: Callable[[], list[str]], cache: Path
) -> None:
    ask()
    first = cache.stat()
    ask()
    assert (cache.stat().st_ino, cache.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    (folder / "a").write_text("other")
    ask()
    assert cache.stat().st_ino != first.st_ino


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"[]", b"7", b'{"sha256": "", "files": {}}', b'{"files": 3}', b"\xff", b"[" * 99_999, None]
)
def test_a_damaged_or_foreign_cache_is_ignored_and_rewritten(
    folder: Path, ask: Callable[[], list[str]], cache: Path, damaged: bytes | None
) -> None:
    ask()
    whole = cache.read_bytes()
    if damaged is None:  # a whole file but for a digit of a hash, which would pass for another content
        stored = json.loads(whole)
        entry = stored["files"][str(folder / "a")]
        entry[-1] = entry[-1][::-1]
        damaged = json.dumps(stored).encode()
    cache.write_bytes(damaged)
    assert ask() == ["a", "b", "c"]
    assert cache.read_bytes() == whole


@pytest.mark.usefixtures("later")
def test_a_cache_that_cannot_be_written_is_done_without(
    folder: Path, cache: Path, ask: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir()  # no file can take its place
    assert ask() == ask() == ["a", "b", "c"]
    assert list(cache.parent.iterdir()) == [cache]
    cache.rmdir()
    cache.parent.rmdir()
    assert ask() == ["a", "b", "c"]
    assert not cache.parent.exists()
    cache.parent.mkdir()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert ask() == ["a", "b", "c"]
    assert list(cache.parent.iterdir()) == []


@pytest.mark.usefixtures("later")
def test_a_cache_on_a_read_only_or_full_disk_is_done_without(folder: Path, tmp_path: Path, read: list[str]) -> None:
    for name, options in (("read-only", "ro,size=64k"), ("full", "size=64k,nr_inodes=1")):
        with small_disk(tmp_path / name, options) as disk:
            read.clear()
            assert contents_of([folder], disk / "cache.json") == contents_of([folder])
            assert sorted({*read}) == ["a", "b", "c"]
            assert list(disk.iterdir()) == []
