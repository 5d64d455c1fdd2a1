"""What is wrong with a study beyond the types of its keys: names, values that do not go together, missing files."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from diffbench.conventions import DiffbenchError
from diffbench.data import catalog
from diffbench.data.raw_images import Facts
from diffbench.settings.granularity import GIVEN
from diffbench.settings.guidance import Guidance
from diffbench.settings.guidance import problems as problems_of_guidance
from diffbench.settings.models import PRESETS, External, TrainedDefinition, Variant, check_conditions, check_shape
from diffbench.study.imported import files_of
from diffbench.study.layout import FOLDERS
from diffbench.study.study import Study

AUTOENCODER, PIPELINE = "diffbench.adapters.autoencoder:autoencoder_kl", "diffbench.adapters.pipeline:pipeline"

MOST_CELLS = 10_000_000
"""More are a slip of the pen; they would not fit in memory either."""


def problems(study: Study) -> Iterator[str]:
    """What is wrong with a study beyond the types of its keys; nothing that follows from what was said before."""
    if (size := _grid_size(study)) > MOST_CELLS:
        yield f"key 'sweeps': {size:,} cells are beyond {MOST_CELLS:,}; vary fewer factors together"
        return
    try:
        data = catalog.facts(study.data)
    except DiffbenchError as error:
        yield str(error)
        return
    alone = [*_problems_of_names(study), *_problems_of_quality(study, data), *_problems_of_decoder(study)]
    alone += _problems_of_latents(study)
    yield from alone
    if of_models := list(_problems_of_models(study)):
        yield from of_models
        return
    of_factors = list(_problems_of_factors(study, data))
    yield from of_factors
    if not alone and not of_factors:
        yield from _problems_of_cells(study)


def _grid_size(study: Study) -> int:
    """Cells at most, told without making them."""
    points = 1 + sum(math.prod(map(len, sweep.varied.values())) for sweep in study.sweeps)
    return points * len(study.seeds) * len(study.steps)


def _problems_of_names(study: Study) -> Iterator[str]:
    """Values that repeat, and models whose folder would be another's."""
    for key in ("seeds", "steps"):
        values = getattr(study, key)
        if len(set(values)) < len(values):
            yield f"key '{key}': values repeat in {values}"
    for model in FOLDERS.intersection(study.models):
        yield f"key 'models.{model}': '{model}' is the name of a folder of the results; choose another"


def _problems_of_quality(study: Study, data: Facts) -> Iterator[str]:
    if study.measures.quality.space == "classifier" and data.classes < 2:
        yield f"key 'measures.quality.space': '{study.data.name}' has no classes to train a classifier on; use pca"


def _problems_of_decoder(study: Study) -> Iterator[str]:
    weights = study.data.decoding.weights if study.data.decoding else None
    if weights is not None and not Path(weights).exists():
        yield f"key 'data.decoder.weights': {weights}: no such file or folder"


def _problems_of_latents(study: Study) -> Iterator[str]:
    """Latents as the encoder gave them, for a pipeline that knows them multiplied: too large by a factor of five."""
    decoder = study.data.decoding
    if decoder is None or decoder.factory != AUTOENCODER or decoder.arguments.get("scaled") is not False:
        return
    for name, model in study.models.items():
        if not isinstance(model, External) or (model.factory, model.scale) != (PIPELINE, "raw"):
            continue
        if any(Path(place, "vae").is_dir() for place in files_of(model)):
            yield (
                f"key 'models.{name}': its pipeline multiplies latents by the scaling_factor of its vae/, and"
                " data.decoder says scaled: false; store them multiplied, and say scaled: true"
            )


def _problems_of_models(study: Study) -> Iterator[str]:
    """Variants of nothing, and missing weights."""
    for name, model in study.models.items():
        if isinstance(model, Variant):
            yield from _problems_of_variant(study, name, model)
        if isinstance(model, External) and model.weights is not None and not Path(model.weights).exists():
            yield f"key 'models.{name}.weights': {model.weights}: no such file or folder"


def _problems_of_variant(study: Study, name: str, variant: Variant) -> Iterator[str]:
    if not isinstance(study.models.get(variant.of) or PRESETS.get(variant.of), TrainedDefinition):
        yield f"key 'models.{name}.of': '{variant.of}' is no trained model; name a preset or a model of the study"
    if study.training_of(name) == study.training:
        yield f"key 'models.{name}': trains as '{variant.of}' does; set dropout or horizontal_flip to another value"


def _problems_of_factors(study: Study, data: Facts) -> Iterator[str]:
    """Each value of each factor by itself, then granularities beside the training sizes they are combined with."""
    for where, factors in _located_values(study):
        for model in factors.get("model", []):
            yield from (f"key '{where}model': {problem}" for problem in _problems_of_model(study, model, data))
        for guidance in factors.get("guidance", []):
            yield from (f"key '{where}guidance': {problem}" for problem in _problems_of_guide(study, guidance, data))
        for step in set(factors.get("step", [])) - set(study.steps):
            yield f"key '{where}step': {step} is not among the steps {study.steps}"
        for size in factors.get("train_size", []):
            if problem := catalog.bad_train_size(study.data, data, size):
                yield f"key '{where}train_size': {problem}"
    for factors in study.combinations():
        granularity, size = factors["granularity"], factors["train_size"]
        if problem := catalog.bad_granularity(study.data, data, granularity, size) or _tokens(study, data, factors):
            yield f"granularity '{granularity}': {problem}"
            return


def _tokens(study: Study, data: Facts, factors: Mapping[str, Any]) -> str | None:
    """Why a model cannot be trained on the conditions that are given, if so."""
    model = factors["model"]
    if factors["granularity"] != GIVEN or not isinstance(study.definition(model), TrainedDefinition):
        return None
    try:
        check_conditions(data.conditions)
    except DiffbenchError as error:
        return f"'{model}': {error}"
    return None


def _problems_of_model(study: Study, model: str, data: Facts) -> Iterator[str]:
    known = _known_models(study)
    if model not in known:
        yield f"unknown model '{model}', known are {', '.join(known)}"
    elif problem := _misfit(study, model, data.shape):
        yield f"'{model}': {problem}"


def _problems_of_guide(study: Study, guidance: Guidance, data: Facts) -> Iterator[str]:
    known = _known_models(study)
    trained = {model: study.definition(model).trained for model in known}
    planted = {model for model in known if not study.denoises(model)}
    yield from problems_of_guidance(guidance, trained, planted, study.steps)
    if guidance.model in known and (problem := _misfit(study, guidance.model, data.shape)):
        yield f"'{guidance.model}': {problem}"


def _known_models(study: Study) -> list[str]:
    return sorted({*PRESETS, *study.models})


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


def _problems_of_cells(study: Study) -> Iterator[str]:
    """Combinations of values that are each in order."""
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


def _located_values(study: Study) -> Iterator[tuple[str, Mapping[str, list[Any]]]]:
    """Where values of factors stand in the study file, and these values."""
    yield "center.", {name: [value] for name, value in study.center}
    for index, sweep in enumerate(study.sweeps):
        yield f"sweeps.{index}.", sweep.varied
