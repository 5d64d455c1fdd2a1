"""Estimates: a value with its interval, and how they lie in stage files.

Scalars lie along `measure`, curves over noise levels along `curve` x `sigma`.

One layout for all stages: a new measure is written, tabulated and charted without another line here.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffbench.files.store import StageFile, Variable

PIXELS = "pixels"
"""Name of the feature space that is the images themselves."""

LATENTS = "latents"
"""The same where the images are latents."""

DECODED = "_decoded"
"""End of the name of a measure of latents that was measured between what these are decoded to, too."""

FIELDS = {
    "value": "estimate; nan where undefined",
    "low": "lower end of the 95 % interval",
    "high": "upper end of the 95 % interval",
    "n": "number of images, pairs or seeds behind the value",
    "reason": "why the value is undefined",
}


@dataclass(frozen=True)
class Estimate:
    """A value, its interval and the number of images (or pairs, seeds) behind it; undefined: nan and a reason.

    The interval is two-sided at conventions.CONFIDENCE.
    """

    value: float
    low: float
    high: float
    n: int
    reason: str = ""


def undefined(reason: str, n: int) -> Estimate:
    """An estimate that has no value, and why."""
    return Estimate(math.nan, math.nan, math.nan, n, reason)


def scalar_variables(
    estimates: Mapping[str, Estimate], spaces: Mapping[str, str] | None = None, own: str = PIXELS
) -> dict[str, Variable]:
    """Estimates by name as variables over the dimension `measure`.

    spaces: the feature space that an estimate was measured in, by the estimate's name, where it is not `own`.
    """
    named = np.array([(spaces or {}).get(name, own) for name in estimates])
    variables = {
        "measure": Variable(np.array(list(estimates)), ("measure",), "name of the measure"),
        "space": Variable(named, ("measure",), "feature space in which images were compared"),
    }
    for field, text in FIELDS.items():
        values = np.array([getattr(estimate, field) for estimate in estimates.values()])
        variables[field] = Variable(values, ("measure",), text)
    return variables


def curve_variables(curves: Mapping[str, Sequence[Estimate]], own: str = PIXELS) -> dict[str, Variable]:
    """Estimates per noise level, all in the space `own`, as variables over `curve` x `sigma`.

    The caller writes `sigma`. The space is named where it is not pixels.
    """
    variables = {"curve": Variable(np.array(list(curves)), ("curve",), "name of the measure")}
    if own != PIXELS:
        text = "feature space in which images were compared"
        variables["curve_space"] = Variable(np.array([own] * len(curves)), ("curve",), text)
    for field, text in FIELDS.items():
        values = np.array([[getattr(estimate, field) for estimate in curve] for curve in curves.values()])
        variables[f"curve_{field}"] = Variable(values, ("curve", "sigma"), text)
    return variables


ARRAYS = ("measure", "space", *FIELDS, "curve", "curve_space", "sigma", *(f"curve_{field}" for field in FIELDS))
"""Names of the arrays that `rows` reads, those that a file has."""


def has_scalars(file: StageFile) -> bool:
    """Whether a file has estimates along `measure`."""
    return bool({"measure", "value"} & file.arrays.keys())


def scalar(file: StageFile, name: str) -> Estimate:
    """The scalar of this name, which the file has."""
    (row,) = np.flatnonzero(file["measure"] == name)
    return Estimate(
        **{field: file[field][row].item() for field in ("value", "low", "high", "n")}, reason=str(file["reason"][row])
    )


def has_curves(file: StageFile) -> bool:
    """Whether a file has estimates along `curve` x `sigma`."""
    return bool({"curve", "curve_value"} & file.arrays.keys())


def curve(file: StageFile, name: str, sigmas: Iterable[float]) -> list[Estimate]:
    """The curve of this name, which the file has, at some of its noise levels."""
    (row,) = np.flatnonzero(file["curve"] == name)
    places = [int(np.flatnonzero(file["sigma"] == sigma)[0]) for sigma in sigmas]
    columns = [file[f"curve_{field}"][row][places].tolist() for field in FIELDS]
    return [Estimate(*values) for values in zip(*columns, strict=True)]


def curve_spaces(file: StageFile) -> list[str]:
    """The space that each of the curves was measured in."""
    return list(file.arrays.get("curve_space", [PIXELS] * len(file["curve"])))


def rows(file: StageFile) -> Iterator[dict[str, Any]]:
    """One tidy row per estimate: measure, space, sigma (nan for scalars), value, low, high, n, reason."""
    for index, name in enumerate(file["measure"] if has_scalars(file) else ()):
        fields = {field: file[field][index] for field in FIELDS}
        yield {"measure": name, "space": file["space"][index], "sigma": np.nan} | fields
    for index, name in enumerate(file["curve"] if has_curves(file) else ()):
        for level, sigma in enumerate(file["sigma"]):
            fields = {field: file[f"curve_{field}"][index, level] for field in FIELDS}
            yield {"measure": name, "space": curve_spaces(file)[index], "sigma": sigma} | fields
