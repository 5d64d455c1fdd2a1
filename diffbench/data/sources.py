"""All data sets by name. A source says which keys it takes, what is known of it at once, and how it is split.

To add one, write its reader in a file of its own, and here a class and a line in SOURCES.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from diffbench.data import points
from diffbench.data.formats import cifar, download, idx, own_images
from diffbench.data.formats.download import Download, fetch
from diffbench.data.formats.own_images import Asked, Blames
from diffbench.data.image_source import ImageSource, Key
from diffbench.data.raw_images import Contents, Facts, RawImages, are_latents, balanced_count, mistake
from diffbench.data.subsets import Split
from diffbench.files.surroundings import path_of
from diffbench.settings.data import LATENTS, DataSettings

OF_OWN = ("path", "images", "layout", "channels", "held_out", "conditions", "held_out_conditions", "decoder")
OPTIONAL_KEYS = (*OF_OWN, "labels", "resize", "points", "noise")
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts its files."""


class Source(Protocol):
    """A data set that a study can name."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The optional keys of the data section that it takes."""
        ...

    def facts(self, spec: DataSettings) -> Facts:
        """Its size, cheaply: files are opened, images not read. DiffbenchError for what cannot be used."""
        ...

    def split(self, spec: DataSettings) -> Split:
        """The images, read and split."""
        ...

    def outlook(self, spec: DataSettings) -> list[str]:
        """What is known, before images are read, of how many of them are read and used, and of their classes."""
        ...


def source(spec: DataSettings) -> Source:
    """The source that `spec` names. DiffbenchError if there is none or it does not take a given key."""
    if spec.name not in SOURCES:
        raise mistake("name", f"unknown data set '{spec.name}', known are {', '.join(sorted(SOURCES))}")
    chosen = SOURCES[spec.name]
    for key in OPTIONAL_KEYS:
        if getattr(spec, key) is not None and key not in chosen.keys:
            takers = sorted(name for name, other in SOURCES.items() if key in other.keys)
            raise mistake(key, f"'{spec.name}' does not take it, only {', '.join(takers)} do; leave it out")
    return chosen


class Planar:
    """Points of the plane, drawn anew."""

    keys = ("points", "noise")

    def facts(self, spec: DataSettings) -> Facts:
        """What a study can be checked against."""
        return points.facts(spec)

    def split(self, spec: DataSettings) -> Split:
        """The points, drawn and split."""
        return points.split(spec)

    def outlook(self, spec: DataSettings) -> list[str]:
        """Nothing: points are drawn."""
        return []


class Digits(ImageSource):
    """Handwritten digits: 1,797 images of 1x8x8, values 0..16; shipped with scikit-learn."""

    keys = ("resize", "conditions")

    def contents(self, spec: DataSettings, key: Key) -> Contents:
        """Always the same."""
        return Contents(1797, 1740, _numbers(10), (1, 8, 8))

    def load(self, spec: DataSettings, key: Key) -> RawImages:
        """All images and their classes."""
        from sklearn.datasets import load_digits

        bunch: Any = load_digits()
        return RawImages(bunch.images[:, None].astype(np.uint8), bunch.target.astype(np.int64), 10)


@dataclass(frozen=True)
class IdxSet(ImageSource):
    """MNIST or a relative: from data.path, from where a package installed it, or fetched."""

    keys = ("path", "resize", "conditions")

    name: str
    remote: Download
    balanced: int
    installed: Path | None = None

    def contents(self, spec: DataSettings, key: Key) -> Contents:
        """Told by labels and headers of the files; known beforehand where they are yet to be fetched."""
        place = self._on_disk(spec)
        if place is None:
            return Contents(70_000, self.balanced, _numbers(idx.CLASSES), (1, 28, 28))
        labels, image = idx.class_labels(place), idx.shape(idx.find(place)[0])[1:]
        return Contents(len(labels), balanced_count(_sizes(labels)), _numbers(idx.CLASSES), (1, *image))

    def load(self, spec: DataSettings, key: Key) -> RawImages:
        """All images and their classes, fetched if need be."""
        return idx.load(self._on_disk(spec) or fetch(self.name, self.remote))

    def _on_disk(self, spec: DataSettings) -> Path | None:
        if spec.path:
            return path_of(spec.path)
        return self.installed if self.installed and self.installed.is_dir() else None


@dataclass(frozen=True)
class CifarSet(ImageSource):
    """CIFAR-10 or CIFAR-100: from data.path or fetched."""

    keys = ("path", "resize", "conditions")

    name: str
    remote: Download
    layout: cifar.Layout

    def contents(self, spec: DataSettings, key: Key) -> Contents:
        """Told by the sizes of the files in a folder; an archive is taken for the whole set."""
        count = 60_000
        if spec.path and not path_of(spec.path).is_file():
            count = min(count, cifar.record_count(path_of(spec.path), self.layout))
        return Contents(count, count, _numbers(self.layout.label_sizes[-1]), cifar.SHAPE)

    def load(self, spec: DataSettings, key: Key) -> RawImages:
        """All images and their classes, fetched if need be."""
        archive = next(iter(self.remote.sha256))
        return cifar.load(path_of(spec.path) if spec.path else fetch(self.name, self.remote) / archive, self.layout)


class Own(ImageSource):
    """A user's own file or folder."""

    def __init__(self, *keys: str) -> None:
        self.keys = (*OF_OWN, *keys)

    def contents(self, spec: DataSettings, key: Key) -> Contents:
        """Told by the file's header and the labels, or by the names of files and the first of them."""
        return own_images.contents(_path(spec, key), asked_of(spec), spec.labels, Blames.of_key(key))

    def load(self, spec: DataSettings, key: Key) -> RawImages:
        """All images, and their classes if labels are named or they lie in sub-folders."""
        return own_images.load(_path(spec, key), asked_of(spec), spec.labels, Blames.of_key(key))

    def outlook(self, spec: DataSettings) -> list[str]:
        """The same of latents, with their shape and what decodes them."""
        shape = self.contents(spec, "path").shape
        if spec.name != LATENTS and not spec.decoding and not are_latents(shape):
            return super().outlook(spec)
        decoder = f"decoded by {spec.decoding.factory}" if spec.decoding else "no decoder: pages show their channels"
        return [f"latents: {'x'.join(map(str, shape))}, {decoder}", *super().outlook(spec)]


def asked_of(spec: DataSettings) -> Asked:
    """What a study asks for of its file or folder."""
    return Asked(spec.images, spec.layout, spec.channels, latent=spec.name == LATENTS)


def _path(spec: DataSettings, key: Key) -> Path:
    path = getattr(spec, key)
    if path is None:
        raise mistake(key, f"'{spec.name}' needs the path of its images")
    return path_of(path)


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def _sizes(labels: np.ndarray) -> NDArray[np.int64]:
    return np.unique(labels, return_counts=True)[1]


SOURCES: dict[str, Source] = {
    "digits": Digits(),
    "mnist": IdxSet("mnist", download.MNIST, 63_130),
    "fashion-mnist": IdxSet("fashion-mnist", download.FASHION_MNIST, 70_000, DEBIAN_FASHION_MNIST),
    "cifar10": CifarSet("cifar10", download.CIFAR10, cifar.CIFAR10),
    "cifar100": CifarSet("cifar100", download.CIFAR100, cifar.CIFAR100),
    "file": Own("labels", "resize"),
    "folder": Own("resize"),
    LATENTS: Own("labels"),
    **{name: Planar() for name in points.NAMES},
}
