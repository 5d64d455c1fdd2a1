"""What seals cost: reading and writing with them against without, and their share of a finished study's time.

python benchmarks/seals.py [--smoke] [results/NAME ...]
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
from turns import options

from diffbench.files import checkpoint, store
from diffbench.files.sealed import check, fingerprint_at
from diffbench.study import layout

ROUNDS = 7
READERS = 3
"""Jobs that read each byte of a study whole: samples and checkpoints have two or three, all others fewer."""


def median(act: Callable[[], object], rounds: int) -> float:
    """Seconds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def without_seals() -> None:
    """Leave writers without the step that seals."""
    store.seal = checkpoint.seal = lambda *_: None


def unsealed(path: Path) -> list[np.ndarray]:
    """All arrays of an HDF5 file, read by h5py alone."""
    with h5py.File(path) as file:
        return [item[()] for item in file.values() if isinstance(item, h5py.Dataset)]


def compare(folder: Path, rounds: int) -> None:
    """Ratios of writing and reading a stage file of 48 MB and a checkpoint of 48 MB."""
    images = np.random.default_rng(0).integers(0, 256, (16_000, 3, 32, 32), dtype=np.uint8)
    variables = {"pool": store.Variable(images, ("image", "c", "y", "x"), "images", compressed=False)}
    weights = {"weight": torch.randn(4_000_000)}
    state = {"step": 1, "settings": "", "weights": weights, "ema": weights, "optimizer": {"m": torch.randn(4_000_000)}}
    writes = {
        "stage file": lambda: store.write(folder / "data.h5", "data", variables, {}),
        "checkpoint": lambda: checkpoint.write_checkpoint(folder / "checkpoint.pt", state),
    }
    reads = {
        "stage file": (lambda: store.read(folder / "data.h5", "data"), lambda: unsealed(folder / "data.h5")),
        "checkpoint": (
            lambda: checkpoint.read_checkpoint(folder / "checkpoint.pt"),
            lambda: torch.load(folder / "checkpoint.pt", weights_only=True),
        ),
    }
    sealed_writes = {name: median(write, rounds) for name, write in writes.items()}
    for name, (with_seal, plain) in reads.items():
        print(f"read a {name} of 48 MB: {median(with_seal, rounds) / median(plain, rounds):.2f} x the plain library")
    without_seals()
    for name, write in writes.items():
        print(f"write a {name} of 48 MB: {sealed_writes[name] / median(write, rounds):.2f} x without a seal")


def share(results: Path) -> None:
    """Seconds that sealing a study's files and comparing each READERS times takes, as a share of its jobs'."""
    files = [path for path in results.rglob("*") if layout.place_of(path.relative_to(results).as_posix())]
    began = time.perf_counter()
    for path in files:
        check(path, fingerprint_at(path) or "")
    seconds = (1 + READERS) * (time.perf_counter() - began)
    jobs = float(pd.read_csv(results / layout.table("costs"))["cpu_seconds"].sum())
    size = sum(path.stat().st_size for path in files) / 1e6
    print(
        f"{results}: {len(files)} files, {size:.0f} MB: {seconds:.2f} s of {jobs:.0f} s of jobs: {seconds / jobs:.2%}"
    )


def main() -> None:
    """Ratios on made-up files, and the shares in the results that are named."""
    parser = options(__doc__)
    parser.add_argument("results", nargs="*", type=Path)
    given = parser.parse_args()
    for results in given.results:
        share(results)
    with tempfile.TemporaryDirectory() as temporary:
        compare(Path(temporary), 1 if given.smoke else ROUNDS)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
