"""An audit of samples against the training images they may copy: checks of the input, measures, suspicious pairs."""

import hashlib
from dataclasses import dataclass

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.data.image_set import ImageSet
from diffbench.files.estimates import Estimate
from diffbench.measures.battery import memorization_battery, quality_battery
from diffbench.measures.features.fitting import fit_pca
from diffbench.measures.features.spaces import PIXELS, FeatureSpace, Pixels
from diffbench.measures.memorization import distance_ratios
from diffbench.measures.neighbors import Images, blocks, require_finite
from diffbench.shapes import Float, Float64, Int64

DIMENSIONS = 64
"""Principal components in which quality is measured, where images have more values than that."""

WIDEST = 0.5
"""By this share of the training values' range others may exceed it; more is another scale: [-1, 1] for [0, 1]."""

NARROWEST = 0.1
"""Values that span a smaller share of the training values' range are on another scale too, or blank."""

SHOWN = 5
"""Indices that a message names."""


@dataclass(frozen=True)
class Audit:
    """What an audit says. Images are counted as in the files, from 0."""

    estimates: dict[str, Estimate]
    spaces: dict[str, str]  # estimate -> feature space
    notes: tuple[str, ...]  # what is odd in the input and how it was dealt with
    nearest: Int64[np.ndarray, " m"]  # training image nearest to each sample
    distances: Float64[np.ndarray, "m 2"]  # L2 to the nearest and second nearest distinct training image
    ratios: Float64[np.ndarray, " m"]  # d1/d2
    suspicious: Int64[np.ndarray, " m"]  # samples, least d1/d2 first, then least distance


def audit(samples: ImageSet, train: ImageSet, validation: ImageSet | None, seed: int = 0) -> Audit:
    """All measures of memorization and quality. Without validation images, what needs them is undefined.

    Images that repeat earlier training images are left out, since a near copy of one of two equal images has d1 = d2.
    DiffbenchError for input that no measure makes sense for: shapes that differ, NaN, values on different scales, fewer
    than two distinct training images, validation images that are training images.
    """
    others = [samples] if validation is None else [samples, validation]
    for images in (train, *others):
        require_finite(images.flat, images.name)
    first = _first_rows(train)
    rows = np.array(list(first.values()))
    if len(rows) < 2:
        raise DiffbenchError(f"train: {len(train.flat)} images, {len(rows)} distinct; give at least 2 distinct ones")
    for images in others:
        _check_alike(images, train)
    if validation is not None:
        _check_disjoint(validation, first)
    notes = []
    if repeated := len(train.flat) - len(rows):
        notes.append(f"{repeated} of {len(train.flat)} training images repeat earlier ones and are left out")
    if repeated := len(samples.flat) - len(_first_rows(samples)):
        notes.append(f"{repeated} of {len(samples.flat)} samples repeat earlier ones")
    flat = train.flat if len(rows) == len(train.flat) else train.take(rows).flat
    held_out = None if validation is None else validation.flat
    battery = memorization_battery(samples.flat, flat, held_out, seed)
    close = battery.samples
    if copies := int((close.first == 0).sum()):
        notes.append(f"{copies} of {len(samples.flat)} samples equal a training image exactly")
    space = _space(flat, held_out, seed)
    unseen = None if held_out is None else space.transform(held_out)
    quality = quality_battery(space.transform(samples.flat), space.transform(flat), unseen, seed)
    ratios = distance_ratios(close)
    return Audit(
        battery.estimates | quality,
        dict.fromkeys(battery.estimates, PIXELS) | dict.fromkeys(quality, space.name),
        tuple(notes),
        rows[close.nearest],
        np.stack([close.first, close.second], axis=1),
        ratios,
        np.lexsort((close.first, ratios)),
    )


def _space(train: Float[Images, "n d"], validation: Float[Images, "v d"] | None, seed: int) -> FeatureSpace:
    if train.shape[1] <= DIMENSIONS:
        return Pixels()
    return fit_pca([train] if validation is None else [train, validation], DIMENSIONS, seed)


def _check_alike(images: ImageSet, train: ImageSet) -> None:
    """Raise DiffbenchError unless `images` have the shape of training images, and values on their scale."""
    if images.shape != train.shape:
        raise DiffbenchError(
            f"{images.name}: images have shape {images.shape}, training images {train.shape}; make them equal"
        )
    (low, high), (train_low, train_high) = _range(images), _range(train)
    width = train_high - train_low
    outside = low < train_low - WIDEST * width or high > train_high + WIDEST * width
    if outside or high - low < NARROWEST * width:
        raise DiffbenchError(
            f"{images.name}: values lie in [{low:.4g}, {high:.4g}], those of training images in"
            f" [{train_low:.4g}, {train_high:.4g}] (uint8 is divided by 255); bring both to one scale"
        )


def _range(images: ImageSet) -> tuple[float, float]:
    """Least and largest value; of uint8 those that it could take, so that dark images are on the scale of others."""
    if images.from_bytes:
        return 0.0, 1.0
    parts = [images.flat[rows] for rows in blocks(images.flat)]
    return float(min(part.min() for part in parts)), float(max(part.max() for part in parts))


def _first_rows(images: ImageSet) -> dict[bytes, int]:
    """Digest of each distinct image, as float32, and the first row that holds it, in order."""
    first: dict[bytes, int] = {}
    for rows in blocks(images.flat):
        values = np.ascontiguousarray(images.flat[rows], np.float32) + np.float32(0)  # no negative zeros
        for index, row in enumerate(values, rows.start):
            first.setdefault(hashlib.blake2b(row, digest_size=16).digest(), index)
    return first


def _check_disjoint(validation: ImageSet, train: dict[bytes, int]) -> None:
    """Raise DiffbenchError if validation images are training images: floors and gaps would be wrong."""
    shared = [(index, train[digest]) for digest, index in _first_rows(validation).items() if digest in train]
    if shared:
        named = ", ".join(f"{index} = {other}" for index, other in shared[:SHOWN])
        raise DiffbenchError(
            f"validation: {len(shared)} distinct images are training images too (validation = train index:"
            f" {named}{', ...' if len(shared) > SHOWN else ''}); remove them from one of the two"
        )
