"""All measures of quality of one set of samples, by the names under which tables, reports and audits show them."""

from collections.abc import Iterator

import numpy as np

from diffbench.files.estimates import Estimate, undefined
from diffbench.measures import frechet, quality
from diffbench.measures.battery import MISSING
from diffbench.measures.frechet import distance_at_one_size
from diffbench.measures.inference_gap import REFERENCE_LEAST, Classes, inference_gap, reference_size
from diffbench.measures.likelihood import feature_likelihood
from diffbench.measures.neighbors import Images
from diffbench.measures.quality import kernel_distance, manifold
from diffbench.shapes import Float, Int64

GAP = {
    "fd_train": "fd_train",
    "fd_validation": "fd_validation",
    "fd_gap": "relative",
    "fd_gap_shared_error": "shared_error",
    "fd_gap_floor": "floor",
    "fd_baseline_train": "baseline_train",
    "fd_baseline_validation": "baseline_validation",
}
"""Name of a measure, field of the record that holds it."""

FRECHET = ("fd", "fd_floor", "fd_ratio")
KERNEL = {"kid": "squared", "kid_standardized": "standardized"}
"""Name of a measure, field of the record that holds it."""

MANIFOLD = ("precision", "recall", "density", "coverage")
AGAINST_TRAIN = "_train"
"""Ending of their names where training images are the real ones, and copies score best."""

MAXIMUM = 10_000
"""Of each set, so many images are compared at most: some measures take all pairs."""

MANIFOLD_LEAST = quality.COVERAGE_NEIGHBORS + 1
LIKELIHOOD_LEAST = 4

Named = Iterator[tuple[str, Estimate]]


def quality_battery(
    samples: Float[Images, "m k"],
    train: Float[Images, "n k"],
    validation: Float[Images, "v k"] | None,
    seed: int = 0,
    classes: Classes | None = None,
) -> dict[str, Estimate]:
    """All measures of quality by name, from features.

    Quality is judged against validation images; `_train` at the end of a name tells that training images took their
    place. Sets that are too small for a measure leave it undefined. Of larger sets a random 10,000 images are used.
    classes: true ones, by which the inference gap is matched, where they are known.
    """
    rng = np.random.default_rng(seed)
    generated, seen = samples[_some(samples, rng)], _some(train, rng)
    real = train[seen]
    against_train = dict(_likeness(generated, real, "training images", seed, AGAINST_TRAIN))
    if validation is None:
        names = (*FRECHET, *GAP, *KERNEL, *MANIFOLD, "fld", "fld_gap")
        return dict.fromkeys(names, MISSING) | against_train
    unseen = _some(validation, rng)
    held_out = validation[unseen]
    known = classes or Classes(np.zeros(train.shape[0], np.int64), np.zeros(validation.shape[0], np.int64))
    return dict(
        (
            *_distance(generated, held_out, seed),
            *_gap(generated, real, held_out, Classes(known.train[seen], known.validation[unseen]), seed),
            *_likeness(generated, held_out, "validation images", seed, ""),
            *against_train.items(),
            *_likelihood(generated, real, held_out, seed),
        )
    )


def _distance(samples: Float[Images, "m k"], validation: Float[Images, "v k"], seed: int) -> Named:
    few = _too_few(2 * frechet.LEAST, {"samples": samples, "validation images": validation})
    values = (few, few, few) if few else distance_at_one_size(samples, validation, seed)
    return zip(FRECHET, values, strict=True)


def _gap(
    samples: Float[Images, "m k"],
    train: Float[Images, "n k"],
    validation: Float[Images, "v k"],
    classes: Classes,
    seed: int,
) -> Named:
    size = reference_size(classes)
    few = _too_few(2 * frechet.LEAST, {"samples": samples})
    if not few and size < REFERENCE_LEAST:
        text = f"needs references of {REFERENCE_LEAST} class-matched images, half of the smaller set, got {size}"
        few = undefined(text, size)
    gap = None if few else inference_gap(samples, train, validation, classes, seed)
    for name, field in GAP.items():
        yield name, few or getattr(gap, field)


def _likeness(samples: Float[Images, "m k"], real: Float[Images, "n k"], called: str, seed: int, ending: str) -> Named:
    sets = {"samples": samples, called: real}
    few = _too_few(2 * quality.GROUPS, sets)
    distance = None if few else kernel_distance(samples, real, seed)
    for name, field in KERNEL.items():
        yield name + ending, few or getattr(distance, field)
    few = _too_few(MANIFOLD_LEAST, sets)
    fidelity = None if few else manifold(samples, real, seed)
    for name in MANIFOLD:
        yield name + ending, few or getattr(fidelity, name)


def _likelihood(
    samples: Float[Images, "m k"], train: Float[Images, "n k"], validation: Float[Images, "v k"], seed: int
) -> Named:
    few = _too_few(LIKELIHOOD_LEAST, {"samples": samples, "training images": train, "validation images": validation})
    likelihood = None if few else feature_likelihood(samples, train, validation, seed)
    for name, field in (("fld", "fld"), ("fld_gap", "gap")):
        yield name, few or getattr(likelihood, field)


def _too_few(least: int, sets: dict[str, Images]) -> Estimate | None:
    """The undefined estimate where a set has fewer than `least` images."""
    for name, images in sets.items():
        if images.shape[0] < least:
            return undefined(f"needs {least} {name}, got {images.shape[0]}", images.shape[0])
    return None


def _some(features: Float[Images, "n k"], rng: np.random.Generator) -> Int64[np.ndarray, " r"] | slice:
    """Rows of all features, or of a random choice of very many, in their order."""
    if features.shape[0] <= MAXIMUM:
        return slice(None)
    return np.sort(rng.choice(features.shape[0], MAXIMUM, replace=False))
