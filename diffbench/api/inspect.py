"""Inspection of a model at hand: what `diffbench inspect` measures, of a denoiser and images that a program holds."""

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from diffbench.api.arrays import as_array
from diffbench.api.results import Results, load_results
from diffbench.conventions import SIGMA_MAX, DiffbenchError
from diffbench.data.scales import Ends
from diffbench.inspection.inspecting import inspect_model
from diffbench.inspection.options import Inspection
from diffbench.settings.data import Layout
from diffbench.settings.models import Scale

FACTORY = "python:denoiser"
"""In the place of the factory that the command line names: the model's name in messages."""

Both = tuple[ArrayLike, ArrayLike]
"""What belongs to the images, of those that train and of those that are held out."""


def inspect(
    denoiser: Callable[..., Any],
    train: ArrayLike | str | PathLike[str],
    held_out: ArrayLike | str | PathLike[str],
    out: str | PathLike[str],
    *,
    name: str = "denoiser",
    images: str | None = None,
    layout: Layout | None = None,
    labels: str | Both | None = None,
    conditions: str | Both | None = None,
    scale: Scale = "minus-one-one",
    pixel_range: Ends | None = None,
    quick: bool = False,
    samples: int | None = None,
    sigma_max: float = SIGMA_MAX,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> Results:
    """Measure one model that was trained elsewhere: gap, overlap, memorization, quality, and who is at risk.

    denoiser: D(x, sigma, label), from x (b, C, H, W) = x0 + sigma n and sigma (b,) an estimate of x0, of x's shape;
    label is an int64 (b,) where there are labels, a float32 (b, *c) where there are conditions, else None. A torch
    module is moved to the device, frozen, and put into evaluation mode.
    train: all images that it was trained on, (n, H, W), (n, C, H, W) or (n, H, W, C), as an array, or a file or folder
    of them; held_out: images like these that it was not trained on. images: name of the array where files hold several.
    layout: the axes of each image, where shapes do not tell: CHW, HWC or HW.
    labels, conditions: class labels (n,), or vectors (n, *c), that the model is conditioned on, of both sets; or the
    name of such an array in the files.
    scale, pixel_range: which pixels the model knows, and which values of the images are -1 (or 0) and 1 to it, (0, 255)
    if left out. quick: a first answer, from a small part. out: a new folder, or an earlier inspection, to be
    overwritten.

    Returns the results, as of `load_results`; the report is `results.folder / "report/index.html"`, and beside it lies
    `privacy.html`. What goes on is told on standard error. DiffbenchError for what cannot be measured; it names options
    as the command line has them.
    """
    if not callable(denoiser):
        raise DiffbenchError(f"denoiser: a function D(x, sigma, label) is expected (got {denoiser!r})")
    beside = {name: value for name, value in (("labels", labels), ("conditions", conditions)) if value is not None}
    with TemporaryDirectory(prefix="diffbench-") as folder:
        given, names = _as_files(Path(folder), {"train": train, "held_out": held_out}, images, beside)
        inspection = Inspection(
            model=FACTORY,
            train=given["train"],
            held_out=given["held_out"],
            images=names.get("images"),
            labels=names.get("labels"),
            conditions=names.get("conditions"),
            out=Path(out),
            name=name,
            layout=layout,
            granularity="classes" if "labels" in beside and "conditions" not in beside else None,
            scale=scale,
            range=None if pixel_range is None else ",".join(map(str, pixel_range)),
            quick=quick,
            samples=samples,
            sigma_max=sigma_max,
            device=device,
        )
        return load_results(inspect_model(inspection, denoiser))


def _as_files(
    folder: Path, sets: Mapping[str, Any], images: str | None, beside: Mapping[str, Any]
) -> tuple[dict[str, Path], dict[str, str]]:
    """Where either set lies, arrays in new files, and how the arrays in them are called.

    DiffbenchError if one set is an array and the other lies on disk, or if what belongs to them is given otherwise.
    """
    on_disk = {isinstance(each, str | PathLike) for each in sets.values()}
    if on_disk == {True}:
        names = {"images": images} | dict(beside)
        if wrong := [name for name, value in beside.items() if not isinstance(value, str)]:
            raise DiffbenchError(f"{wrong[0]}: name the array in the files of train and held_out")
        return {key: Path(each) for key, each in sets.items()}, {key: name for key, name in names.items() if name}
    if on_disk != {False}:
        raise DiffbenchError("train, held_out: give both as arrays, or both as paths")
    if wrong := [name for name, value in beside.items() if isinstance(value, str) or len(value) != len(sets)]:
        raise DiffbenchError(f"{wrong[0]}: give two arrays, one of the training images and one of the held-out images")
    for number, (key, each) in enumerate(sets.items()):
        arrays: dict[str, Any] = {name: as_array(name, value[number]) for name, value in beside.items()}
        np.savez(folder / f"{key}.npz", images=as_array(key, each), **arrays)
    return {key: folder / f"{key}.npz" for key in sets}, {name: name for name in ("images", *beside)}
