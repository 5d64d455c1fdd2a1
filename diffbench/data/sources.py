"""All data sets by name. A source says which keys it takes, what is known of it at once, and how it is split.

To add one, write its reader in a file of its own and a line in SOURCES.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import DiffbenchError
from diffbench.data import points, subsets
from diffbench.data.formats import arrays, cifar, download, folder, idx
from diffbench.data.formats.download import Download, fetch
from diffbench.data.held_out import check_classes, given_split, renumbered
from diffbench.data.raw_images import Facts, RawImages, balanced_count, mistake, without_duplicates
from diffbench.data.resize import check_side, reduced
from diffbench.data.subsets import Split
from diffbench.settings.data import DataSettings

OPTIONAL_KEYS = ("path", "images", "labels", "resize", "held_out", "points", "noise")
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts its files."""


class Source(NamedTuple):
    """A data set that a study can name."""

    keys: tuple[str, ...]
    """The optional keys of the data section that it takes."""
    facts: Callable[[DataSettings], Facts]
    """Its size, found cheaply: files are opened, images not read. DiffbenchError for what cannot be used."""
    split: Callable[[DataSettings], Split]
    """The images, read and split."""


def source(spec: DataSettings) -> Source:
    """The source that `spec` names. DiffbenchError if there is none or it does not take a given key."""
    if spec.name not in SOURCES:
        raise mistake("name", f"unknown data set '{spec.name}', known are {', '.join(sorted(SOURCES))}")
    found = SOURCES[spec.name]
    for key in OPTIONAL_KEYS:
        if getattr(spec, key) is not None and key not in found.keys:
            takers = sorted(name for name, other in SOURCES.items() if key in other.keys)
            raise mistake(key, f"'{spec.name}' does not take it, only {', '.join(takers)} do; leave it out")
    return found


def _image_set(
    keys: tuple[str, ...],
    measure: Callable[[DataSettings], tuple[int, int, tuple[int, ...]]],
    load: Callable[[DataSettings], RawImages],
    listed: Callable[[DataSettings], tuple[int, list[str]]] | None = None,
) -> Source:
    """A source of images. `measure` tells class-balanced count, number of classes and an image's shape.

    `listed` tells the number of images and the names of classes, for sets that take held-out images.
    """

    def images(spec: DataSettings) -> RawImages:
        raw = load(spec)
        return raw if spec.resize is None else RawImages(reduced(raw.images, spec.resize), raw.classes, raw.class_count)

    def facts(spec: DataSettings) -> Facts:
        balanced, classes, stored = measure(spec)
        shape = stored
        if spec.resize is not None:
            check_side(stored, spec.resize)
            shape = (stored[0], spec.resize, spec.resize)
        if listed and spec.held_out is not None:
            count, names = listed(spec)
            with _blaming_held_out(spec) as held_out:
                _check_held_out(listed(held_out), names, measure(held_out)[2], stored)
            return Facts(count, classes, shape)
        if balanced - spec.validation < 2:
            raise mistake(
                "validation",
                f"{spec.validation} leaves no training pool among {balanced} class-balanced images of '{spec.name}'",
            )
        return Facts(balanced - spec.validation, classes, shape)

    def split(spec: DataSettings) -> Split:
        if listed and spec.held_out is not None:
            facts(spec)  # refuses held-out images that are not like the others
            with _blaming_held_out(spec) as other:
                held_out = renumbered(images(other), listed(other)[1], listed(spec)[1])
            return given_split(images(spec), held_out, spec.validation, spec.split_seed)
        return subsets.split(without_duplicates(images(spec)), spec.validation, spec.split_seed)

    return Source(keys, facts, split)


@contextmanager
def _blaming_held_out(spec: DataSettings) -> Iterator[DataSettings]:
    """The spec of the held-out images alone; errors that concern their path name the key held_out."""
    try:
        yield spec.model_copy(update={"path": spec.held_out, "held_out": None})
    except DiffbenchError as error:
        raise DiffbenchError(str(error).replace("key 'data.path'", "key 'data.held_out'")) from None


def _check_held_out(
    found: tuple[int, list[str]], pool_names: list[str], shape: tuple[int, ...], pool_shape: tuple[int, ...]
) -> None:
    if shape != pool_shape:
        raise mistake("held_out", f"its images have shape {shape}, the training images {pool_shape}; make all alike")
    check_classes(found[1], pool_names)


