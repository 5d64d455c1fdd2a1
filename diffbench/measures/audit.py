"""An audit of samples against the training images they may copy: checks of the input, measures, suspicious pairs."""

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.data.image_set import ImageSet
from diffbench.data.scales import BYTES, NORMALISED, alike, conversion
from diffbench.files.estimates import DECODED, Estimate
from diffbench.measures.battery import MemorizationBattery, memorization_battery
from diffbench.measures.features.fitting import fit_pca
from diffbench.measures.features.spaces import PIXELS, FeatureSpace, Pixels
from diffbench.measures.memorization import disagreement, distance_ratios, near_pairs
from diffbench.measures.neighbors import Images, blocks
from diffbench.measures.quality_battery import quality_battery
from diffbench.measures.rescaled_copies import rescaled_copies
from diffbench.shapes import Float, Float64, Int64

if TYPE_CHECKING:
    import pandas as pd

DIMENSIONS = 64
"""Principal components in which quality is measured, where images have more values than that."""

SHOWN = 5
"""Indices that a message names."""


@dataclass(frozen=True)
class Audit:
    """What an audit says. Images are counted as in the files, from 0."""

    estimates: dict[str, Estimate]
    spaces: dict[str, str]  # estimate -> feature space
    notes: tuple[str, ...]  # what is odd in the input and how it was dealt with
    nearest: Int64[np.ndarray, " m"]  # training image nearest to each sample
    distances: Float64[
        np.ndarray, "m 2"
    ]  # d1 and d2, L2 to the nearest training image and the next that is no duplicate
    ratios: Float64[np.ndarray, " m"]  # d1/d2
    suspicious: Int64[np.ndarray, " m"]  # samples, least d1/d2 first, then least distance
    battery: MemorizationBattery  # where training images are counted without those that repeat others
    pictures: "Audit | None" = None  # the audit of what latents are decoded to

    @property
    def table(self) -> "pd.DataFrame":
        """The estimates as a frame: a row per measure, with value, low, high, n, space and reason."""
        import pandas as pd

        rows = {name: asdict(estimate) | {"space": self.spaces[name]} for name, estimate in self.estimates.items()}
        columns = ["value", "low", "high", "n", "space", "reason"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("measure")


def audit(samples: ImageSet, train: ImageSet, validation: ImageSet | None, seed: int = 0, own: str = PIXELS) -> Audit:
    """All measures of memorization and quality. Without validation images, what needs them is undefined.

    own: name of the space of the images themselves, such as latents.
    Images that repeat earlier training images are left out: they are one image.
    DiffbenchError for input that no measure makes sense for: shapes that differ, NaN, values on different scales, fewer
    than two distinct training images, validation images that are training images.
    """
    samples, train, validation, notes = _in_one_unit(samples, train, validation)
    others = [samples] if validation is None else [samples, validation]
    first = _first_rows(train)
    rows = np.array(list(first.values()))
    if len(rows) < 2:
        raise DiffbenchError(f"train: {len(train.flat)} images, {len(rows)} distinct; give at least 2 distinct ones")
    for images in others:
        _check_alike(images, train)
    if validation is not None:
        _check_disjoint(validation, first)
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
    notes += _notes_of_near_copies(battery, rows)
    notes += _notes_of_rescaled_copies(samples, train)
    space = _space(flat, held_out, seed, own)
    unseen = None if held_out is None else space.transform(held_out)
    quality = quality_battery(space.transform(samples.flat), space.transform(flat), unseen, seed)
    ratios = distance_ratios(close)
    return Audit(
        battery.estimates | quality,
        dict.fromkeys(battery.estimates, own) | dict.fromkeys(quality, space.name),
        tuple(notes),
        rows[close.nearest],
        np.stack([close.first, close.second], axis=1),
        ratios,
        np.lexsort((close.first, ratios)),
        battery,
    )


def with_pictures(latents: Audit, pictures: Audit) -> Audit:
    """The audit of latents, with memorization as it is between what they are decoded to, and the quality of that."""
    quality = {name: each for name, each in pictures.estimates.items() if name not in pictures.battery.estimates}
    decoded = {f"{name}{DECODED}": each for name, each in pictures.battery.estimates.items()}
    spaces = {name: latents.spaces[name] for name in latents.battery.estimates}
    spaces |= {name: pictures.spaces[name] for name in quality} | dict.fromkeys(decoded, PIXELS)
    return replace(
        latents,
        estimates=latents.battery.estimates | quality | decoded,
        spaces=spaces,
        notes=(*latents.notes, *(f"decoded: {note}" for note in pictures.notes)),
        pictures=pictures,
    )


def _notes_of_near_copies(battery: MemorizationBattery, rows: Int64[np.ndarray, " n"]) -> list[str]:
    """What is to be said of images near each other, and of criteria that disagree. rows: of the distinct images."""
    notes, duplicates = [], battery.duplicates
    if duplicates.pairs:
        pairs = _named([(int(rows[one]), int(rows[other])) for one, other in duplicates.pairs], "~")
        notes.append(
            f"{len(duplicates.pairs)} of {duplicates.share.n} training images are near duplicates of others, and d2 is"
            f" measured to none of them (train ~ train: {pairs})"
        )
    if battery.validation is not None and (near := near_pairs(battery.validation)):
        pairs = _named([(row, int(rows[nearest])) for row, nearest in near], "~")
        notes.append(
            f"{len(near)} of {len(battery.validation.nearest)} validation images are near copies of training images,"
            f" and raise the floor (validation ~ train: {pairs})"
        )
    if said := disagreement(battery.estimates):
        notes.append(said)
    return notes


def _notes_of_rescaled_copies(samples: ImageSet, train: ImageSet) -> list[str]:
    """What is to be said of samples that are training images but for brightness and contrast.

    DiffbenchError if many of these differ from training images by the same: then the samples are on another scale.
    """
    copies = rescaled_copies(samples.flat, train.flat, train.shape)
    pairs = _named(copies.pairs, "~")
    if copies.common:
        gain, shift = copies.common
        raise DiffbenchError(
            f"{samples.name}: values lie in {samples.values}, those of training images in {train.values}, but"
            f" {len(copies.pairs)} samples are training images of which all values are changed in one way, to about"
            f" {gain:.4g} x {shift:+.4g} (samples ~ train: {pairs}); bring both to one scale"
        )
    if not copies.pairs:
        return []
    text = "samples are training images but for brightness and contrast (samples ~ train:"
    return [f"{len(copies.pairs)} of {len(samples.flat)} {text} {pairs})"]


def _named(pairs: list[tuple[int, int]], sign: str) -> str:
    """Some of the pairs."""
    return ", ".join(f"{one} {sign} {other}" for one, other in pairs[:SHOWN]) + (", ..." if len(pairs) > SHOWN else "")


def _space(train: Float[Images, "n d"], validation: Float[Images, "v d"] | None, seed: int, own: str) -> FeatureSpace:
    if train.shape[1] <= DIMENSIONS:
        return Pixels(own)
    return fit_pca([train] if validation is None else [train, validation], DIMENSIONS, seed)


def _in_one_unit(
    samples: ImageSet, train: ImageSet, validation: ImageSet | None
) -> tuple[ImageSet, ImageSet, ImageSet | None, list[str]]:
    """The sets, floats of 0 to 255 brought to 0 to 1 where those of another set already are, and notes that say so."""
    sets = [images for images in (samples, train, validation) if images is not None]
    if all(images.black_and_white is None for images in sets):
        return samples, train, validation, []
    notes: list[str] = []

    def moved(images: ImageSet) -> ImageSet:
        if images.black_and_white is not None or images.scale.ends != BYTES:
            return images
        notes.append(f"{images.name}: floats in {images.values} are divided by 255, as bytes are")
        return images.between(BYTES)

    return moved(samples), moved(train), validation and moved(validation), notes


def _check_alike(images: ImageSet, train: ImageSet) -> None:
    """Raise DiffbenchError unless `images` have the shape of training images, and values on their scale."""
    if images.shape != train.shape:
        raise DiffbenchError(
            f"{images.name}: images have shape {images.shape}, training images {train.shape}; make them equal"
        )
    if not alike(images.scale_here, train.scale_here):
        raise DiffbenchError(
            f"{images.name}: values lie in {images.values}, those of training images in {train.values};"
            f" bring both to one scale: {_remedy(images, train)}"
        )


def _remedy(images: ImageSet, train: ImageSet) -> str:
    """How to bring images to the scale of training images: by a formula where both are known, or by options."""
    normalised = [each.name for each in (images, train) if each.scale.name == NORMALISED and not each.declared]
    if len(normalised) == 1:
        return f"undo the normalisation of {normalised[0]}, channel by channel (x * deviation + mean)"
    options = [
        f"--{each.name}-range " + (f"{each.scale.ends[0]:g},{each.scale.ends[1]:g}" if each.scale.ends else "LOW,HIGH")
        for each in (images, train)
        if not each.declared
    ]
    formula = "" if images.declared or train.declared else conversion(images.scale, train.scale)
    said = f"say what black and white are by {' and '.join(options)}"
    return f"make {images.name} {formula}, or {said}" if formula else said


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
        raise DiffbenchError(
            f"validation: {len(shared)} distinct images are training images too (validation = train index:"
            f" {_named(shared, '=')}); remove them from one of the two"
        )
