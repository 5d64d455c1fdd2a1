"""Sizes of a study's models."""

import pandas as pd

from diffbench.conventions import DiffbenchError
from diffbench.data.catalog import facts
from diffbench.settings.models import External, TrainedDefinition
from diffbench.study.layout import DENOISE
from diffbench.study.study import Study
from diffbench.summary.reading import Reader


def model_sizes(study: Study, reader: Reader) -> pd.DataFrame:
    """Kind, number of weights and FLOPs per evaluated image of every model and guide; 0 where there is no network.

    Weights are counted for labels of the data's classes: other granularities have another embedding. Those of models
    made elsewhere are what the denoise stage counted; empty where it could not, or has not run.
    """
    rows = []
    for model in sorted({run.model for run in study.milestones}):
        definition = study.definition(model)
        size = {"parameters": 0, "flops_per_image": 0}
        if isinstance(definition, TrainedDefinition):
            from diffbench.denoisers.build import describe, fresh_network

            data = facts(study.data)
            size = describe(fresh_network(definition, data.shape, max(1, data.classes), seed=0), data.shape)
        if isinstance(definition, External):
            size = _measured_size(study, model, reader)
        rows.append({"model": model, "kind": definition.kind} | size)
    columns = {"parameters": "Int64", "flops_per_image": "Int64"}
    return pd.DataFrame(rows, columns=["model", "kind", *columns]).astype(columns)


def _measured_size(study: Study, model: str, reader: Reader) -> dict[str, int]:
    for checkpoint in study.checkpoints:
        if checkpoint.run.model == model:
            try:
                return reader.read(DENOISE, checkpoint.factors).attributes["size"]
            except DiffbenchError:
                continue
    return {}
