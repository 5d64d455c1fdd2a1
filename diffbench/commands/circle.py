"""Circle: the peak of the denoising gap on the symmetric circle of the 2D laboratory, by quadrature."""

import json as json_format
import logging
import math
from typing import Annotated

from diffbench.lab.circle import find_peak, symmetric_curve
from diffbench.lab.quadrature import TOLERANCE

log = logging.getLogger(__name__)


def run(
    points: Annotated[int, "points on the circle of radius 10, even; half of them train"],
    delta: Annotated[float, "error scale of the denoiser, > 0"],
    guide_delta: Annotated[float | None, "error scale of the denoiser to be guided away from"] = None,
    guidance: Annotated[float, "guidance weight; 0 is off"] = 0.0,
    json: Annotated[bool, "print JSON, undefined values as null"] = False,
) -> None:
    """Print the peak gap, where it lies, and the mean errors of training and validation points there."""
    curve = symmetric_curve(points, delta, guide_delta, guidance)
    if curve.change.max() > TOLERANCE:
        log.warning("the quadrature still changes by %.1e at its finest; delta is very small", curve.change.max())
    peak = find_peak(curve)._asdict()
    if json:
        print(json_format.dumps({name: None if math.isnan(value) else value for name, value in peak.items()}))
        return
    for name, value in peak.items():
        text = "undefined (no gap above rounding)" if math.isnan(value) else format(value, ".6g")
        print(f"{name:<18} {text}")
