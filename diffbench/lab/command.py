"""The subcommand `circle`: the peak of the denoising gap on the symmetric circle."""

import argparse
import json
import logging
import math

from diffbench.lab.circle import find_peak, symmetric_curve
from diffbench.lab.quadrature import TOLERANCE

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `circle`."""
    parser.add_argument(
        "--points", type=int, required=True, help="points on the circle, even; half of them train"
    )
    parser.add_argument(
        "--delta", type=float, required=True, help="error scale of the denoiser, > 0 (radius is 10)"
    )
    parser.add_argument(
        "--guide-delta", type=float, help="error scale of the denoiser to be guided away from"
    )
    parser.add_argument("--guidance", type=float, default=0.0, help="guidance weight w; 0 (default) is off")
    parser.add_argument("--json", action="store_true", help="print JSON; undefined values are null")


def run(args: argparse.Namespace) -> None:
    """Print the peak gap, where it lies, and the mean error norms there."""
    curve = symmetric_curve(args.points, args.delta, args.guide_delta, args.guidance)
    if curve.change.max() > TOLERANCE:
        log.warning(
            "the quadrature still changes by %.1e at its finest; delta is very small", curve.change.max()
        )
    peak = find_peak(curve)._asdict()
    if args.json:
        print(json.dumps({name: None if math.isnan(value) else value for name, value in peak.items()}))
        return
    for name, value in peak.items():
        print(
            f"{name:<18} {'undefined (no gap above rounding)' if math.isnan(value) else format(value, '.6g')}"
        )
