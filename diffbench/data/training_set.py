"""What every stage after the data stages reads: a training subset with labels, and the validation images."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffbench.conventions import DiffbenchError
from diffbench.data.conditions import Labels
from diffbench.data.scales import Scale, scale_of
from diffbench.data.scaling import Scaling
from diffbench.data.stored_images import StoredImages, read_scaled
from diffbench.data.vectors import Vectors
from diffbench.files import store
from diffbench.files.estimates import PIXELS
from diffbench.files.store import StageFile, StageHeader
from diffbench.settings.models import check_conditions

Images = NDArray[np.float32]

UNKNOWN: Mapping[str, str] = MappingProxyType({})
"""Of files whose makers are not known: none are compared."""

ROUNDING = 1e-4
"""Raw values so near to a whole number were that number before they were scaled."""


@dataclass(frozen=True)
class TrainingSet:
    """Scaled images: train (n, *shape), validation (v, *shape); their labels, true classes or those of conditions."""

    train: Images
    train_labels: Labels
    validation: Images
    validation_labels: Labels
    label_count: int
    """Labels are in [0, label_count). 0 where they are true classes of images that have none: then all are 0."""
    unseen: Images
    """Images (u, *shape) that samples are judged beside: the validation images, or draws from the true distribution."""
    scaling: Scaling
    raw_type: str
    """Type in which the raw images are stored, such as uint8."""
    train_classes: Labels
    """True classes (n,); all 0 where images have none."""
    unseen_classes: Labels
    """The same of the unseen images (u,)."""
    vectors: Vectors | None = None
    """The condition that each label stands for, (label_count, d) or (label_count, tokens, d), where these are given."""
    space: str = PIXELS
    """What distances between the images are named: pixels, or latents."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return self.train.shape[1:]

    @property
    def splits(self) -> dict[str, tuple[Images, Labels]]:
        """Images and labels of either split, by the split's name."""
        return {"train": (self.train, self.train_labels), "validation": (self.validation, self.validation_labels)}

    @property
    def classes(self) -> dict[str, Labels]:
        """True classes of either split; all 0 of validation images of planar data, which have none."""
        known = self.unseen is self.validation
        held_out = self.unseen_classes if known else np.zeros(len(self.validation), np.int64)
        return {"train": self.train_classes, "validation": held_out}

    @property
    def scaled_vectors(self) -> Vectors | None:
        """The vectors as networks that are trained here see them: over training images of mean 0 and mean square 1.

        Encoders differ in scale by factors of a hundred. DiffbenchError for tokens, which these networks do not take.
        """
        if self.vectors is None:
            return None
        check_conditions(self.vectors.shape[1:])
        seen = self.vectors[self.train_labels].astype(np.float64)
        mean = seen.mean(axis=0)
        return ((self.vectors - mean) / np.sqrt(np.square(seen - mean).mean())).astype(np.float32)

    @property
    def raw_scales(self) -> dict[str, Scale]:
        """The scale that the raw values of either split are on, by the split's name."""
        whole = np.dtype(self.raw_type).kind in "iub"

        def raw(block: Images) -> np.ndarray:
            values = self.scaling.raw(block)
            nearest = np.rint(values) + 0.0  # -0 becomes 0
            return nearest if whole else np.where(np.abs(values - nearest) < ROUNDING, nearest, values)

        return {name: scale_of(images, DiffbenchError, raw) for name, (images, _) in self.splits.items()}

    @property
    def flat_train(self) -> Images:
        """Training images as rows, (n, d)."""
        return _flat(self.train)

    @property
    def flat_unseen(self) -> Images:
        """Images beside which samples are judged as rows, (u, d)."""
        return _flat(self.unseen)

    @property
    def flat_validation(self) -> Images:
        """Validation images as rows, (v, d)."""
        return _flat(self.validation)


def read_training_set(
    data: Path, conditions: Path, made_by: Mapping[str, str] = UNKNOWN, stage: str = "data"
) -> TrainingSet:
    """The training set that the data file and a conditions file describe together.

    made_by: fingerprints of the specs that must have made `data` and `conditions`, by these names, if they are known.
    stage: data, or pixels, of a file with what latents were decoded to.
    """
    labels = store.read(conditions, "conditions", made_by.get("conditions"))
    subset = (data, len(labels["train_label"]), bool(labels.attributes["twin"]), made_by.get(stage), stage)
    return replace(
        read_images(*subset),
        train_labels=labels["train_label"],
        validation_labels=labels["validation_label"],
        label_count=int(labels.attributes["label_count"]),
        vectors=_vector_table(labels, *subset[:4]) if labels.attributes.get("given") and stage == "data" else None,
    )


def _vector_table(labels: StageFile, *subset: Any) -> Vectors:
    """The vector that each label stands for."""
    vectors = read_vectors(*subset)
    if vectors is None:
        raise DiffbenchError(f"{subset[0]}: lacks the conditions that {labels.path} numbers; run snakemake again")
    table = np.empty((int(labels.attributes["label_count"]), *vectors[0].shape[1:]), np.float32)
    table[labels["train_label"]], table[labels["validation_label"]] = vectors
    return table


