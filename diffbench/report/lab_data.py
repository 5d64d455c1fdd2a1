"""What the laboratory's page reads: the topics' files, and those of the models of the plane that the study measured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.data.scaling import Scaling
from diffbench.files import store
from diffbench.files.estimates import rows
from diffbench.files.store import StageFile
from diffbench.report.results import Results
from diffbench.settings.lab import TOPICS, LabSettings
from diffbench.settings.models import Autoguided, Blurred, ModelDefinition


@dataclass(frozen=True)
class Laboratory:
    """Settings and files of the laboratory; what could not be read stands in `missing` with the reason."""

    settings: LabSettings
    topics: Mapping[str, StageFile]
    missing: Mapping[str, str]


def load_laboratory(results: Results) -> Laboratory:
    """Read lab/*.h5. Missing topics do not stop the others."""
    assert results.study.lab is not None
    found, missing = {}, {}
    for topic in TOPICS:
        try:
            found[topic] = store.read(results.folder / "lab" / f"{topic}.h5", "lab")
        except DiffbenchError as error:
            missing[topic] = str(error)
    return Laboratory(results.study.lab, found, missing)


def equivalents(results: Results) -> pd.DataFrame:
    """Equivalent deltas of all trained checkpoints: factors, sigma in raw units, and the fields of an estimate."""
    found = []
    for checkpoint in results.study.checkpoints:
        try:
            file = store.read(results.folder / checkpoint.path / "equivalent.h5", "equivalent")
        except DiffbenchError:
            continue
        found.extend(file.attributes["factors"] | row for row in rows(file))
    return pd.DataFrame(found)


def closed_form_gaps(results: Results, gap: StageFile) -> pd.DataFrame:
    """The norm gap of closed-form models as the ordinary stages measured it, where the quadrature has their setting.

    Columns: model (with its training size), setting (index in `gap`), sigma (raw units), value, low, high.
    """
    found = []
    for checkpoint in results.study.checkpoints:
        run = checkpoint.run
        setting = _setting(results.study.definition(run.model), 2 * run.train_size, gap)
        if setting is None or run.granularity != "none" or results.study.data.name != "circle-symmetric":
            continue
        try:
            file = store.read(results.folder / checkpoint.path / "denoise.h5", "denoise")
        except DiffbenchError:
            continue
        curve = [row for row in rows(file) if row["measure"] == "norm_gap"]
        found.extend({"model": f"{run.model}, n {run.train_size}", "setting": setting} | row for row in curve)
    table = pd.DataFrame(found)
    if len(table):
        table["sigma"] = _scaling(results).raw_lengths(table["sigma"].to_numpy(np.float64))
    return table


def _setting(definition: ModelDefinition, points: int, gap: StageFile) -> int | None:
    """Which setting of the topic a model is, if any."""
    match definition:
        case Blurred(delta=delta):
            wanted = (points, delta, np.nan, 0.0)
        case Autoguided(delta=delta, guide_delta=guide, guidance=weight):
            wanted = (points, delta, guide, weight)
        case _:
            return None
    return next((index for index, setting in enumerate(settings_of(gap)) if _same(setting, wanted)), None)


def settings_of(gap: StageFile) -> Iterator[tuple[float, ...]]:
    """Points, delta, guide delta and guidance of each setting of the topic `gap`."""
    yield from zip(*(gap[name] for name in ("points", "delta", "guide_delta", "guidance")), strict=True)


def _same(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return bool(np.allclose(one, other, equal_nan=True))


def _scaling(results: Results) -> Scaling:
    """Between raw and scaled units, of the study's data."""
    return Scaling.of(store.header(results.folder / "data.h5", "data").attributes)


def tidy(columns: Mapping[str, Any]) -> pd.DataFrame:
    """A table from arrays that broadcast against each other, row by row."""
    shaped = np.broadcast_arrays(*columns.values())
    return pd.DataFrame({name: values.ravel() for name, values in zip(columns, shaped, strict=True)})
