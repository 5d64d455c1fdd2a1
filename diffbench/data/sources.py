"""Loading of image sets by name. A source yields raw images, as they are stored, and classes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.data import catalog


@dataclass(frozen=True)
class RawImages:
    """Images (n, *shape) of any numeric type, and classes (n,) int64; all 0 where there are none."""

    images: NDArray[Any]
    classes: NDArray[np.int64]


def _digits() -> RawImages:
    """Optical recognition of handwritten digits: 1,797 images of 1x8x8, values 0..16; shipped with scikit-learn."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    return RawImages(bunch.images[:, None].astype(np.uint8), bunch.target.astype(np.int64))


SOURCES: dict[str, Callable[[], RawImages]] = {
    "digits": _digits,
}


def load(name: str) -> RawImages:
    """Load a data set; exact duplicates are removed, the first of each kept. DiffbenchError on an unknown name."""
    catalog.entry(name)
    raw = SOURCES[name]()
    flat = np.ascontiguousarray(raw.images.reshape(len(raw.images), -1))
    first = np.sort(np.unique(flat, axis=0, return_index=True)[1])
    return RawImages(raw.images[first], raw.classes[first])
