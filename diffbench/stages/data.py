"""Data: the images of a study, split once, as the file that all other stages read."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.data.account import as_attribute, line
from diffbench.data.raw_images import RawImages
from diffbench.data.scales import scale_of
from diffbench.data.sources import source
from diffbench.data.subsets import Split
from diffbench.files import provenance, store
from diffbench.measures.near_copies import near_copies
from diffbench.study.specs import DataSpec


def run(spec: DataSpec, out: Path) -> None:
    """Split the data set that `spec` names and write pool and validation images, raw, with their scaling.

    What became of the images that were given is said in a line, and kept.
    """
    parts = source(spec).split(spec)
    variables = _variables("pool", "image", parts.pool, "training pool in nested, class-balanced order")
    if parts.validation:
        variables |= _variables("validation", "held_out", parts.validation, "held-out images")
    if parts.unseen:
        variables |= _variables("unseen", "draw", parts.unseen, "draws from the true distribution")
    known: dict[str, object] = {**parts.scaling.attributes, "classes": parts.pool.class_count}
    known |= {"class_names": list(parts.class_names)}
    if parts.sets:
        scale = scale_of(parts.pool.images, DiffbenchError)
        known |= {"pixel_scale": scale.name, "account": _account(parts)}
    store.write(out, "data", variables, provenance.attributes({}, spec.model_dump()) | known, spec.fingerprint)


def _account(parts: Split) -> dict[str, Any]:
    """What became of the images, and pairs of near copies on both sides of the split; said on stderr, too."""
    assert parts.validation is not None
    near = near_copies(_flat(parts.validation), _flat(parts.pool))
    pairs = [(parts.validation.name_of(one), parts.pool.name_of(other)) for one, other in near.pairs]
    compared = "" if near.compared == len(parts.validation.images) else f" among the first {near.compared}"
    account = as_attribute(parts.sets, pairs, compared)
    print(f"images: {line(account)}", file=sys.stderr)
    return account


def _flat(raw: RawImages) -> np.ndarray:
    return raw.images.reshape(len(raw.images), -1)


def _variables(name: str, dim: str, raw: RawImages, long_name: str) -> dict[str, store.Variable]:
    axes = tuple(f"axis{index}" for index in range(raw.images.ndim - 1))
    return {
        name: store.Variable(raw.images, (dim, *axes), long_name),
        f"{name}_class": store.Variable(raw.classes, (dim,), "true class; 0 where there are none"),
    }
