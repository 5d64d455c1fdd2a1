"""Small data files in their real formats, for the tests of data sets."""

import gzip
import struct
import tarfile
from pathlib import Path

import numpy as np

from diffbench.data.formats import own_images
from diffbench.data.formats.cifar import Layout
from diffbench.data.formats.idx import FILES
from diffbench.data.formats.own_images import Asked, Blames
from diffbench.data.raw_images import RawImages


def load_own(
    path: Path, images: str | None = None, labels: str | None = None, layout: own_images.Layout | None = None
) -> RawImages:
    """A user's own images as data.path of a study."""
    return own_images.load(path, Asked(images, layout), labels, Blames.of_key("path"))


def idx_bytes(values: np.ndarray) -> bytes:
    """An array of unsigned bytes in the IDX format."""
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_idx_set(folder: Path, compressed: bool = True, side: int = 28) -> tuple[np.ndarray, np.ndarray]:
    """60 training and 20 test images, stored like MNIST. Returns images (80, side, side) and labels (80,)."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (80, side, side)).astype(np.uint8)
    labels = (np.arange(80) % 10).astype(np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in zip(FILES, (images[:60], labels[:60], images[60:], labels[60:]), strict=True):
        content = idx_bytes(values)
        path = folder / (f"{name}.gz" if compressed else name)
        path.write_bytes(gzip.compress(content) if compressed else content)
    return images, labels


def write_cifar(folder: Path, layout: Layout, per_file: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """The .bin files of a CIFAR set. Returns images (n, 3, 32, 32) and labels (n, label bytes) in order."""
    rng = np.random.default_rng(0)
    count = per_file * len(layout.files)
    images = rng.integers(0, 256, (count, 3, 32, 32)).astype(np.uint8)
    fine = np.arange(count) % layout.label_sizes[-1]
    # Superclasses are interleaved, as they are in the real set: the fine labels are sorted by name.
    labels = np.stack([*([fine % 20] if len(layout.label_sizes) == 2 else []), fine], axis=1).astype(np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    records = np.concatenate([labels, images.reshape(count, -1)], axis=1)
    for index, name in enumerate(layout.files):
        (folder / name).write_bytes(records[index * per_file : (index + 1) * per_file].tobytes())
    return images, labels


def write_tar(archive: Path, folder: Path, inside: str) -> None:
    """Pack the files of a folder as `inside`/NAME into a .tar.gz, in reverse order."""
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted(folder.iterdir(), reverse=True):
            tar.add(path, f"{inside}/{path.name}")
