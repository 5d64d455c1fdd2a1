"""Sizes of a study's models."""

import pandas as pd

from diffbench.data.catalog import facts
from diffbench.denoisers.definitions import TrainedDefinition
from diffbench.study import Study


def model_sizes(study: Study) -> pd.DataFrame:
    """Kind, number of weights and FLOPs per evaluated image of every model; 0 where there is no network.

    Weights are counted for labels of the data's classes: other granularities have another embedding.
    """
    rows = []
    for model in sorted({run.model for run in study.runs}):
        definition = study.definition(model)
        size = {"parameters": 0, "flops_per_image": 0}
        if isinstance(definition, TrainedDefinition):
            from diffbench.denoisers.build import describe, fresh_network

            data = facts(study.data)
            size = describe(fresh_network(definition, data.shape, max(1, data.classes), seed=0), data.shape)
        rows.append({"model": model, "kind": definition.kind} | size)
    return pd.DataFrame(rows)
