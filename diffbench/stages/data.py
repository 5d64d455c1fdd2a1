"""Data: the images of a study, split once, as the file that all other stages read."""

from pathlib import Path

from diffbench.data.raw_images import RawImages
from diffbench.data.sources import source
from diffbench.files import provenance, store
from diffbench.settings.data import DataSettings


def run(spec: DataSettings, out: Path) -> None:
    """Split the data set that `spec` names and write pool and validation images, raw, with their scaling."""
    parts = source(spec).split(spec)
    variables = _variables("pool", "image", parts.pool, "training pool in nested, class-balanced order")
    if parts.validation:
        variables |= _variables("validation", "held_out", parts.validation, "held-out images")
    if parts.unseen:
        variables |= _variables("unseen", "draw", parts.unseen, "draws from the true distribution")
    known = parts.scaling.attributes | {"classes": parts.pool.class_count}
    store.write(out, "data", variables, provenance.attributes({}, spec.model_dump()) | known)


def _variables(name: str, dim: str, raw: RawImages, long_name: str) -> dict[str, store.Variable]:
    axes = tuple(f"axis{index}" for index in range(raw.images.ndim - 1))
    return {
        name: store.Variable(raw.images, (dim, *axes), long_name),
        f"{name}_class": store.Variable(raw.classes, (dim,), "true class; 0 where there are none"),
    }
