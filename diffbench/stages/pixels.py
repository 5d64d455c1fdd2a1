"""Pixels: the latents of a study as pictures, in a file like that of the data."""

from pathlib import Path

from diffbench.data.scaling import fitted_scaling
from diffbench.denoisers.decoder import load_decoder
from diffbench.devices import pick_device
from diffbench.files import provenance, store
from diffbench.study.specs import PixelsSpec

SETS = {"pool": "image", "validation": "held_out"}
"""Arrays of the data file that are decoded, and their dimension."""


def run(spec: PixelsSpec, data: Path, out: Path, device: str = "auto") -> None:
    """Decode the training pool and the validation images of `data`, and write them, raw, with their scaling."""
    file = store.header(data, "data", spec.inputs.get("data"))
    where = pick_device(device)
    decoder = load_decoder(spec.decoder, where)
    variables: dict[str, store.Variable] = {}
    for name, dim in SETS.items():
        pictures = decoder.decoded(file[name])
        variables[name] = store.Variable(
            pictures, (dim, "channel", "row", "column"), f"decoded latents: {name}", compressed=False
        )
        text = "true class; 0 where there are none"
        variables[f"{name}_class"] = store.Variable(file[f"{name}_class"][:], (dim,), text)
    scaling = fitted_scaling(variables["pool"].values)
    known = {key: file.attributes[key] for key in ("classes", "class_names")}
    attributes = provenance.attributes({}, spec.model_dump(exclude={"inputs"}), str(where))
    store.write(out, "pixels", variables, attributes | scaling.attributes | known, spec.fingerprint)
