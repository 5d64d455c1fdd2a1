"""Checkpoints survive what happens to files: a reader gets the state that was written, or one clear error."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from diffbench.conventions import DiffbenchError
from diffbench.files.checkpoint import checkpoint_fingerprint, read_checkpoint, write_checkpoint


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
    assert read["optimizer"] == state()["optimizer"]
    assert os.listdir(path.parent) == ["checkpoint.pt"]


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


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: None, "no such checkpoint; run snakemake"),
        (spoil_truncated, "truncated or not a checkpoint .*; delete it"),
        (lambda path: path.write_bytes(b""), "truncated or not a checkpoint .*; delete it"),
        (lambda path: path.write_bytes(b"Hello" * 100), "truncated or not a checkpoint .*; delete it"),
        (lambda path: torch.save(state() | {"weights": Evil()}, path), "truncated or not a checkpoint .*; delete it"),
        (spoil_foreign, "not a checkpoint of diffbench; delete it"),
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


def test_the_fingerprint_of_the_spec_is_told_by_the_last_bytes(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, state(), "0123456789abcdef")
    assert checkpoint_fingerprint(path) == "0123456789abcdef"
    assert read_checkpoint(path)["step"] == 3
    flipped = bytearray(path.read_bytes())
    flipped[-1] |= 0x80
    path.write_bytes(flipped)
    assert checkpoint_fingerprint(path) not in ("0123456789abcdef", None)
    path.write_bytes(bytes(flipped[:-40]))
    assert checkpoint_fingerprint(path) is None
    assert checkpoint_fingerprint(tmp_path / "none.pt") is None
    write_checkpoint(path, state())
    assert checkpoint_fingerprint(path) is None
