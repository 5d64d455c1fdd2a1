"""What the tables of the summary hold of one file: its estimates, as numbers and as lines of a CSV."""

import csv
import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from diffbench.files import estimates
from diffbench.files.estimates import Estimate
from diffbench.files.store import StageFile
from diffbench.study.lineage import FACTORS as FACTOR_TYPES

FACTORS = ["model", "train_size", "granularity", "seed", "step", "guidance"]
ESTIMATE = ["sigma", "measure", "space", "value", "low", "high", "n", "reason"]
PROVENANCE = ["wall_seconds", "peak_memory_mb", "device"]
NUMBERS = ("value", "low", "high")


@dataclass(frozen=True, eq=False)
class Labels:
    """What each row of a file is of. Files of a kind share it, as a rule."""

    measures: tuple[str, ...]
    spaces: tuple[str, ...]
    sigmas: tuple[float, ...]  # nan for scalars

    @cached_property
    def scalars(self) -> dict[str, int]:
        """Rows of scalars, by measure."""
        return {
            name: row
            for row, (name, sigma) in enumerate(zip(self.measures, self.sigmas, strict=True))
            if sigma != sigma
        }

    @cached_property
    def curves(self) -> dict[str, dict[float, int]]:
        """Rows of curves, by measure and noise level."""
        found: dict[str, dict[float, int]] = {}
        for row, (name, sigma) in enumerate(zip(self.measures, self.sigmas, strict=True)):
            if sigma == sigma:
                found.setdefault(name, {})[sigma] = row
        return found

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """Their part of each line of a CSV."""
        rows = zip(self.sigmas, self.measures, self.spaces, strict=True)
        return tuple(f"{_number(sigma)},{quoted(measure)},{quoted(space)}," for sigma, measure, space in rows)

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """The same as columns of HDF5."""
        return {
            "sigma": np.array(self.sigmas, float),
            "measure": encoded(self.measures),
            "space": encoded(self.spaces),
        }


@dataclass(frozen=True, eq=False)
class Rows:
    """The estimates of a file, one a row."""

    labels: Labels
    numbers: np.ndarray  # (3, rows): value, low, high
    counts: np.ndarray  # (rows,), whole: the n behind each
    reasons: Mapping[int, str]  # by row, where there is one
    made: Mapping[str, Any]  # PROVENANCE

    def scalar(self, measure: str) -> Estimate | None:
        """A scalar, None where the file has none of that name."""
        row = self.labels.scalars.get(measure)
        return None if row is None else self.estimate(row)

    @property
    def scalars(self) -> Iterator[tuple[str, Estimate]]:
        """All scalars, by measure."""
        return ((measure, self.estimate(row)) for measure, row in self.labels.scalars.items())

    def curve(self, measure: str) -> dict[float, Estimate]:
        """A curve by noise level, empty where the file has none."""
        return {sigma: self.estimate(row) for sigma, row in self.labels.curves.get(measure, {}).items()}

    def estimate(self, row: int) -> Estimate:
        """What a row says."""
        value, low, high = self.numbers[:, row].tolist()
        return Estimate(value, low, high, int(self.counts[row]), self.reasons.get(row, ""))

    def lines(self, factors: Mapping[str, str]) -> bytes:
        """Its lines of a table as CSV, as pandas writes them."""
        own = "".join(f"{quoted(text)}," for text in typed_texts(factors))
        ends = [""] * len(self.counts)
        for row, reason in self.reasons.items():
            ends[row] = quoted(reason)
        texts = [["" if number != number else repr(number) for number in column] for column in self.numbers.tolist()]
        parts = zip(self.labels.lines, *texts, self.counts.tolist(), ends, strict=True)
        lines = [f"{own}{start}{value},{low},{high},{n},{reason}" for start, value, low, high, n, reason in parts]
        return "".join([line + os.linesep for line in lines]).encode()


def columns_of(parts: Sequence[tuple[Mapping[str, str], Rows]]) -> dict[str, np.ndarray]:
    """Rows of files, each with its factors, as columns of HDF5 in the order of FACTORS and ESTIMATE."""
    lengths = [len(rows.counts) for _, rows in parts]
    texts = zip(*(typed_texts(factors) for factors, _ in parts), strict=True)
    values = [
        encoded(each) if FACTOR_TYPES[name] is str else np.array(each, np.int64)
        for name, each in zip(FACTORS, texts, strict=True)
    ]
    columns = {name: np.repeat(each, lengths) for name, each in zip(FACTORS, values, strict=True)}
    for name in ("sigma", "measure", "space"):
        columns[name] = np.concatenate([rows.labels.columns[name] for _, rows in parts])
    numbers = np.concatenate([rows.numbers for _, rows in parts], axis=1)
    columns |= dict(zip(NUMBERS, numbers, strict=True))
    return columns | {"n": np.concatenate([rows.counts for _, rows in parts]), "reason": _reasons(parts)}


def _reasons(parts: Sequence[tuple[Mapping[str, str], Rows]]) -> np.ndarray:
    starts = np.cumsum([0, *(len(rows.counts) for _, rows in parts)]).tolist()
    given = {
        start + row: reason.encode()
        for start, (_, rows) in zip(starts, parts, strict=False)
        for row, reason in rows.reasons.items()
    }
    column = np.zeros(starts[-1], f"S{max(map(len, given.values()), default=1)}")
    if given:
        column[list(given)] = list(given.values())
    return column


def typed_texts(factors: Mapping[str, str]) -> list[str]:
    """Values of FACTORS as tables have them; empty where a file has no such factor."""
    return [str(FACTOR_TYPES[name](factors[name])) if name in factors else "" for name in FACTORS]


@lru_cache(maxsize=10_000)
def quoted(text: str) -> str:
    """A text as a field of a CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator=os.linesep).writerow([text, ""])
    return line.getvalue().removesuffix(f",{os.linesep}")


def _number(number: float) -> str:
    return "" if number != number else repr(number)


def encoded(texts: Sequence[str]) -> np.ndarray:
    """Texts as UTF-8 of one width."""
    return np.array([text.encode() for text in texts] or [b""])[: len(texts)]


def rows_of(file: StageFile) -> Rows:
    """The estimates in a file, in the order of `estimates.rows`. DiffbenchError where it lacks an array of them."""
    scalars, curves = estimates.has_scalars(file), estimates.has_curves(file)
    names = list(file["measure"]) if scalars else []
    spaces = list(file["space"]) if names else []
    sigmas = [math.nan] * len(names)
    if curves:
        levels = file["sigma"].tolist()
        names += [name for name in file["curve"] for _ in levels]
        spaces += [space for space in estimates.curve_spaces(file) for _ in levels]
        sigmas += levels * len(file["curve"])

    def column(field: str) -> np.ndarray:
        parts = [file[field]] if scalars else []
        parts += [file[f"curve_{field}"].ravel()] if curves else []
        return np.concatenate(parts) if parts else np.zeros(0)

    return Rows(
        Labels(tuple(names), tuple(spaces), tuple(sigmas)),
        np.array([column(field) for field in NUMBERS], float),
        column("n").astype(np.int64),
        {row: reason for row, reason in enumerate(column("reason").tolist()) if reason},
        {name: file.attributes[name] for name in PROVENANCE},
    )
