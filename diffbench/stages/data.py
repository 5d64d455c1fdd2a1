"""Data: the images of a study, split once, as the file that all other stages read."""

from pathlib import Path

from diffbench import provenance, store
from diffbench.data import catalog, sources, subsets
from diffbench.protocol import DataProtocol


def run(spec: DataProtocol, out: Path) -> None:
    """Split the data set that `spec` names and write pool and validation images, raw, with their scaling."""
    raw = sources.load(spec.name)
    parts = subsets.split(raw, spec.validation, spec.split_seed)
    axes = tuple(f"axis{index}" for index in range(raw.images.ndim - 1))
    variables = {
        "pool": store.Variable(parts.pool.images, ("image", *axes), "training pool in nested, class-balanced order"),
        "pool_class": store.Variable(parts.pool.classes, ("image",), "true class"),
        "validation": store.Variable(parts.validation.images, ("held_out", *axes), "held-out images"),
        "validation_class": store.Variable(parts.validation.classes, ("held_out",), "true class"),
    }
    scaling = {"mean": parts.mean, "scale": parts.scale, "classes": catalog.entry(spec.name).classes}
    store.write(out, "data", variables, provenance.attributes({}, spec.model_dump()) | scaling)
