"""Checkpoints: plain dictionaries of tensors and numbers, written atomically, read without running code."""

from collections.abc import Set
from pathlib import Path
from typing import IO, Any, cast

from diffbench.conventions import DiffbenchError
from diffbench.files.faults import REBUILD, StaleFileError
from diffbench.files.output import written
from diffbench.files.sealed import opened, seal

MEASURED = frozenset({"step", "settings", "ema"})
"""Of a milestone's checkpoint: what is measured of it, and what it is."""
RESUMED = MEASURED | {"weights", "optimizer", "seconds"}
"""Of a run's state: all that further training depends on, and the seconds that training took so far."""


def write_checkpoint(path: Path, state: dict[str, Any], fingerprint: str = "") -> None:
    """Write a state; fingerprint: of the spec that made it. UnwritableError if it cannot be written."""
    import torch

    # Through an open file: torch writes a path's name into the archive, and equal states give equal bytes.
    with written(path) as file:
        torch.save(state, file)
        seal(file, fingerprint)


def read_checkpoint(path: Path, made_by: str | None = None, fields: Set[str] = MEASURED) -> dict[str, Any]:
    """Read a checkpoint to the CPU. made_by: fingerprint of the spec that must have made it, if that is known.

    It must hold `fields`, and may hold more: those of earlier versions hold weights and optimizer too.
    BrokenFileError if it is damaged; StaleFileError if another spec made it, or it is none of diffbench's;
    DiffbenchError if it is missing or cannot be read.
    """
    import torch

    with opened(path, made_by) as content:
        content.compare_all()
        try:
            state = torch.load(cast(IO[bytes], content), map_location="cpu", weights_only=True)
        except Exception as error:
            # Whole by its seal, so no damage: what is no checkpoint at all, or memory that ran out.
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise DiffbenchError(f"{path}: cannot be read as a checkpoint ({reason}); {REBUILD}") from None
    if not isinstance(state, dict) or not fields <= set(state):
        raise StaleFileError(path, f"not a checkpoint of diffbench; {REBUILD}")
    return state
