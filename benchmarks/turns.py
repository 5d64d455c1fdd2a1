"""Shared by the benchmarks: options, clocks, measurements that take turns, and one or two threads.

Ratios are medians over rounds, in each of which every method is measured once: a slow moment of the machine falls on
neighbours alike. Their spread is the middle half of the rounds.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np
import torch

THREADS = (1, 2)
Key = TypeVar("Key", bound=Hashable)


def options(description: str | None) -> argparse.ArgumentParser:
    """A parser of the option that every benchmark takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--smoke", action="store_true", help="small sizes, few rounds: does it run? its ratios say little"
    )
    return parser


def seconds(action: Callable[[], Any]) -> float:
    """CPU time with one thread, which other load does not touch; else time on the clock: waiting threads spin."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    action()
    return clock() - start


def best(action: Callable[[], Any], repeats: int) -> float:
    """Least seconds of several calls: what the machine can do."""
    return min(seconds(action) for _ in range(repeats))


def take_turns(measures: dict[Key, Callable[[], float]], rounds: int) -> dict[Key, list[float]]:
    """Seconds of each measure by round, after one round that does not count."""
    records = [{name: measure() for name, measure in measures.items()} for _ in range(rounds + 1)][1:]
    return {name: [record[name] for record in records] for name in measures}


def ratio(times: list[float], base: list[float]) -> str:
    """Median and middle half of times / base by round, as text that `benchmarks/run` reads."""
    low, middle, high = np.quantile(np.divide(times, base), [0.25, 0.5, 0.75])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def left_out(method: str, package: str) -> str:
    """The line of a peer that is not installed, which `benchmarks/run` reports as not run."""
    return f"  {method:<28} left out: {package} is not installed; pip install -e '.[benchmark]'"


def product_rate() -> float:
    """Operations per second of a large matrix product: a floor that everything can be held against."""
    matrix = torch.randn(1024, 1024)
    return 2 * 1024**3 / best(lambda: matrix @ matrix, 7)


def with_threads(main: Callable[[], None]) -> None:
    """Run main with as many threads as the command line says, or in a fresh process with 1 and then with 2.

    The smoke run leaves out 2.
    """
    parser = options(sys.modules[main.__module__].__doc__)
    parser.add_argument("threads", nargs="?", type=int)
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
        main()
        return
    for threads in THREADS[:1] if given.smoke else THREADS:
        subprocess.run([sys.executable, *sys.argv, str(threads)], check=True)
