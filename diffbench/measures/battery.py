"""All measures of memorization of one set of samples, by the names under which tables, reports and audits show them."""

import math
from dataclasses import dataclass

import numpy as np

from diffbench.files.estimates import Estimate, undefined
from diffbench.files.store import Variable
from diffbench.measures.copying import copying_test, nearest_side_rate
from diffbench.measures.extraction import AtOneSize, Extraction, extraction, extraction_at
from diffbench.measures.intervals import mean
from diffbench.measures.memorization import Closeness, are_memorized, closenesses, memorization
from diffbench.measures.near_duplicates import NearDuplicates, looked_at, near_duplicates
from diffbench.measures.neighbors import Images, nearest
from diffbench.measures.risk import Isolation, isolation_extraction
from diffbench.shapes import Float

CRITERIA = (
    ("memorized_fraction", "memorized_floor", "fraction"),
    ("memorized_fraction_half", "memorized_floor_half", "fraction_half"),
    ("memorized_fraction_quarter", "memorized_floor_quarter", "fraction_quarter"),
    ("mem_auc", "mem_auc_floor", "mem_auc"),
    ("calibrated_fraction", "calibrated_floor", "calibrated_fraction"),
    ("auth_pct", "auth_pct_floor", "authentic"),
)
"""Name of a criterion, name of its floor, field of the record that holds it."""

EXTRACTED = (
    ("extracted_images", "extracted_images_matched", "extracted_images_floor", "distinct"),
    ("extraction_chao1", "extraction_chao1_matched", "extraction_chao1_floor", "chao1"),
)
"""Name of a count of training images, of the same for as many samples as its floor is of, of this, and their field."""

NEED_VALIDATION = ("c_t", "nearest_side_rate", "distance_to_validation", "distance_to_validation_floor")

CURVE_FIELDS = {"value": "mean number of ", "low": "lower end of the mean of ", "high": "upper end of the mean of "}
"""Fields of an estimate along the curves of extraction, and what they are."""

MISSING = undefined("needs validation images", 0)


@dataclass(frozen=True)
class MemorizationBattery:
    """Estimates by name, each criterion followed by its floor, and the distances and pairs behind them."""

    estimates: dict[str, Estimate]
    duplicates: NearDuplicates
    isolation: Isolation
    extraction: Extraction
    samples: Closeness
    validation: Closeness | None = None
    floor_extraction: Extraction | None = None


def memorization_battery(
    samples: Float[Images, "m d"], train: Float[Images, "n d"], validation: Float[Images, "v d"] | None, seed: int = 0
) -> MemorizationBattery:
    """All measures of flat samples in pixels against training images, n >= 2, and validation images if given.

    Floors (the same numbers for validation images as if generated), C_T, the nearest-side rate and distances to
    validation images need validation images and are undefined without.
    """
    rows = looked_at(train, seed)
    (close, *floor_closes), around = closenesses([samples, *([] if validation is None else [validation])], train, rows)
    floor_close = floor_closes[0] if floor_closes else None
    own = memorization(close, seed)
    floor = None if floor_close is None else memorization(floor_close, seed)
    estimates: dict[str, Estimate] = {}
    for name, floor_name, field in CRITERIA:
        estimates[name] = getattr(own, field)
        estimates[floor_name] = MISSING if floor is None else getattr(floor, field)
    duplicates = near_duplicates(around, rows, train.shape[0])
    estimates["near_duplicate_share"] = duplicates.share
    extracted, isolation = extraction_of(close, train.shape[0], seed), Isolation.within(around)
    estimates |= extracted_images(close, floor_close, extracted, seed)
    estimates["isolation_extraction_spearman"] = isolation_extraction(isolation, extracted.times, rows)
    if validation is None or floor_close is None:
        estimates |= dict.fromkeys(NEED_VALIDATION, MISSING)
        return MemorizationBattery(estimates, duplicates, isolation, extracted, close)
    values = (
        copying_test(samples, validation, train, close.first, floor_close.first, seed),
        nearest_side_rate(samples, train, validation, seed),
        distance_per_pixel(samples, validation, seed),
        distance_per_pixel(train, validation, seed),
    )
    estimates |= dict(zip(NEED_VALIDATION, values, strict=True))
    as_if = extraction_of(floor_close, train.shape[0], seed)
    return MemorizationBattery(estimates, duplicates, isolation, extracted, close, floor_close, as_if)


def extraction_of(close: Closeness, train_size: int, seed: int) -> Extraction:
    """What images extract."""
    return extraction(close.nearest, are_memorized(close), train_size, seed)


def extracted_images(
    close: Closeness, floor_close: Closeness | None, extracted: Extraction, seed: int
) -> dict[str, Estimate]:
    """Training images that all samples extract, and as many samples as validation images, or all if fewer, and these.

    The first may not be held against the last: more images extract more.
    """
    size = len(close.nearest) if floor_close is None else min(len(close.nearest), len(floor_close.nearest))

    def at_size(of: Closeness) -> AtOneSize:
        return extraction_at(of.nearest, are_memorized(of), len(extracted.times), size, seed)

    matched, floor = (None, None) if floor_close is None else (at_size(close), at_size(floor_close))
    estimates: dict[str, Estimate] = {}
    for name, matched_name, floor_name, field in EXTRACTED:
        estimates[name] = getattr(extracted, field)
        estimates[matched_name] = MISSING if matched is None else getattr(matched, field)
        estimates[floor_name] = MISSING if floor is None else getattr(floor, field)
    return estimates


def extraction_variables(own: Extraction, floor: Extraction | None) -> dict[str, Variable]:
    """The curves of extraction over the number of samples, or of validation images as if generated, for a file."""
    variables: dict[str, Variable] = {}
    for name, of, extracted in (
        ("extraction", "samples", own),
        ("extraction_floor", "validation images as if generated", floor),
    ):
        if extracted is None:
            continue
        dim = f"{name}_size"
        variables[dim] = Variable(extracted.sizes, (dim,), f"number of {of}")
        for field, text in CURVE_FIELDS.items():
            values = np.array([getattr(estimate, field) for estimate in extracted.curve])
            variables[f"{name}_{field}"] = Variable(values, (dim,), f"{text}training images that so many {of} extract")
    return variables


def distance_per_pixel(images: Float[Images, "m d"], validation: Float[Images, "v d"], seed: int) -> Estimate:
    """Mean over images of the root mean square difference per pixel to the nearest validation image."""
    distances = nearest(images, validation, 1).distances[:, 0]
    return mean(distances / math.sqrt(images.shape[1]), seed)
