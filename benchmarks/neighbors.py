"""Exact neighbours against faiss and scikit-learn: time as ratios, error on near copies. One run, one thread.

    python benchmarks/neighbors.py [--smoke] [queries references dimensions]

The peer faiss-cpu is in the extra "benchmark". The data are Gaussian images of standard deviation 0.5; near copies
differ by 1e-3 per pixel. The floor is the matrix product of both sets in float32.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits
from turns import left_out, options, ratio, seconds, take_turns

from diffbench.measures.neighbors import nearest

ROUNDS = 5
SIZES, SMOKE_SIZES = (3000, 15000, 3072), (200, 2000, 512)
OURS = "diffbench nearest"
Search = Callable[[Any, Any], Any]


def by_faiss(queries: Any, references: Any) -> Any:
    """Distances by faiss's exact index."""
    import faiss  # pyright: ignore[reportMissingImports] (a peer)

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


def product(queries: Any, references: Any) -> Any:
    """The floor: no search that looks at all pairs of images costs less."""
    return references @ queries.T


def worst_error(distances: Any, exact: Any) -> float:
    """Largest relative error of d1 and d2."""
    return float(np.abs(distances / exact - 1).max())


def methods() -> dict[str, Search]:
    """All searches that are installed, by name."""
    searches = {OURS: by_diffbench, "scikit-learn brute": by_sklearn}
    if find_spec("faiss"):
        searches["faiss IndexFlatL2"] = by_faiss
    else:
        print(left_out("faiss IndexFlatL2", "faiss-cpu"))
    return searches


def compare(searches: dict[str, Search], queries: Any, references: Any, rounds: int) -> None:
    """Seconds of all searches and of the floor, which take turns."""
    actions = {**searches, "matrix product alone": product}
    times = take_turns(
        {name: lambda action=action: seconds(lambda: action(queries, references)) for name, action in actions.items()},
        rounds,
    )
    for name, values in times.items():
        line = f"  {name:<22} {np.median(values):8.3f} s CPU"
        print(line if name == OURS else f"{line}   diffbench takes {ratio(times[OURS], values)} times as long")


def copies(searches: dict[str, Search], rng: np.random.Generator, references: Any) -> None:
    """Errors on near and on exact copies."""
    near = references[:200] + rng.normal(0, 1e-3, references[:200].shape).astype(np.float32)
    exact = [np.sort(np.sqrt(((references.astype(float) - copy.astype(float)) ** 2).sum(1)))[:2] for copy in near]
    print("near copies at 1e-3 per pixel, worst relative error of d1 and d2; exact copies, largest d1")
    for name, method in searches.items():
        error, largest = worst_error(method(near, references), np.stack(exact)), method(references[:200], references)
        print(f"  {name:<22} {error:.1e}   {largest[:, 0].max():.1e}")


def main() -> None:
    """Time, then exactness."""
    parser = options(__doc__)
    parser.add_argument("sizes", nargs="*", type=int, help="queries, references, dimensions")
    given = parser.parse_args()
    count, references_count, dimensions = given.sizes or (SMOKE_SIZES if given.smoke else SIZES)
    rng = np.random.default_rng(0)
    references = rng.normal(0, 0.5, (references_count, dimensions)).astype(np.float32)
    queries = rng.normal(0, 0.5, (count, dimensions)).astype(np.float32)
    print(f"two neighbours of {count:,} queries among {references_count:,} references, {dimensions:,} dimensions")
    searches = methods()
    compare(searches, queries, references, 2 if given.smoke else ROUNDS)
    copies(searches, rng, references[:2000])


if __name__ == "__main__":
    torch.set_num_threads(1)
    with threadpool_limits(limits=1):
        main()
