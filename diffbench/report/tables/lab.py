"""The laboratory's tables: its topics' files, and what the study measured of models of the plane."""

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
from diffbench.report.tables.results import Results
from diffbench.settings.lab import TOPICS, LabSettings
from diffbench.settings.models import Autoguided, Blurred, ModelDefinition
from diffbench.study.layout import DATA, DENOISE, EQUIVALENT, TOPIC


@dataclass(frozen=True)
class Laboratory:
    """Settings and files of the laboratory; what could not be read stands in `missing` with the reason."""

    settings: LabSettings
    topics: Mapping[str, StageFile]
    missing: Mapping[str, str]


def load_laboratory(results: Results) -> Laboratory:
    """Read the files of all topics. Missing ones do not stop the others."""
    assert results.study.lab is not None
    topics, missing = {}, {}
    for topic in TOPICS:
        try:
            topics[topic] = results.read(TOPIC, {"topic": topic})
        except DiffbenchError as error:
            missing[topic] = str(error)
    return Laboratory(results.study.lab, topics, missing)


def equivalents(results: Results) -> pd.DataFrame:
    """Equivalent deltas of all trained checkpoints: factors, sigma in raw units, and the fields of an estimate."""
    equivalent: list[dict[str, Any]] = []
    for checkpoint in results.study.checkpoints:
        try:
            file = results.read(EQUIVALENT, checkpoint.factors)
        except DiffbenchError:
            continue
        equivalent.extend(file.attributes["factors"] | row for row in rows(file))
    return pd.DataFrame(equivalent)


def closed_form_gaps(results: Results, gap: StageFile) -> pd.DataFrame:
    """The norm gap of closed-form models as the ordinary stages measured it, where the quadrature has their setting.

    Columns: model (with its training size), setting (index in `gap`), sigma (raw units), value, low, high.
    """
    measured: list[dict[str, Any]] = []
    for checkpoint in results.study.checkpoints:
        run = checkpoint.run
        setting = _setting(results.study.definition(run.model), 2 * run.train_size, gap)
        if setting is None or run.granularity != "none" or results.study.data.name != "circle-symmetric":
            continue
        try:
            file = results.read(DENOISE, checkpoint.factors)
        except DiffbenchError:
            continue
        curve = [row for row in rows(file) if row["measure"] == "norm_gap"]
        measured.extend({"model": f"{run.model}, n {run.train_size}", "setting": setting} | row for row in curve)
    table = pd.DataFrame(measured)
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
    return Scaling.of(store.header(results.path(DATA, {}), DATA.stage).attributes)
