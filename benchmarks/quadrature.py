"""Times the noise-free gap: the sweep of 11 error scales x 120 noise levels, and 10^5 training points.

python benchmarks/quadrature.py [--smoke]
"""

import resource
import time

import numpy as np
from threadpoolctl import threadpool_limits
from turns import options

from diffbench.conventions import karras_sigmas
from diffbench.data.planar import equidistant, sample_true
from diffbench.lab.circle import LEVELS, ideal_denoiser, sweep
from diffbench.lab.ideal import blurred
from diffbench.lab.montecarlo import sampled_gap

POINTS = 20
DELTAS = np.linspace(0.1, 3.0, 11)
MANY = 100_000
QUERIES = 1_000


def monte_carlo_draws(half_width: float, sigma: float, delta: float) -> float:
    """Noise vectors that Monte Carlo needs for an interval of this half width on the gap at one level."""
    both, pilot = equidistant(POINTS), 20_000
    gap = sampled_gap(ideal_denoiser(both[0::2], delta), both[:1], both[1:2], sigma, pilot, seed=0)
    return pilot * ((gap.high - gap.low) / 2 / half_width) ** 2


def main() -> None:
    """Time the sweep, Monte Carlo in its stead, and many training points."""
    smoke = options(__doc__).parse_args().smoke
    deltas, many = (DELTAS[5:6], MANY // 100) if smoke else (DELTAS, MANY)
    began = time.perf_counter()
    rows = list(sweep([POINTS], [float(delta) for delta in deltas]))
    seconds = time.perf_counter() - began
    print(f"sweep of {len(rows)} deltas x {LEVELS} sigmas, {POINTS} points: {seconds:.2f} s (at most 10)")

    draws = monte_carlo_draws(2e-4, 1.184, 1.6)
    sample = equidistant(POINTS)
    began = time.perf_counter()
    sampled_gap(ideal_denoiser(sample[0::2], 1.6), sample[:1], sample[1:2], 1.184, 20_000, seed=0)
    one = (time.perf_counter() - began) * draws / 20_000
    slower = one * len(rows) * LEVELS / seconds
    print(f"Monte Carlo to +-2e-4 at one level: {draws:.1e} draws, {one:.2f} s: for the sweep, {slower:.0f} x its time")

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    train = sample_true("circle-random", many, 0.0, 0)
    queries = sample_true("circle-random", QUERIES, 1.0, 1)
    denoiser = blurred(train, 0.1)
    began = time.perf_counter()
    denoiser(queries, float(karras_sigmas(LEVELS)[-1]))
    seconds = time.perf_counter() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{QUERIES} queries against {many} training points: {seconds:.2f} s, {grown:.0f} MiB more")


if __name__ == "__main__":
    with threadpool_limits(limits=1):
        main()
