"""Shared by the benchmarks of training and sampling: clocks, measurements that take turns, and one or two threads.

Ratios are medians over rounds, in each of which every method is measured once: a slow moment of the machine falls on
neighbours alike. Their spread is the middle half of the rounds.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np
import torch

THREADS = (1, 2)
Key = TypeVar("Key", bound=Hashable)


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
    """Median and middle half of times / base by round, as text."""
    low, middle, high = np.quantile(np.divide(times, base), [0.25, 0.5, 0.75])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def product_rate() -> float:
    """Operations per second of a large matrix product: a floor that everything can be held against."""
    matrix = torch.randn(1024, 1024)
    return 2 * 1024**3 / best(lambda: matrix @ matrix, 7)


def with_threads(main: Callable[[], None]) -> None:
    """Run main with as many threads as the command line says, or in a fresh process with 1 and then with 2."""
    for threads in () if sys.argv[1:] else THREADS:
        subprocess.run([sys.executable, sys.argv[0], str(threads)], check=True)
    if sys.argv[1:]:
        torch.set_num_threads(int(sys.argv[1]))
        main()
