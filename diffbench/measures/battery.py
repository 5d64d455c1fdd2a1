"""All measures of memorization of one set of samples, by the names under which tables, reports and audits show them."""

import math
from dataclasses import dataclass

from diffbench.files.estimates import Estimate, undefined
from diffbench.measures.copying import copying_test, nearest_side_rate
from diffbench.measures.intervals import mean
from diffbench.measures.memorization import Closeness, closenesses, memorization
from diffbench.measures.near_duplicates import NearDuplicates, looked_at, near_duplicates
from diffbench.measures.neighbors import Images, nearest
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
