"""Checkpoints: plain dictionaries of tensors and numbers, written atomically, read without running code."""

from pathlib import Path
from typing import Any

import torch

from diffbench.conventions import DiffbenchError
from diffbench.files.store import REBUILD, atomic

FIELDS = {"step", "settings", "weights", "ema", "optimizer"}


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write step, settings, raw weights, EMA weights and optimizer state."""
    # Through an open file: torch writes a path's name into the archive, and equal states give equal bytes.
    with atomic(path) as temporary, temporary.open("wb") as file:
        torch.save(state, file)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU. DiffbenchError if it is missing, truncated or foreign."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DiffbenchError(f"{path}: no such checkpoint; run snakemake to make it") from None
    except Exception as error:
        raise DiffbenchError(f"{path}: truncated or not a checkpoint ({type(error).__name__}); {REBUILD}") from None
    if not isinstance(state, dict) or set(state) != FIELDS:
        raise DiffbenchError(f"{path}: not a checkpoint of diffbench; {REBUILD}")
    return state
