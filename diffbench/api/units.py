"""Units of what files hold: raw values as images were given, or the scaled ones that networks and measures work on."""

from collections.abc import Callable
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from diffbench.data.scaling import Scaling
from diffbench.files.estimates import DECODED
from diffbench.study import layout
from diffbench.study.layout import Kind

if TYPE_CHECKING:
    import xarray as xr

RAW, SCALED, SQUARED = "raw", "scaled", "scaled^2"

LENGTHS = ("samples", "*sigma", "distance", f"distance{DECODED}", "isolation", "norm_*", "reference_*")
IMAGES = dict.fromkeys(("pool", "validation", "unseen"), RAW)
UNITS = {
    layout.DATA: IMAGES,
    layout.PIXELS: IMAGES,
    layout.EQUIVALENT: {"sigma": RAW},
    **dict.fromkeys(
        (layout.OPTIMUM, layout.DENOISE, layout.SAMPLES, layout.DECODED, layout.MEMORIZATION, layout.OVERLAP),
        dict.fromkeys(LENGTHS, SCALED) | dict.fromkeys(("loss_*", "wiener_*"), SQUARED),
    ),
}
"""Units of pixels, of lengths among images and of noise levels, by kind and name; all else has none."""


def tell_units(opened: "xr.Dataset", kind: Kind, scaling: Callable[[Kind], Scaling]) -> None:
    """Give variables of pixels, lengths and noise levels their units, with `mean` and `scale` that lead to the others.

    scaling: that of the images in a data file, or of pictures that latents were decoded to.
    """
    for name, variable in opened.variables.items():
        for pattern, unit in UNITS.get(kind, {}).items():
            if fnmatch(str(name), pattern):
                of_pictures = kind in (layout.PIXELS, layout.DECODED) or str(name).endswith(DECODED)
                known = scaling(layout.PIXELS if of_pictures else layout.DATA)
                variable.attrs |= {"units": unit} | known.attributes
