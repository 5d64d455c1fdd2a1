"""What is wrong with a study beyond the types of its keys: names, values that do not go together, missing files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from diffbench.conventions import DiffbenchError
from diffbench.data import catalog
from diffbench.settings.guidance import problems as problems_of_guidance
from diffbench.settings.models import PRESETS, External, TrainedDefinition, Variant, check_shape
from diffbench.study.study import Study

RESERVED = ("conditions", "features", "lab", "logs", "optimum", "report", "summary")
"""Folders of the results beside those of the models."""


def problems(study: Study) -> Iterator[str]:
    """What is wrong with a study beyond the types of its keys."""
    try:
        data = catalog.facts(study.data)
    except DiffbenchError as error:
        yield str(error)
        return
    if study.measures.quality.space == "classifier" and data.classes < 2:
        yield f"key 'measures.quality.space': '{study.data.name}' has no classes to train a classifier on; use pca"
    for key in ("seeds", "steps"):
        values = getattr(study, key)
        if len(set(values)) < len(values):
            yield f"key '{key}': values repeat in {values}"
    for model in study.models:
        if model in RESERVED:
            yield f"key 'models.{model}': '{model}' is the name of a folder of the results; choose another"
    if problems := [*_bad_variants(study), *_missing_weights(study)]:
        yield from problems
        return
    known = sorted({*PRESETS, *study.models})
    trained = {model: study.definition(model).trained for model in known}
    planted = {model for model in known if not study.denoises(model)}
    for where, factors in _located_values(study):
        for model in factors.get("model", []):
            if model not in known:
                yield f"key '{where}model': unknown model '{model}', known are {', '.join(known)}"
            elif problem := _misfit(study, model, data.shape):
                yield f"key '{where}model': '{model}': {problem}"
        for guidance in factors.get("guidance", []):
            for problem in problems_of_guidance(guidance, trained, planted, study.steps):
                yield f"key '{where}guidance': {problem}"
            if guidance.model in known and (problem := _misfit(study, guidance.model, data.shape)):
                yield f"key '{where}guidance': '{guidance.model}': {problem}"
        for step in set(factors.get("step", [])) - set(study.steps):
            yield f"key '{where}step': {step} is not among the steps {study.steps}"
        for size in factors.get("train_size", []):
            if problem := catalog.bad_train_size(study.data, data, size):
                yield f"key '{where}train_size': {problem}"
    for factors in study.combinations():
        granularity, size = factors["granularity"], factors["train_size"]
        if problem := catalog.bad_granularity(study.data, data, granularity, size):
            yield f"granularity '{granularity}': {problem}"
            return


def _bad_variants(study: Study) -> Iterator[str]:
    for name, model in study.models.items():
        if not isinstance(model, Variant):
            continue
        if not isinstance(study.models.get(model.of) or PRESETS.get(model.of), TrainedDefinition):
            yield f"key 'models.{name}.of': '{model.of}' is no trained model; name a preset or a model of the study"
        if study.training_of(name) == study.training:
            yield f"key 'models.{name}': trains as '{model.of}' does; set dropout or horizontal_flip to another value"


def _missing_weights(study: Study) -> Iterator[str]:
    for name, model in study.models.items():
        if isinstance(model, External) and model.weights is not None and not Path(model.weights).exists():
            yield f"key 'models.{name}.weights': {model.weights}: no such file or folder"


def _misfit(study: Study, model: str, shape: tuple[int, ...]) -> str | None:
    """Why a model cannot be trained on images of `shape`, if so."""
    definition = study.definition(model)
    if not isinstance(definition, TrainedDefinition):
        return None
    if study.training_of(model).horizontal_flip and len(shape) != 3:
        return "horizontal_flip: the data are no images; set it to false"
    try:
        check_shape(definition, shape)
    except DiffbenchError as error:
        return str(error)
    return None


def problems_of_cells(study: Study) -> Iterator[str]:
    """What is wrong with combinations of values that are each in order."""
    for factors in study.combinations():
        guidance = factors["guidance"]
        if guidance.model == factors["model"] and guidance.step is None:
            yield (
                f"guidance '{guidance.label}': model '{guidance.model}' cannot guide itself at the same step;"
                " give an earlier step, or another model"
            )
            return
    for where, factors in _located_values(study):
        for guidance in factors.get("guidance", []):
            if guidance.label not in study.guidances:
                yield (
                    f"key '{where}guidance': {guidance.text} is left with no cell: classifier-free guidance needs"
                    " conditions, and a trained guide a step, given or shared, no later than that of what it guides"
                )


def _located_values(study: Study) -> Iterator[tuple[str, dict[str, list[Any]]]]:
    yield "center.", {name: [value] for name, value in study.center}
    for index, sweep in enumerate(study.sweeps):
        yield f"sweeps.{index}.", sweep.varied
