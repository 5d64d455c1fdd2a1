"""Decode: the samples of a cell, drawn as latents, as pictures."""

from pathlib import Path

from diffbench.conventions import DiffbenchError
from diffbench.data.scaling import Scaling
from diffbench.data.stored_images import read_scaled
from diffbench.denoisers.decoder import load_decoder
from diffbench.devices import pick_device
from diffbench.files import provenance, store
from diffbench.study.specs import DecodeSpec


def run(spec: DecodeSpec, data: Path, pixels: Path, samples: Path, out: Path, device: str = "auto") -> None:
    """Decode the samples, and write them in the scale of the pictures in `pixels`."""
    latents = Scaling.of(store.header(data, "data", spec.inputs.get("data")).attributes)
    others = store.header(pixels, "pixels", spec.inputs.get("pixels"))
    drawn = store.read(samples, "sample", spec.inputs.get("samples"))
    where = pick_device(device)
    pictures = load_decoder(spec.decoder, where).decoded(latents.raw(drawn["samples"]))
    if pictures.shape[1:] != others["pool"].shape[1:]:
        shapes = f"samples become {pictures.shape[1:]}, training images {others['pool'].shape[1:]}"
        raise DiffbenchError(f"decoder '{spec.decoder.factory}': {shapes}; it must give pictures of one shape")
    scaled = read_scaled(pictures, slice(None), Scaling.of(others.attributes))
    variables = {"samples": store.Variable(scaled, ("sample", "channel", "row", "column"), "decoded samples, scaled")}
    attributes = provenance.attributes(spec.factors, spec.decoder.model_dump(), str(where))
    store.write(out, "decode", variables, attributes, spec.fingerprint)
