"""All measures of one set of samples, by the names under which tables, reports and audits show them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from diffbench.files.estimates import Estimate, undefined
from diffbench.measures import frechet, quality
from diffbench.measures.copying import copying_test, nearest_side_rate
from diffbench.measures.frechet import inference_gap
from diffbench.measures.intervals import mean
from diffbench.measures.likelihood import feature_likelihood
from diffbench.measures.memorization import Closeness, closenesses, memorization
from diffbench.measures.near_duplicates import NearDuplicates, looked_at, near_duplicates
from diffbench.measures.neighbors import Images, nearest
from diffbench.measures.quality import kernel_distance, manifold
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

NEED_VALIDATION = ("c_t", "nearest_side_rate", "distance_to_validation", "distance_to_validation_floor")

FRECHET = {
    "fd_train": "fd_train",
    "fd_validation": "fd_validation",
    "fd_gap": "relative",
    "fd_baseline_train": "baseline_train",
    "fd_baseline_validation": "baseline_validation",
}
"""Name of a measure, field of the record that holds it."""

QUALITY_MAXIMUM = 10_000
"""Of each set, so many images enter the measures of quality at most: they compare all pairs."""

MANIFOLD_LEAST = quality.COVERAGE_NEIGHBORS + 1
LIKELIHOOD_LEAST = 4
MISSING = undefined("needs validation images", 0)


@dataclass(frozen=True)
class MemorizationBattery:
    """Estimates by name, each criterion followed by its floor, and the distances and pairs behind them."""

    estimates: dict[str, Estimate]
    duplicates: NearDuplicates
    samples: Closeness
    validation: Closeness | None = None


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
    if validation is None or floor_close is None:
        return MemorizationBattery(estimates | dict.fromkeys(NEED_VALIDATION, MISSING), duplicates, close)
    values = (
        copying_test(samples, validation, train, close.first, floor_close.first, seed),
        nearest_side_rate(samples, train, validation, seed),
        distance_per_pixel(samples, validation, seed),
        distance_per_pixel(train, validation, seed),
    )
    estimates |= dict(zip(NEED_VALIDATION, values, strict=True))
    return MemorizationBattery(estimates, duplicates, close, floor_close)


def distance_per_pixel(images: Float[Images, "m d"], validation: Float[Images, "v d"], seed: int) -> Estimate:
    """Mean over images of the root mean square difference per pixel to the nearest validation image."""
    distances = nearest(images, validation, 1).distances[:, 0]
    return mean(distances / math.sqrt(images.shape[1]), seed)


def quality_battery(
    samples: Float[Images, "m k"], train: Float[Images, "n k"], validation: Float[Images, "v k"] | None, seed: int = 0
) -> dict[str, Estimate]:
    """All measures of quality by name, from features.

    KID, precision, recall, density and coverage take training images as the real ones. Sets that are too small for a
    measure leave it undefined. Of larger sets a random 10,000 images are used.
    """
    rng = np.random.default_rng(seed)
    generated, real = _some(samples, rng), _some(train, rng)
    held_out = None if validation is None else _some(validation, rng)
    return dict(
        (
            *_frechet(generated, real, held_out, seed),
            *_against_train(generated, real, seed),
            *_likelihood(generated, real, held_out, seed),
        )
    )


Named = Iterator[tuple[str, Estimate]]


def _frechet(
    samples: Float[Images, "m k"], train: Float[Images, "n k"], validation: Float[Images, "v k"] | None, seed: int
) -> Named:
    few = _too_few(2 * frechet.GROUPS, samples, train, validation)
    gap = None if few else inference_gap(samples, train, validation, seed)
    for name, field in FRECHET.items():
        yield name, few or getattr(gap, field)


def _against_train(samples: Float[Images, "m k"], train: Float[Images, "n k"], seed: int) -> Named:
    few = _too_few(2 * quality.GROUPS, samples, train, None)
    yield "kid", few or kernel_distance(samples, train, seed)
    few = _too_few(MANIFOLD_LEAST, samples, train, None)
    fidelity = None if few else manifold(samples, train, seed)
    for name in ("precision", "recall", "density", "coverage"):
        yield name, few or getattr(fidelity, name)


def _likelihood(
    samples: Float[Images, "m k"], train: Float[Images, "n k"], validation: Float[Images, "v k"] | None, seed: int
) -> Named:
    few = _too_few(LIKELIHOOD_LEAST, samples, train, validation)
    if validation is None or few:
        yield "fld", few or MISSING
        yield "fld_gap", few or MISSING
        return
    likelihood = feature_likelihood(samples, train, validation, seed)
    yield "fld", likelihood.fld
    yield "fld_gap", likelihood.gap


def _too_few(
    least: int, samples: Float[Images, "m k"], train: Float[Images, "n k"], validation: Float[Images, "v k"] | None
) -> Estimate | None:
    """The undefined estimate where a set has fewer than `least` images."""
    for name, images in (("samples", samples), ("training images", train), ("validation images", validation)):
        if images is not None and images.shape[0] < least:
            return undefined(f"needs {least} {name}, got {images.shape[0]}", images.shape[0])
    return None


def _some(features: Float[Images, "n k"], rng: np.random.Generator) -> Float[Images, "r k"]:
    """All features, or a random choice of very many, in their order."""
    if features.shape[0] <= QUALITY_MAXIMUM:
        return features
    return features[np.sort(rng.choice(features.shape[0], QUALITY_MAXIMUM, replace=False))]
