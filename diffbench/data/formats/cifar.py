"""The binary versions of CIFAR-10 and CIFAR-100: .bin files in a folder or in the .tar.gz as distributed.

A record is one label byte (CIFAR-10) or a coarse and a fine one (CIFAR-100), then 3 x 32 x 32 bytes, channel by channel
(Krizhevsky 2009, "Learning multiple layers of features from tiny images").
"""

import gzip
import tarfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffbench.data.raw_images import RawImages, mistake

SHAPE = (3, 32, 32)
PIXELS = 3072


class Layout(NamedTuple):
    """How one of the two data sets is stored."""

    files: tuple[str, ...]
    folder: str
    """Name of the folder inside the archive."""
    label_sizes: tuple[int, ...]
    """Number of values of each label byte of a record; the last one is the class."""


CIFAR10 = Layout((*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"), "cifar-10-batches-bin", (10,))
CIFAR100 = Layout(("train.bin", "test.bin"), "cifar-100-binary", (20, 100))


def load(path: Path, layout: Layout) -> RawImages:
    """All images (n, 3, 32, 32) of a folder or an archive, training files first, and their classes.

    The classes of CIFAR-100 are ordered by superclass, so that groups-20 yields the 20 superclasses.
    """
    files = _archived(path, layout) if path.is_file() else _in_folder(path, layout)
    size = PIXELS + len(layout.label_sizes)
    for name, content in files.items():
        check_size(path, name, len(content), layout)
    records = np.concatenate([np.frombuffer(files[name], np.uint8).reshape(-1, size) for name in layout.files])
    labels = records[:, : len(layout.label_sizes)].astype(np.int64)
    if (labels.max(axis=0) >= layout.label_sizes).any():
        raise mistake("path", f"{path}: has labels {labels.max(axis=0)} beyond {layout.label_sizes}; get it again")
    images = records[:, len(layout.label_sizes) :].reshape(-1, *SHAPE)
    return RawImages(images, _ordered(labels), layout.label_sizes[-1])


def record_count(folder: Path, layout: Layout) -> int:
    """Number of images in a folder of .bin files, from their sizes."""
    folder = _folder(folder, layout)
    for name in layout.files:
        check_size(folder, name, (folder / name).stat().st_size, layout)
    return sum((folder / name).stat().st_size for name in layout.files) // (PIXELS + len(layout.label_sizes))


def check_size(path: Path, name: str, size: int, layout: Layout) -> None:
    """Refuse a file that does not hold whole records."""
    record = PIXELS + len(layout.label_sizes)
    if size == 0 or size % record:
        raise mistake(
            "path",
            f"{path}: {name} has {size} bytes, which is no number of {record}-byte records; get it again",
        )


def _ordered(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Class numbers such that classes of one superclass follow each other; CIFAR-10 has no superclasses."""
    if labels.shape[1] == 1:
        return labels[:, 0]
    superclass, fine = labels.T
    pairs = np.unique(superclass * 100 + fine)
    if len(np.unique(pairs % 100)) < len(pairs):
        raise mistake("path", "a fine label of CIFAR-100 stands under two coarse ones; get the file again")
    rank = np.full(100, -1)
    rank[pairs % 100] = np.arange(len(pairs))
    return rank[fine]


def _folder(path: Path, layout: Layout) -> Path:
    """The folder with the .bin files: `path` or the archive's folder in it."""
    for folder in (path, path / layout.folder):
        if all((folder / name).is_file() for name in layout.files):
            return folder
    raise mistake("path", f"{path}: not an archive or a folder that holds {', '.join(layout.files)}")


def _in_folder(path: Path, layout: Layout) -> dict[str, bytes]:
    folder = _folder(path, layout)
    return {name: (folder / name).read_bytes() for name in layout.files}


def _archived(path: Path, layout: Layout) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    try:
        with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                name = Path(member.name).name
                content = archive.extractfile(member) if name in layout.files else None
                if content:
                    files[name] = content.read()
            # To the end, where the checksum is compared: tarfile stops at what it takes for it.
            while stream.read(2**20):
                pass
    except (OSError, EOFError, KeyError, tarfile.TarError, zlib.error) as error:
        raise mistake("path", f"{path}: not a whole .tar.gz ({error}); get the file again") from None
    if missing := [name for name in layout.files if name not in files]:
        raise mistake("path", f"{path}: lacks {', '.join(missing)}; give the binary version of the data set")
    return files
