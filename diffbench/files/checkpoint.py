"""Checkpoints: plain dictionaries of tensors and numbers, written atomically, read without running code.

At its end, as the comment of its zip archive, a checkpoint has the fingerprint of the spec that made it: the workflow
reads that of thousands without torch.
"""

import zipfile
from pathlib import Path
from typing import Any

from diffbench.conventions import DiffbenchError
from diffbench.files.output import written
from diffbench.files.store import REBUILD

MARK = b"diffbench:"
FINGERPRINT_DIGITS = 16

FIELDS = {"step", "settings", "weights", "ema", "optimizer"}


def write_checkpoint(path: Path, state: dict[str, Any], fingerprint: str = "") -> None:
    """Write step, settings, raw weights, EMA weights and optimizer state; fingerprint: of the spec that made them.

    UnwritableError if it cannot be written.
    """
    import torch

    # Through an open file: torch writes a path's name into the archive, and equal states give equal bytes.
    with written(path) as file:
        torch.save(state, file)
        if fingerprint:
            with zipfile.ZipFile(file, "a") as archive:
                archive.comment = MARK + fingerprint.encode()


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU. DiffbenchError if it is missing, truncated or foreign."""
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DiffbenchError(f"{path}: no such checkpoint; run snakemake to make it") from None
    except Exception as error:
        raise DiffbenchError(f"{path}: truncated or not a checkpoint ({type(error).__name__}); {REBUILD}") from None
    if not isinstance(state, dict) or set(state) != FIELDS:
        raise DiffbenchError(f"{path}: not a checkpoint of diffbench; {REBUILD}")
    return state


def checkpoint_fingerprint(path: Path) -> str | None:
    """Fingerprint of the spec that made a checkpoint, from its last bytes; None if it has none, or is missing."""
    try:
        with path.open("rb") as file:
            file.seek(-len(MARK) - FINGERPRINT_DIGITS, 2)
            end = file.read()
    except OSError:
        return None
    return end.removeprefix(MARK).decode("ascii", "replace") if end.startswith(MARK) else None
