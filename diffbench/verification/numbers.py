"""Two files that one spec made: do they hold the same numbers?"""

from pathlib import Path

import numpy as np

from diffbench.files import store
from diffbench.files.sealed import identity_of
from diffbench.files.store import StoredArray
from diffbench.study import layout
from diffbench.study.layout import Kind

BLOCK_BYTES = 2**24
"""Of an array, that are compared at once."""


def same_bytes(first: Path, second: Path) -> bool:
    """Whether two whole files have the same content, by their seals."""
    one, other = identity_of(first), identity_of(second)
    return one is not None and other is not None and one.seal == other.seal


def differences(first: Path, second: Path, kind: Kind) -> list[str]:
    """What of their numbers is not the same of two whole files: names of arrays; of checkpoints all or nothing.

    Files that were made twice differ in any case in the seconds and the machine that they name; these are no numbers.
    """
    if kind is layout.CHECKPOINT:
        return [] if same_bytes(first, second) else ["weights"]
    one, other = (store.header(path, kind.stage).arrays for path in (first, second))
    return [name for name in sorted({*one, *other}) if not _same(one.get(name), other.get(name))]


def _same(one: StoredArray | None, other: StoredArray | None) -> bool:
    """Bit for bit, so that nan equals nan."""
    if one is None or other is None or (one.shape, one.dtype) != (other.shape, other.dtype):
        return False
    if not one.shape:
        return _alike(one[()], other[()])
    rows = max(1, BLOCK_BYTES // max(1, int(np.prod(one.shape[1:])) * one.dtype.itemsize))
    blocks = (slice(start, start + rows) for start in range(0, len(one), rows))
    return all(_alike(one[block], other[block]) for block in blocks)


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    if one.dtype.kind == "O":  # text
        return bool(np.array_equal(one, other))
    return one.tobytes() == other.tobytes()
