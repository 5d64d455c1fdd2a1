"""Data: the images of a study, split once, as the file that all other stages read."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from diffbench.conventions import DiffbenchError
from diffbench.data.account import as_attribute, line
from diffbench.data.raw_images import RawImages, are_latents, mistake
from diffbench.data.scales import scale_of
from diffbench.data.sources import source
from diffbench.data.subsets import Split
from diffbench.files import estimates, provenance, store
from diffbench.files.fingerprint import fingerprint_of, hashes_of
from diffbench.files.surroundings import plain_text
from diffbench.measures.near_copies import near_copies
from diffbench.settings.data import LATENTS
from diffbench.study import layout
from diffbench.study.specs import DataSpec


def run(spec: DataSpec, out: Path) -> None:
    """Split the data set that `spec` names and write pool and validation images, raw, with their scaling.

    What became of the images that were given is said in a line, and kept, as are hashes of the files that were read.
    DiffbenchError if these are not the files that `spec` was made for.
    """
    parts = source(spec).split(spec)
    read = {key: hashes_of(path) for key, path in spec.files_given.items()}
    _check_unchanged(spec, read, out.with_name(layout.CONTENTS))
    variables = _variables("pool", "image", parts.pool, "training pool in nested, class-balanced order")
    if parts.validation:
        variables |= _variables("validation", "held_out", parts.validation, "held-out images")
    if parts.unseen:
        variables |= _variables("unseen", "draw", parts.unseen, "draws from the true distribution")
    if read:
        variables |= _files(read)
    known: dict[str, object] = {**parts.scaling.attributes, "classes": parts.pool.class_count}
    known |= {"class_names": list(parts.class_names)}
    if spec.name == LATENTS or are_latents(parts.pool.images.shape[1:]):
        known |= {"space": estimates.LATENTS}
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


def _check_unchanged(spec: DataSpec, read: dict[str, dict[str, str]], cache: Path) -> None:
    """Compare what was read with what the study was planned for.

    Where they differ the cache of hashes is dropped: a file that changed and kept all its times would differ each time.
    """
    changed = [key for key, hashes in read.items() if spec.files.get(key) not in (None, fingerprint_of(hashes))]
    if not changed:
        return
    with suppress(OSError):
        cache.unlink()
    path = spec.files_given[changed[0]]
    raise mistake(changed[0], f"{path}: the images changed while the job waited or read them; run snakemake again")


def _files(read: dict[str, dict[str, str]]) -> dict[str, store.Variable]:
    """Names and hashes of the files that images were read from."""
    found = {"/".join(filter(None, (key, name))): each for key, files in read.items() for name, each in files.items()}
    return {
        "source_file": store.Variable(
            [plain_text(name) for name in found], ("file",), "key and relative name of a file that was read"
        ),
        "source_hash": store.Variable(list(found.values()), ("file",), "SHA-256 of its content"),
    }


def _flat(raw: RawImages) -> np.ndarray:
    return raw.images.reshape(len(raw.images), -1)


def _variables(name: str, dim: str, raw: RawImages, long_name: str) -> dict[str, store.Variable]:
    axes = tuple(f"axis{index}" for index in range(raw.images.ndim - 1))
    given = {}
    if raw.conditions is not None:
        parts = tuple(f"condition_axis{index}" for index in range(raw.conditions.ndim - 1))
        text = "condition: the vector of each image"
        given[f"{name}_condition"] = store.Variable(raw.conditions, (dim, *parts), text, compressed=False)
    return given | {
        name: store.Variable(raw.images, (dim, *axes), long_name, compressed=False),  # nearly all jobs read them
        f"{name}_class": store.Variable(raw.classes, (dim,), "true class; 0 where there are none"),
    }
