"""Audit: which samples are copies of training images, from plain array files, without a study."""

import json as json_format
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

from diffbench.conventions import DiffbenchError
from diffbench.data.image_set import ImageSet, read_image_set
from diffbench.data.scales import parse_range
from diffbench.files import provenance, store
from diffbench.files.estimates import scalar_variables
from diffbench.measures.audit import Audit, audit
from diffbench.measures.battery import extraction_variables
from diffbench.settings.data import Layout

PRINTED = 10
"""Suspicious pairs that are printed."""


def run(
    samples: Annotated[
        str,
        "generated images: a folder, or a .npy, .npz or .h5 file, as FILE:GROUP/ARRAY where it holds several",
    ],
    train: Annotated[str, "training images of the same shape, uint8 (divided by 255) or floats on the same scale"],
    validation: Annotated[str | None, "unseen images; without them floors, c_t and the like are undefined"] = None,
    samples_range: Annotated[str | None, "black and white of the samples as LOW,HIGH, such as -1,1"] = None,
    train_range: Annotated[str | None, "the same of the training images, where the sets are on several scales"] = None,
    validation_range: Annotated[str | None, "the same of the validation images"] = None,
    layout: Annotated[str | None, "axes of each image where shapes do not tell them: CHW, HWC or HW"] = None,
    out: Annotated[Path, "HDF5 file to write, with a page of the same name beside it"] = Path("audit.h5"),
    json: Annotated[bool, "print one JSON object, measure -> value, low, high, n, space"] = False,
) -> None:
    """Print all measures and the most suspicious pairs, and write them to `out` and to an HTML page beside it."""
    if out.suffix not in (".h5", ".hdf5"):
        raise DiffbenchError(f"out: {out} does not end in .h5")
    ranges = {"samples": samples_range, "train": train_range, "validation": validation_range}
    ends = {name: parse_range(f"{name}-range", text) for name, text in ranges.items() if text is not None}
    if "validation" in ends and validation is None:
        raise DiffbenchError("--validation-range: there is no --validation; leave it out")
    axes = _layout(layout)
    generated = read_image_set("samples", samples, ends.get("samples"), True, axes)
    trained = read_image_set("train", train, ends.get("train"), layout=axes)
    held_out = (
        None if validation is None else read_image_set("validation", validation, ends.get("validation"), layout=axes)
    )
    audited = audit(generated, trained, held_out)
    _write(out, audited, [images for images in (generated, trained, held_out) if images is not None])
    from diffbench.report.pages.audit import write_audit_page  # the charts' libraries take a second to start

    page = out.with_suffix(".html")
    write_audit_page(page, audited, generated, trained, held_out)
    if json:
        for note in audited.notes:
            print(f"note: {note}", file=sys.stderr)
        print(json_format.dumps(as_json(audited)))
        return
    print("\n".join([*_lines(audited), "", f"Wrote {out} and {page}"]))


def _layout(text: str | None) -> Layout | None:
    """The axes that an option names."""
    named: tuple[Layout, ...] = get_args(Layout)
    if text is None or text in named:
        return next((each for each in named if each == text), None)
    raise DiffbenchError(f"--layout: give one of {', '.join(named)} (got {text})")


def as_json(audited: Audit) -> dict[str, dict[str, Any]]:
    """Measure -> value, low, high, n, space; where it is undefined these are None, and a reason says why."""
    result: dict[str, dict[str, Any]] = {}
    for name, estimate in audited.estimates.items():
        numbers = {key: getattr(estimate, key) for key in ("value", "low", "high")}
        result[name] = {key: number if math.isfinite(number) else None for key, number in numbers.items()}
        result[name] |= {"n": estimate.n, "space": audited.spaces[name]}
        if estimate.reason:
            result[name]["reason"] = estimate.reason
    return result


def _lines(audited: Audit) -> Iterator[str]:
    """The audit as text."""
    yield from (f"note: {note}" for note in audited.notes)
    yield f"{'measure':<30} {'value':>10}  {'95 % interval':<24} {'n':>6}  space"
    for name, estimate in audited.estimates.items():
        span = f"[{estimate.low:.4g}, {estimate.high:.4g}]"
        text = f"undefined: {estimate.reason}" if estimate.reason else f"{estimate.value:>10.4g}  {span:<24}"
        yield f"{name:<30} {text:<36} {estimate.n:>6}  {audited.spaces[name]}"
    yield ""
    yield f"{'sample':>8} {'training image':>14} {'distance':>10} {'d1/d2':>8}   most suspicious pairs, from index 0"
    for sample in audited.suspicious[:PRINTED]:
        distance, ratio = audited.distances[sample, 0], audited.ratios[sample]
        yield f"{sample:>8} {audited.nearest[sample]:>14} {distance:>10.4g} {ratio:>8.4g}"


def _write(out: Path, audited: Audit, sets: list[ImageSet]) -> None:
    variables = scalar_variables(audited.estimates, audited.spaces) | {
        "nearest": store.Variable(audited.nearest, ("sample",), "index of the nearest training image"),
        "distance": store.Variable(
            audited.distances, ("sample", "rank"), "L2 distance to the nearest training image, and to the next"
        ),
        "suspicious": store.Variable(audited.suspicious, ("order",), "indices of samples, most suspicious first"),
    }
    variables |= extraction_variables(audited.battery.extraction, audited.battery.floor_extraction)
    settings: dict[str, object] = {images.name: images.origin for images in sets}
    settings |= {"scales": {images.name: images.values for images in sets}, "notes": list(audited.notes)}
    store.write(out, "audit", variables, provenance.attributes({}, settings))
