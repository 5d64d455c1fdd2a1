"""Exact neighbours against faiss and scikit-learn: time as ratios, error on near copies. One run, one thread.

    python benchmarks/neighbors.py [queries] [references] [dimensions]

Needs faiss-cpu. The data are Gaussian images of standard deviation 0.5; near copies differ by 1e-3 per pixel.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import faiss  # pyright: ignore[reportMissingImports] (a peer: the extra "benchmark")
import numpy as np
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from diffbench.measures.neighbors import nearest

REPEATS = 3


def by_faiss(queries: Any, references: Any) -> Any:
    """Distances by faiss's exact index."""
    index = faiss.IndexFlatL2(references.shape[1])
    index.add(references)
    squared, _ = index.search(queries, 2)
    return np.sqrt(np.maximum(squared, 0))


def by_sklearn(queries: Any, references: Any) -> Any:
    """Distances by scikit-learn's brute force."""
    distances, _ = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(references).kneighbors(queries)
    return distances


def by_diffbench(queries: Any, references: Any) -> Any:
    """Distances by the suite's own search."""
    return nearest(queries, references, 2).distances


def seconds(method: Callable[[Any, Any], Any], queries: Any, references: Any) -> float:
    """Time of one search."""
    start = time.perf_counter()
    method(queries, references)
    return time.perf_counter() - start


def worst_error(distances: Any, exact: Any) -> float:
    """Largest relative error of d1 and d2."""
    return float(np.abs(distances / exact - 1).max())


def main() -> None:
    """Take turns, then look at near and exact copies."""
    queries_count, references_count, dimensions = map(int, sys.argv[1:4] or (3000, 15000, 3072))
    rng = np.random.default_rng(0)
    references = rng.normal(0, 0.5, (references_count, dimensions)).astype(np.float32)
    queries = rng.normal(0, 0.5, (queries_count, dimensions)).astype(np.float32)
    methods = {
        "faiss IndexFlatL2": by_faiss,
        "scikit-learn brute": by_sklearn,
        "diffbench nearest": by_diffbench,
    }

    # The methods take turns, so that a slow moment of the machine does not fall on one of them.
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(REPEATS):
        for name, method in methods.items():
            times[name].append(seconds(method, queries, references))
    ours = float(np.median(times["diffbench nearest"]))
    print(f"{queries_count:,} x {references_count:,} x {dimensions:,}, two neighbours, median of {REPEATS}")
    for name, values in times.items():
        print(f"  {name:<20} {np.median(values):6.2f} s   diffbench / this = {ours / np.median(values):.2f}")

    few = references[:2000]
    copies = few[:200] + rng.normal(0, 1e-3, (200, dimensions)).astype(np.float32)
    exact = np.stack([np.sort(np.sqrt(((few.astype(float) - copy.astype(float)) ** 2).sum(1)))[:2] for copy in copies])
    print("near copies at 1e-3 per pixel, worst relative error of d1 and d2")
    for name, method in methods.items():
        print(f"  {name:<20} {worst_error(method(copies, few), exact):.1e}")
    print("exact copies, largest d1")
    for name, method in methods.items():
        print(f"  {name:<20} {method(few[:200].copy(), few)[:, 0].max():.1e}")


if __name__ == "__main__":
    with threadpool_limits(limits=1):
        main()
