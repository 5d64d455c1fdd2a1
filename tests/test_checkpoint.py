"""Checkpoints survive what happens to files: a reader gets the state that was written, or one clear error."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from diffbench.conventions import DiffbenchError
from diffbench.files.checkpoint import RESUMED, read_checkpoint, write_checkpoint
from diffbench.files.faults import StaleFileError
from diffbench.files.sealed import fingerprint_at
from tests.hostile import sealed


def state() -> dict[str, Any]:
    weights = {"layer.weight": torch.arange(6.0).view(2, 3)}
    optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    return {"step": 3, "settings": "{}", "weights": weights, "ema": weights, "optimizer": optimizer}


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "checkpoint.pt"
    write_checkpoint(path, state())
    read = read_checkpoint(path)
    assert read["step"] == 3
    assert torch.equal(read["ema"]["layer.weight"], state()["ema"]["layer.weight"])
    assert read["optimizer"] == state()["optimizer"]  # as those of earlier versions hold
    assert os.listdir(path.parent) == ["checkpoint.pt"]


def test_a_checkpoint_is_no_state_to_train_from(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, {name: state()[name] for name in ("step", "settings", "ema")})
    assert read_checkpoint(path)["step"] == 3
    with pytest.raises(StaleFileError, match="not a checkpoint of diffbench"):
        read_checkpoint(path, fields=RESUMED)


def test_equal_states_give_equal_bytes_whatever_the_path(tmp_path: Path) -> None:
    for name in ("a.pt", "another_name.pt"):
        write_checkpoint(tmp_path / name, state())
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "another_name.pt").read_bytes()


def test_a_failed_write_leaves_the_file_before(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, state())
    before = path.read_bytes()
    with pytest.raises((AttributeError, pickle.PicklingError)):
        write_checkpoint(path, state() | {"settings": lambda: None})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["checkpoint.pt"]


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("evil",))


def spoil_truncated(path: Path) -> None:
    write_checkpoint(path, state())
    path.write_bytes(path.read_bytes()[:-100])


def spoil_foreign(path: Path) -> None:
    torch.save({"model": torch.zeros(2)}, path)
    sealed(path)


def spoil_evil(path: Path) -> None:
    torch.save(state() | {"weights": Evil()}, path)
    sealed(path)


def spoil_hello(path: Path) -> None:
    path.write_bytes(b"Hello" * 100)
    sealed(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: None, "no such file; run snakemake"),
        (spoil_truncated, "truncated, or .*; run snakemake to make it anew"),
        (lambda path: path.write_bytes(b""), "truncated, or .*; run snakemake to make it anew"),
        (lambda path: path.write_bytes(b"Hello" * 100), "truncated, or .*; run snakemake to make it anew"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        (spoil_hello, "cannot be read as a checkpoint .*; run snakemake to make it anew"),
        (spoil_evil, "cannot be read as a checkpoint .*; run snakemake to make it anew"),
        (spoil_foreign, "not a checkpoint of diffbench; run snakemake to make it anew"),
    ],
)
def test_what_is_not_a_checkpoint(spoil: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "checkpoint.pt"
    spoil(path)
    with pytest.raises(DiffbenchError, match=message) as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "evil").exists()


def test_the_fingerprint_of_the_spec_is_told_by_the_last_bytes_and_compared(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, state(), "0123456789abcdef")
    assert fingerprint_at(path) == "0123456789abcdef"
    assert read_checkpoint(path, "0123456789abcdef")["step"] == 3
    with pytest.raises(StaleFileError, match="made with other settings, factors or inputs"):
        read_checkpoint(path, "fedcba9876543210")


def test_torch_and_zip_read_a_checkpoint_as_it_lies(tmp_path: Path) -> None:
    """Oracles: the seal is a comment to every other reader."""
    write_checkpoint(tmp_path / "checkpoint.pt", state(), "0123456789abcdef")
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 3
    with zipfile.ZipFile(tmp_path / "checkpoint.pt") as archive:
        assert archive.testzip() is None
        assert b"diffbench:0123456789abcdef" in archive.comment
