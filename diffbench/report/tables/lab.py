"""The laboratory's tables: its topics' files, and what the study measured of models of the plane."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.data.scaling import Scaling
from diffbench.files.estimates import rows
from diffbench.files.store import StageFile
from diffbench.report.tables.results import Results
from diffbench.settings.lab import TOPICS, LabSettings
from diffbench.settings.models import Autoguided, Blurred, ModelDefinition
from diffbench.study.layout import DATA, DENOISE, EQUIVALENT, TOPIC
from diffbench.summary.reading import Fault


@dataclass(frozen=True)
class Laboratory:
    """Settings and files of the laboratory, as far as they could be read."""

    settings: LabSettings
    topics: Mapping[str, StageFile]


def load_laboratory(results: Results) -> Laboratory:
    """Read the files of all topics. Those that cannot be read do not stop the others."""
    assert results.study.lab is not None
    topics = {}
    for topic in TOPICS:
        with suppress(DiffbenchError):
            topics[topic] = results.read(TOPIC, {"topic": topic})
    return Laboratory(results.study.lab, topics)


def topic_faults(results: Results) -> dict[str, Fault]:
    """What is wrong with the files of the topics, by topic, as far as they were used."""
    faults = results.faults
    return {topic: faults[file] for topic in TOPICS if (file := TOPIC.of({"topic": topic})) in faults}


def equivalents(results: Results) -> pd.DataFrame:
    """Equivalent deltas of all trained checkpoints: factors, sigma in raw units, and the fields of an estimate."""
    equivalent: list[dict[str, Any]] = []
    expected = frozenset(results.study.files)
    for checkpoint in results.study.checkpoints:
        if EQUIVALENT.of(checkpoint.factors) not in expected:
            continue
        with suppress(DiffbenchError):
            file = results.read(EQUIVALENT, checkpoint.factors)
            equivalent += [checkpoint.factors | row for row in rows(file)]
    return pd.DataFrame(equivalent)


def closed_form_gaps(results: Results, gap: StageFile) -> pd.DataFrame:
    """The norm gap of closed-form models as the ordinary stages measured it, where the quadrature has their setting.

    Columns: model (with its training size), setting (index in `gap`), sigma (raw units), value, low, high; none where
    the data file, which holds the units, cannot be read.
    """
    measured: list[dict[str, Any]] = []
    for checkpoint in results.study.checkpoints:
        run = checkpoint.run
        setting = _setting(results.study.definition(run.model), 2 * run.train_size, gap)
        if setting is None or run.granularity != "none" or results.study.data.name != "circle-symmetric":
            continue
        with suppress(DiffbenchError):
            curve = [row for row in rows(results.read(DENOISE, checkpoint.factors)) if row["measure"] == "norm_gap"]
            measured += [{"model": f"{run.model}, n {run.train_size}", "setting": setting} | row for row in curve]
    table = pd.DataFrame(measured)
    if table.empty:
        return table
    try:
        return table.assign(sigma=_scaling(results).raw_lengths(table["sigma"].to_numpy(np.float64)))
    except DiffbenchError:
        return pd.DataFrame()


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
    return Scaling.of(results.reader.header(DATA, {}).attributes)