def read_images(
    data: Path, train_size: int, twin: bool = False, made_by: str | None = None, stage: str = "data"
) -> TrainingSet:
    """The training subset of `train_size` images from the data file, labelled with the true classes.

    A twin's subset is as large and shares no image with it: it comes next in the pool. No more of the file is read
    than that. made_by: fingerprint of the spec that must have made the file, if it is known; stage: that made it.
    DiffbenchError if the pool has no such subset.
    """
    file = store.header(data, stage, made_by)
    scaling, pool = Scaling.of(file.attributes), file["pool"]
    subset, (held_out, name) = _subset(file, train_size, twin), _held_out(file, train_size)
    validation, train_classes = read_scaled(file[name], held_out, scaling), file["pool_class"][subset]
    validation_classes, own_draws = file[f"{name}_class"][held_out], "unseen" in file.arrays
    return TrainingSet(
        train=read_scaled(pool, subset, scaling),
        train_labels=train_classes,
        validation=validation,
        validation_labels=validation_classes,
        label_count=int(file.attributes["classes"]),
        unseen=read_scaled(file["unseen"], slice(None), scaling) if own_draws else validation,
        scaling=scaling,
        raw_type=str(pool.dtype),
        train_classes=train_classes,
        unseen_classes=file["unseen_class"][:] if own_draws else validation_classes,
        space=file.attributes.get("space", PIXELS),
    )


def read_vectors(
    data: Path, train_size: int, twin: bool = False, made_by: str | None = None
) -> tuple[Vectors, Vectors] | None:
    """Conditions of the same training subset (n, *b) and of the validation images (v, *b), where these are vectors."""
    file = store.header(data, "data", made_by)
    if "pool_condition" not in file.arrays:
        return None
    return file["pool_condition"][_subset(file, train_size, twin)], file["validation_condition"][:]


def stored_images(
    data: Path, train_size: int, made_by: str | None = None, stage: str = "data"
) -> dict[str, StoredImages]:
    """Images of either split, unread, by the split's name; the rest as of `read_images`."""
    file = store.header(data, stage, made_by)
    scaling, (held_out, name) = Scaling.of(file.attributes), _held_out(file, train_size)
    places = {"train": ("pool", _subset(file, train_size, twin=False)), "validation": (name, held_out)}
    return {
        split: StoredImages(file[array], range(len(file[array]))[rows], scaling, _classes(file, array, rows))
        for split, (array, rows) in places.items()
    }


def read_first(data: Path, train_size: int, count: int, twin: bool = False) -> dict[str, Images]:
    """The first `count` scaled images of either split, on which losses are measured; the rest as of `read_images`."""
    file = store.header(data, "data")
    scaling, (held_out, name) = Scaling.of(file.attributes), _held_out(file, train_size)
    places = {"train": ("pool", _subset(file, train_size, twin)), "validation": (name, held_out)}
    images = {}
    for split, (array, rows) in places.items():
        first = range(len(file[array]))[rows][:count]
        images[split] = read_scaled(file[array], slice(first.start, first.stop, first.step), scaling)
    return images


def read_classes(data: Path, train_size: int, made_by: str | None = None) -> list[str]:
    """Names of the true classes of the training subset's images, empty where images have none; as of `read_images`."""
    file = store.header(data, "data", made_by)
    return list(_classes(file, "pool", _subset(file, train_size, twin=False)))


def _classes(file: StageHeader, array: str, rows: slice) -> tuple[str, ...]:
    classes = file[f"{array}_class"][rows].tolist()
    if not file.attributes["classes"]:
        return ("",) * len(classes)
    names = file.attributes.get("class_names") or [str(number) for number in range(max(classes) + 1)]
    return tuple(names[number] for number in classes)


def in_turn(images: int, count: int) -> NDArray[np.int64]:
    """Indices (count,) of the first `count` images, begun anew where there are fewer.

    Each time with fresh noise, they still are draws from the noised set.
    """
    return np.arange(count) % images


def _subset(file: StageHeader, train_size: int, twin: bool) -> slice:
    """Where the training subset stands in the pool."""
    pool = len(file["pool"])
    if "validation" in file.arrays:
        stop = 2 * train_size if twin else train_size
        if stop > pool:
            raise DiffbenchError(
                f"{file.path}: {stop} training images (train_size {train_size}{' and its twin' if twin else ''}) are"
                f" beyond the {pool} distinct images of its training pool"
            )
        return slice(stop - train_size, stop)
    if twin:
        raise DiffbenchError(f"{file.path}: equidistant points have no second training subset; set pairs: false")
    if pool % (2 * train_size):
        raise DiffbenchError(
            f"{file.path}: {train_size} equidistant points cannot be chosen among its {pool}; "
            f"make data.points a multiple of {2 * train_size}"
        )
    return slice(0, pool, pool // train_size)


def _held_out(file: StageHeader, train_size: int) -> tuple[slice, str]:
    """Where the validation images stand, and in which array: else halfway between training points."""
    if "validation" in file.arrays:
        return slice(None), "validation"
    step = len(file["pool"]) // train_size
    return slice(step // 2, None, step), "pool"


def _flat(images: Images) -> Images:
    return images.reshape(len(images), -1)
