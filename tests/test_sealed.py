"""A seal tells every change of a file's content, before a library has read it."""

import hashlib
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffbench.conventions import DiffbenchError
from diffbench.files import sealed, store
from diffbench.files.checkpoint import read_checkpoint, write_checkpoint
from diffbench.files.faults import BrokenFileError, StaleFileError
from diffbench.files.sealed import check, fingerprint_at, opened, seal

SPEC, OTHER = "0123456789abcdef", "fedcba9876543210"


def write(path: Path, content: bytes, fingerprint: str = SPEC) -> None:
    with path.open("w+b") as file:
        file.write(content)
        seal(file, fingerprint)


def content_of(path: Path) -> bytes:
    with opened(path) as file:
        return file.read()


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "BLOCK", 64)
    monkeypatch.setattr(sealed, "MOST_BLOCKS", 10)


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 640, 641, 5000])
def test_content_comes_back_whatever_its_length(length: int, small_blocks: None, tmp_path: Path) -> None:
    content = np.random.default_rng(length).bytes(length)
    write(tmp_path / "file", content)
    assert content_of(tmp_path / "file") == content
    assert (tmp_path / "file").read_bytes()[:length] == content
    assert fingerprint_at(tmp_path / "file") == SPEC
    assert (tmp_path / "file").stat().st_size - length <= 10 * sealed.DIGEST + sealed.FOOTER


def test_digests_are_those_of_sha_256(tmp_path: Path) -> None:
    write(tmp_path / "file", b"some content")
    seal_of_file = (tmp_path / "file").read_bytes()[12:].decode()
    assert seal_of_file.startswith(hashlib.sha256(b"some content").hexdigest()[:32] + "diffbench:")
    assert hashlib.sha256(seal_of_file[:-32].encode()).hexdigest()[:32] == seal_of_file[-32:]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), length=st.integers(1, 700))
def test_a_file_is_read_like_any_other(
    data: st.DataObject, length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Oracle: a buffer in memory."""
    path = tmp_path_factory.mktemp("read") / "file"
    content = np.random.default_rng(length).bytes(length)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealed, "BLOCK", 32)
        write(path, content)
    oracle = io.BytesIO(content)
    with opened(path) as file:
        for _ in range(5):
            offset, count = data.draw(st.integers(0, length + 40)), data.draw(st.integers(0, length + 40))
            assert file.seek(offset) == oracle.seek(offset)
            assert file.read(count) == oracle.read(count)
            assert file.tell() == oracle.tell()
        assert file.seek(-min(5, length), 2) == oracle.seek(-min(5, length), 2)
        assert file.read() == oracle.read()


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_of_the_whole_file_is_named(bit: int, small_blocks: None, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, np.random.default_rng(0).bytes(200))
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        with pytest.raises(BrokenFileError, match=r"file: (damaged|truncated)"):
            content_of(path)
        with pytest.raises(BrokenFileError):
            check(path, SPEC)


def test_every_other_length_is_named(small_blocks: None, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, np.random.default_rng(0).bytes(200))
    whole = path.read_bytes()
    for other in (*(whole[:length] for length in range(len(whole))), whole + b"x", whole[1:], whole + whole):
        path.write_bytes(other)
        with pytest.raises(BrokenFileError):
            content_of(path)


def test_only_blocks_that_are_read_are_compared_and_each_is(small_blocks: None, tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = bytearray(np.random.default_rng(0).bytes(256))
    write(path, bytes(content))
    with path.open("r+b") as file:
        file.seek(130)
        file.write(bytes([content[130] ^ 1]))
    with opened(path) as file:
        assert file.read(128) == content[:128]
        file.seek(192)
        assert file.read() == content[192:]
    seen: list[bytes] = []

    def read_on() -> None:
        with opened(path) as file:
            for start in (128, 192):
                file.seek(start)
                seen.append(file.read(64))

    with pytest.raises(BrokenFileError):
        read_on()
    assert seen == [bytes(64)] * 2  # no library sees what is damaged, nor anything after it


@pytest.mark.parametrize("position", [100, 3000, 5_000_000])
def test_a_process_that_has_met_damage_ends_as_any_other(tmp_path: Path, position: int) -> None:
    """HDF5 used to crash it when it ended."""
    path = tmp_path / "file.h5"
    values = np.random.default_rng(0).random((200_000, 4))
    store.write(path, "sample", {"samples": store.Variable(values, ("n", "axis"), "samples")}, {})
    with path.open("r+b") as file:
        file.seek(position)
        (byte,) = file.read(1)
        file.seek(position)
        file.write(bytes([byte ^ 1]))
    program = f"""
from pathlib import Path
from diffbench.files import store
from diffbench.files.faults import BrokenFileError
for read in (store.read, lambda *of: store.header(*of)["samples"][:]):
    try:
        read(Path({str(path)!r}), "sample")
    except BrokenFileError:
        print("named")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "named\nnamed\n"), done.stderr


def test_whose_file_it_is(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, b"content")
    check(path, SPEC)
    with pytest.raises(StaleFileError):
        check(path, OTHER)
    with pytest.raises(StaleFileError, match="run snakemake"), opened(path, OTHER):
        pass
    write(path, b"content", fingerprint="")
    with pytest.raises(StaleFileError), opened(path, SPEC):
        pass
    with pytest.raises(DiffbenchError, match="no such file"):
        check(tmp_path / "none", SPEC)
    assert fingerprint_at(tmp_path / "none") is None
    assert fingerprint_at(tmp_path) is None
    path.write_bytes(b"x" * 500)
    assert fingerprint_at(path) is None


def test_what_cannot_be_read_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("folder", "loop", "none"):
        with pytest.raises(DiffbenchError, match=name) as caught, opened(tmp_path / name):
            pass
        assert not isinstance(caught.value, BrokenFileError | StaleFileError)


def check_flips(path: Path, read: Callable[[Path], object], flips: int) -> None:
    """Each of so many random flips of one bit is named when the file is read."""
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    for place in rng.integers(0, len(whole), flips):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << rng.integers(8)]) + whole[place + 1 :])
        with pytest.raises(BrokenFileError, match=r"(damaged|truncated).*; run snakemake to make it anew"):
            read(path)
    path.write_bytes(whole)


def test_no_flip_in_a_stage_file_or_checkpoint_is_silent(tmp_path: Path) -> None:
    """Strings of any length included, on whose damaged heaps HDF5 itself would loop."""
    texts = np.array([f"reason {index}" for index in range(400)])
    variables = {
        "sigma": store.Variable(np.linspace(0, 1, 400), ("sigma",), "noise level"),
        "reason": store.Variable(texts, ("sigma",), "why undefined"),
    }
    store.write(tmp_path / "file.h5", "denoise", variables, {}, SPEC)
    weights = {"weight": torch.arange(300.0)}
    state = {"step": 1, "settings": "", "weights": weights, "ema": weights, "optimizer": {}}
    write_checkpoint(tmp_path / "checkpoint.pt", state, SPEC)
    check_flips(tmp_path / "file.h5", lambda path: store.read(path, "denoise"), 300)
    check_flips(tmp_path / "checkpoint.pt", read_checkpoint, 300)
    with h5py.File(tmp_path / "file.h5") as file:  # oracle: plain HDF5 reads it, seal or not
        sigma = file["sigma"]
        assert isinstance(sigma, h5py.Dataset)
        np.testing.assert_array_equal(sigma[()], variables["sigma"].values)
