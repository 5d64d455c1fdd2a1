"""Arrays that are too large for memory and do not lie on disk as they are needed: copies in a temporary file."""

import math
import tempfile
from collections.abc import Iterable

import numpy as np

from diffbench.conventions import DiffbenchError


def spooled(shape: tuple[int, ...], dtype: np.dtype, parts: Iterable[np.ndarray]) -> np.ndarray:
    """An array of rows that arrive in `parts`, mapped from a temporary file, which goes with the array.

    DiffbenchError if the disk is full.
    """
    with tempfile.TemporaryFile(prefix="diffbench-") as file:
        try:
            for part in parts:
                file.write(np.ascontiguousarray(part, dtype).data)
            file.flush()
        except OSError as error:
            size = math.prod(shape) * dtype.itemsize / 2**20
            raise DiffbenchError(
                f"{tempfile.gettempdir()}: no place for a temporary copy of {size:.0f} MB ({error.strerror});"
                " set TMPDIR to a folder on a larger disk"
            ) from None
        return np.memmap(file, dtype, mode="r", shape=shape)