def _sizes(labels: NDArray[Any]) -> NDArray[np.int64]:
    return np.unique(labels, return_counts=True)[1]


def _path(spec: DataSettings) -> Path:
    if spec.path is None:
        raise mistake("path", f"'{spec.name}' needs the path of its images")
    return Path(spec.path)


def _digits(_: DataSettings) -> RawImages:
    """Handwritten digits: 1,797 images of 1x8x8, values 0..16; shipped with scikit-learn."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    return RawImages(bunch.images[:, None].astype(np.uint8), bunch.target.astype(np.int64), 10)


def _idx_set(name: str, remote: Download, balanced: int, installed: Path | None = None) -> Source:
    """MNIST or a relative: from data.path, from where a package installed it, or fetched."""

    def on_disk(spec: DataSettings) -> Path | None:
        return Path(spec.path) if spec.path else installed if installed and installed.is_dir() else None

    def measure(spec: DataSettings) -> tuple[int, int, tuple[int, ...]]:
        if not (place := on_disk(spec)):
            return balanced, idx.CLASSES, (1, 28, 28)
        sizes = _sizes(idx.class_labels(place))
        return balanced_count(sizes), idx.CLASSES, (1, *idx.shape(idx.find(place)[0])[1:])

    return _image_set(("path", "resize"), measure, lambda spec: idx.load(on_disk(spec) or fetch(name, remote)))


def _cifar_set(name: str, remote: Download, layout: cifar.Layout) -> Source:
    """CIFAR-10 or CIFAR-100: from data.path or fetched."""

    def measure(spec: DataSettings) -> tuple[int, int, tuple[int, ...]]:
        count = 60_000
        if spec.path and not Path(spec.path).is_file():
            count = min(count, cifar.record_count(Path(spec.path), layout))
        return count, layout.label_sizes[-1], cifar.SHAPE

    def load(spec: DataSettings) -> RawImages:
        archive = Path(spec.path) if spec.path else fetch(name, remote) / next(iter(remote.sha256))
        return cifar.load(archive, layout)

    return _image_set(("path", "resize"), measure, load)


def _measure_file(spec: DataSettings) -> tuple[int, int, tuple[int, ...]]:
    path = _path(spec)
    with arrays.opened(path) as found:
        count, *shape = arrays.image_shape(path, found, spec.images)
        if spec.labels is None:
            return count, 0, tuple(shape)
        sizes = _sizes(arrays.read_labels(path, found, spec.labels, count))
    return balanced_count(sizes), len(sizes), tuple(shape)


def _list_file(spec: DataSettings) -> tuple[int, list[str]]:
    path = _path(spec)
    with arrays.opened(path) as found:
        count = arrays.image_shape(path, found, spec.images)[0]
        labels = () if spec.labels is None else np.unique(arrays.read_labels(path, found, spec.labels, count))
    return count, [str(label) for label in labels]


def _list_folder(spec: DataSettings) -> tuple[int, list[str]]:
    files, names = folder.listed(_path(spec))
    return len(files), names


def _measure_folder(spec: DataSettings) -> tuple[int, int, tuple[int, ...]]:
    files, names = folder.listed(_path(spec))
    sizes = _sizes(np.array([path.parent.name for path in files]))
    return balanced_count(sizes), len(names), folder.image_shape(files[0])


SOURCES: dict[str, Source] = {
    "digits": _image_set(("resize",), lambda _: (1740, 10, (1, 8, 8)), _digits),
    "mnist": _idx_set("mnist", download.MNIST, 63_130),
    "fashion-mnist": _idx_set("fashion-mnist", download.FASHION_MNIST, 70_000, DEBIAN_FASHION_MNIST),
    "cifar10": _cifar_set("cifar10", download.CIFAR10, cifar.CIFAR10),
    "cifar100": _cifar_set("cifar100", download.CIFAR100, cifar.CIFAR100),
    "file": _image_set(
        ("path", "images", "labels", "resize", "held_out"),
        _measure_file,
        lambda spec: arrays.load(_path(spec), spec.images, spec.labels),
        _list_file,
    ),
    "folder": _image_set(
        ("path", "resize", "held_out"), _measure_folder, lambda spec: folder.load(_path(spec)), _list_folder
    ),
    **{name: Source(("points", "noise"), points.facts, points.split) for name in points.NAMES},
}
