"""Whether two folders of results hold the same, bit for bit, but for what a run took and where and when it was."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

OF_A_JOB = {
    *("wall_seconds", "peak_memory_mb", "git_commit", "train_seconds", "train_flops_per_second", "train_memory"),
    *("sample_seconds", "sample_images_per_second", "sample_flops_per_second", "sample_memory"),
    *(f"{of}_seconds_{what}" for of in ("train", "sample") for what in ("change", "price", "price_low", "price_high")),
}
"""Attributes of files, and columns, that tell what a job took, and in which state of a source tree."""
OF_A_RUN = (
    *("*.cost.json", "summary/costs.csv", "summary/manifest.json", ".lock", ".rows", "logs/**/*", "report/*.html"),
    "report/data/cost-against-outcome.csv",
)
"""Files that tell what a run took, or hold that beside all else. The pages' numbers are compared as CSV."""


def differences(one: Path, other: Path) -> list[str]:
    """Files that one of two folders of results lacks, and what differs in the others."""
    names = _names(one)
    lacking = sorted(f"{name}: in one alone" for name in names ^ _names(other))
    return lacking + [each for name in sorted(names & _names(other)) for each in _differing(name, one, other)]


def _names(results: Path) -> set[str]:
    files = {path for path in results.rglob("*") if path.is_file()}
    left_out = {path for pattern in OF_A_RUN for path in results.glob(f"**/{pattern}")}
    return {path.relative_to(results).as_posix() for path in files - left_out}


def _differing(name: str, one: Path, other: Path) -> Iterator[str]:
    read = {".h5": _contents, ".csv": _columns}.get(Path(name).suffix, _bytes)
    first, second = read(one / name), read(other / name)
    yield from (f"{name}: {key}" for key in sorted(first.keys() | second.keys()) if first.get(key) != second.get(key))


def _bytes(path: Path) -> dict[str, Any]:
    return {"bytes": path.read_bytes()}


def _columns(path: Path) -> dict[str, Any]:
    """Columns of a table as they are written, but for those of a job alone."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return {f"column {name}": list(table[name]) for name in table if name not in OF_A_JOB}


def _contents(path: Path) -> dict[str, Any]:
    """Bytes of all arrays, and attributes of the file, by their names."""
    with h5py.File(path) as file:
        found = {f"attribute {name}": str(value) for name, value in file.attrs.items() if name not in OF_A_JOB}
        file.visititems(lambda name, item: found.update(_array(name, item)))
    return found


def _array(name: str, item: Any) -> dict[str, Any]:
    if not isinstance(item, h5py.Dataset):
        return {}
    values = np.asarray(item[()])
    content = json.dumps(values.tolist(), default=str) if values.dtype == object else values.tobytes()
    return {name: (str(values.dtype), values.shape, content)}
