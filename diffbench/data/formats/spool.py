"""Arrays that are too large for memory and do not lie on disk as they are needed: copies in a temporary file."""

import math
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.files.output import LostWriteError, Output, needed_bytes, unwritable

REMEDY = "set TMPDIR to a folder on a larger disk"


def spooled(shape: tuple[int, ...], dtype: np.dtype, parts: Iterable[np.ndarray]) -> np.ndarray:
    """An array of rows that arrive in `parts`, mapped from a temporary file, which goes with the array.

    DiffbenchError if the disk is full.
    """
    try:
        with _temporary_file() as unnamed, Output(os.dup(unnamed.fileno())) as file:
            for part in parts:
                file.write(np.ascontiguousarray(part, dtype).data)
                file.check()
            return np.memmap(file, dtype, mode="r", shape=shape)
    except LostWriteError as error:
        needed = needed_bytes(math.prod(shape) * dtype.itemsize)
        raise unwritable(Path(tempfile.gettempdir()), error, needed, REMEDY) from None


def _temporary_file() -> IO[bytes]:
    """A file without a name. DiffbenchError if no folder takes one, as where all disks are full."""
    try:
        return tempfile.TemporaryFile(prefix="diffbench-")
    except OSError as error:
        raise DiffbenchError(f"temporary files: {error.strerror}; {REMEDY}") from None
