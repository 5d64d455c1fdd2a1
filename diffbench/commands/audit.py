"""Audit: which samples are copies of training images, from array files or folders, without a study."""

import json as json_format
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

from diffbench.conventions import DiffbenchError
from diffbench.data.image_set import ImageSet, read_image_set
from diffbench.data.raw_images import are_latents
from diffbench.data.scales import parse_range, scale_of
from diffbench.files import provenance, store
from diffbench.files.estimates import DECODED, LATENTS, PIXELS, scalar_variables
from diffbench.files.fingerprint import fingerprint_of, hashes_of
from diffbench.files.surroundings import title_of
from diffbench.measures.audit import Audit, audit, with_pictures
from diffbench.measures.battery import extraction_variables
from diffbench.settings.data import Decoder, Layout

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
    decoder: Annotated[str | None, "of latents: package.module:factory, which returns a function of them"] = None,
    decoder_weights: Annotated[str | None, "file or folder that its factory gets as `weights`"] = None,
    decoder_arguments: Annotated[str, "keywords of its factory, a JSON object"] = "{}",
    layout: Annotated[str | None, "axes of each image where shapes do not tell them: CHW, HWC or HW"] = None,
    name: Annotated[str | None, "title of the page, any text"] = None,
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
    locations = {"samples": samples, "train": train, "validation": validation}
    axes = _layout(layout)
    sets = {
        name: read_image_set(name, location, ends.get(name), name == "samples", axes)
        for name, location in locations.items()
        if location is not None
    }
    settings: dict[str, object] = {} if name is None else {"name": title_of(name)}
    settings |= {images.name: images.origin for images in sets.values()}
    settings |= {"scales": {images.name: images.values for images in sets.values()}}
    if decoder is None:
        shown, audited = sets, _audit(sets, LATENTS if are_latents(sets["train"].shape) else PIXELS)
    else:
        named = _decoder(decoder, decoder_weights, decoder_arguments)
        shown = _decoded(sets, named)
        audited = with_pictures(_audit(sets, LATENTS), _audit(shown))
        content = {} if named.weights is None else {"content": fingerprint_of(hashes_of(named.weights))}
        settings |= {"decoder": named.model_dump() | content}
    _write(out, audited, settings)
    from diffbench.report.pages.audit import write_audit_page  # the charts' libraries take a second to start

    page = out.with_suffix(".html")
    write_audit_page(page, audited, shown["samples"], shown["train"], shown.get("validation"), title_of(name or ""))
    if json:
        for note in audited.notes:
            print(f"note: {note}", file=sys.stderr)
        print(json_format.dumps(as_json(audited)))
        return
    print("\n".join([*_lines(audited), "", f"Wrote {out} and {page}"]))


def _audit(sets: Mapping[str, ImageSet], own: str = PIXELS) -> Audit:
    return audit(sets["samples"], sets["train"], sets.get("validation"), own=own)


def _decoder(name: str, weights: str | None, arguments: str) -> Decoder:
    """The decoder that the options name."""
    try:
        keywords = json_format.loads(arguments)
    except ValueError as error:
        raise DiffbenchError(f"--decoder-arguments: not JSON ({error})") from None
    return Decoder.parse({"import": name, "weights": weights, "arguments": keywords}, "--decoder")


def _decoded(sets: Mapping[str, ImageSet], definition: Decoder) -> dict[str, ImageSet]:
    """The pictures of latents, which are all on one scale, since one decoder made them."""
    from diffbench.denoisers.decoder import load_decoder  # torch takes two seconds to start
    from diffbench.devices import pick_device

    for images in sets.values():
        if images.black_and_white is not None or len(images.shape) != 3:
            raise DiffbenchError(f"{images.name}: --decoder takes latents (n, C, H, W) of floats, without a range")
    decoder = load_decoder(definition, pick_device("auto"))
    pictures = {name: decoder.decoded(images.flat.reshape(-1, *images.shape)) for name, images in sets.items()}
    scale = scale_of(pictures["train"], DiffbenchError)
    return {
        name: ImageSet(name, f"{sets[name].origin}, decoded", each.reshape(len(each), -1), each.shape[1:], scale)
        for name, each in pictures.items()
    }


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


def _write(out: Path, audited: Audit, settings: dict[str, object]) -> None:
    variables = scalar_variables(audited.estimates, audited.spaces) | _pair_variables(audited)
    if audited.pictures is not None:
        variables |= {f"{name}{DECODED}": each for name, each in _pair_variables(audited.pictures).items()}
    variables |= extraction_variables(audited.battery.extraction, audited.battery.floor_extraction)
    settings |= {"notes": list(audited.notes)}
    store.write(out, "audit", variables, provenance.attributes({}, settings))


def _pair_variables(audited: Audit) -> dict[str, store.Variable]:
    return {
        "nearest": store.Variable(audited.nearest, ("sample",), "index of the nearest training image"),
        "distance": store.Variable(
            audited.distances, ("sample", "rank"), "L2 distance to the nearest training image, and to the next"
        ),
        "suspicious": store.Variable(audited.suspicious, ("order",), "indices of samples, most suspicious first"),
    }
